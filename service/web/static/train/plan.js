// What a job would take, as the server has measured it on a few steps.
import { html } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { asBytes, asTime } from "./numbers.js";

export function Plan({ plan }) {
  const { hyperparameters, seconds, report_seconds: report } = plan;
  const rows = [
    ["time", t("train.plan.time_of", { training: asTime(seconds), report: asTime(report) })],
    ["memory", asBytes(plan.memory_bytes)],
    ["conversations", t("train.plan.rows", { trained: plan.num_conversations, held: plan.num_held_out })],
    ["steps", t("train.plan.steps_of", { steps: plan.num_steps, epochs: hyperparameters.n_epochs, batch: hyperparameters.batch_size })],
  ];
  return html`<dl class="note train-facts" role="status">
    ${rows.map(([name, value]) => html`<div><dt>${t(`train.plan.${name}`)}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}
