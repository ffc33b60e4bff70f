// What has happened to a job, the newest first.
import { html } from "../lib/htm-preact.js";
import { asDate, t } from "../shared/i18n.js";
import { Plain } from "../text/marks.js";
import { asLoss } from "./numbers.js";

const MOST = 100;

export function Events({ events }) {
  const shown = events.slice(-MOST).reverse();
  return html`<details class="train-events">
    <summary>${t("train.events")} (${events.length})</summary>
    <ol tabindex="0" aria-label=${t("train.events")}>
      ${shown.map((each) => html`<li key=${each.id} class=${each.level}>
        <small>${asDate(each.created_at * 1000)}</small> <span dir="auto"><${Plain} text=${said(each)} /></span>
      </li>`)}
    </ol>
    ${events.length > MOST && html`<p class="hint">${t("train.events_left_out", { count: events.length - MOST })}</p>`}
  </details>`;
}

function said({ message, data }) {
  if (!data) return message;
  const held = data.full_valid_loss ?? null;
  const told = t("train.step_loss", { step: data.step, total: data.total_steps, loss: asLoss(data.train_loss) });
  return held === null ? told : `${told}, ${t("train.held_loss", { loss: asLoss(held) })}`;
}
