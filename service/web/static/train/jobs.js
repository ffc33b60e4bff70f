// All jobs, the newest first, as they are now.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { asDate, t } from "../shared/i18n.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { hasEnded } from "./course.js";
import { asTime } from "./numbers.js";
import { Failure, nameOf, Status } from "./status.js";

const LOOK = 4000; // [milliseconds] from one look to the next
const PAGE = 20;

export function Jobs() {
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const [number, setNumber] = useState(PAGE);
  const look = () =>
    call(`v1/fine_tuning/jobs?limit=${number}`).then((list) => (setFound(list), setProblem(null)), setProblem);
  useEffect(() => {
    look();
    const timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK);
    return () => clearInterval(timer);
  }, [number]);
  return html`<section class="train-part" aria-label=${t("train.jobs")}>
    <h2>${t("train.jobs")}</h2>
    ${problem && html`<${Problem} error=${problem} onRetry=${look} />`}
    ${found?.data.length === 0 && html`<p class="hint">${t("train.no_jobs")}</p>`}
    <ol class="train-jobs">${found?.data.map((job) => html`<${Row} key=${job.id} job=${job} />`)}</ol>
    ${found?.has_more && number < 100 && html`<button onClick=${() => setNumber(Math.min(100, number + PAGE))}>${t("train.more_jobs")}</button>`}
  </section>`;
}

function Row({ job }) {
  const left = !hasEnded(job) && job.estimated_finish && job.estimated_finish - Date.now() / 1000;
  return html`<li>
    <a href=${`#/train/${job.id}`}><${Plain} text=${nameOf(job)} /></a>
    <${Status} status=${job.status} />
    <small>${asDate(job.created_at * 1000)}${left > 0 && ` · ${t("train.left_short", { time: asTime(left) })}`}</small>
    ${job.error && html`<${Failure} error=${job.error} />`}
  </li>`;
}
