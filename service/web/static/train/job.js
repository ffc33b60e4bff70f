// One job: how far it is, its losses, what can be done with it, and what came of it.
import { html, useEffect, useRef } from "../lib/htm-preact.js";
import { asDate, t } from "../shared/i18n.js";
import { announce } from "../shared/live.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { Actions } from "./actions.js";
import { hasEnded, useCourse } from "./course.js";
import { Curves, pointsOf } from "./curves.js";
import { Events } from "./events.js";
import { asTime } from "./numbers.js";
import { Report } from "./report.js";
import { Failure, nameOf, Status } from "./status.js";

export function Job({ id }) {
  const { job, events, error, set } = useCourse(id);
  useAnnouncement(job);
  if (!job) return html`<${Back} />${error ? html`<${Problem} error=${error} />` : html`<p role="status">${t("loading")}</p>`}`;
  const points = pointsOf(events);
  return html`<${Back} />
    <div class="train-head">
      <h1><${Plain} text=${nameOf(job)} /></h1>
      <${Status} status=${job.status} />
    </div>
    ${error && html`<${Problem} error=${error} />`}
    ${job.error && html`<${Failure} error=${job.error} />`}
    ${!hasEnded(job) && html`<${Progress} job=${job} last=${points.at(-1)} />`}
    <${Actions} job=${job} isTrained=${points.length > 0 && points.at(-1).step < points.at(-1).total} onChange=${set} />
    ${points.length > 1 && html`<section class="train-part" aria-label=${t("train.losses")}>
      <h2>${t("train.losses")}</h2><${Curves} points=${points} />
    </section>`}
    <section class="train-part" aria-label=${t("train.facts")}>
      <h2>${t("train.facts")}</h2><${Facts} job=${job} />
    </section>
    <${Events} events=${events} />
    ${job.fine_tuned_model && html`<${Report} model=${job.fine_tuned_model} />`}`;
}

function Back() {
  return html`<p><a href="#/train">${t("train.back")}</a></p>`;
}

function useAnnouncement(job) {
  const before = useRef(null);
  useEffect(() => {
    if (before.current && job && before.current !== job.status) announce(t(`train.status.${job.status}`));
    before.current = job?.status ?? before.current;
  }, [job?.status]);
}

function Progress({ job, last }) {
  const { step = 0, total = 0 } = last ?? {};
  const left = job.estimated_finish && job.estimated_finish - Date.now() / 1000;
  const isMeasured = total > 0 && step >= total; // the report comes
  return html`<div class="train-progress">
    <progress value=${total ? step : undefined} max=${total || 1} aria-label=${t("train.progress")} />
    <p>
      ${total > 0 && t(isMeasured ? "train.measuring" : "train.step_of", { step, total })}
      ${left && html` · ${t("train.left", { time: asTime(left), date: asDate(job.estimated_finish * 1000) })}`}
    </p>
    <p class="hint">${t("train.can_close")}</p>
  </div>`;
}

function Facts({ job }) {
  const { type } = job.method;
  const numbers = job.method[type].hyperparameters;
  const told = (value) => (value === "auto" ? t("train.auto") : value);
  const rows = [
    ["model", job.model],
    ["method", t(`train.method.${type}`)],
    ["epochs", told(numbers.n_epochs)],
    ["batch", told(numbers.batch_size)],
    ["rate", told(numbers.learning_rate_multiplier)],
    ["seed", job.seed],
    ["tokens", job.trained_tokens ?? "–"],
    ["created", asDate(job.created_at * 1000)],
    ["finished", job.finished_at ? asDate(job.finished_at * 1000) : "–"],
  ];
  return html`<dl class="train-facts">
    ${rows.map(([name, value]) => html`<div><dt>${t(`train.${name}`)}</dt><dd><${Plain} text=${String(value)} /></dd></div>`)}
  </dl>`;
}
