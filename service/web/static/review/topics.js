// Where each version fails most: questions that are alike, and what is wrong with their answers.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { t } from "../shared/i18n.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { AdapterFilter } from "./desk.js";

export function Topics() {
  const [adapter, setAdapter] = useState("");
  const [found, setFound] = useState({}); // {data, left_out} or {error}; neither while it is asked
  const ask = () => {
    const controller = new AbortController();
    const query = new URLSearchParams(adapter ? { adapter } : {});
    setFound({});
    call(`v1/feedback/topics?${query}`, { signal: controller.signal }).then(
      setFound,
      (error) => error.name !== "AbortError" && setFound({ error }),
    );
    return () => controller.abort();
  };
  useEffect(ask, [adapter]);
  const { data, error, left_out: leftOut } = found;
  return html`<div class="page">
    <div class="filters"><${AdapterFilter} value=${adapter} onChange=${setAdapter} /></div>
    ${error && html`<${Problem} error=${error} onRetry=${ask} />`}
    ${!data && !error && html`<p role="status">${t("loading")}</p>`}
    ${data?.length === 0 && html`<p class="empty">${t("topics.none")}</p>`}
    ${data?.map((each) => html`<${Version} key=${each.version} ...${each} />`)}
    ${leftOut > 0 && html`<p class="hint">${t("topics.left_out", { count: leftOut })}</p>`}
  </div>`;
}

function Version({ version, answers, bad, topics, more_topics: more }) {
  return html`<section class="version">
    <h2>${version}</h2>
    <p class="hint">${t("topics.bad", { bad, answers })}</p>
    <ol class="topics">${topics.map((topic) => html`<${Topic} ...${topic} />`)}</ol>
    ${more > 0 && html`<p class="hint">${t("topics.more", { count: more })}</p>`}
  </section>`;
}

function Topic({ label, answers, bad, before, recent, corrections, wrong, examples }) {
  const share = Math.round((100 * bad) / answers);
  return html`<li>
    <div>
      <h3 dir="auto"><${Plain} text=${label} /></h3>
      <ul class="examples" aria-label=${t("topics.examples")}>
        ${examples.filter((each) => each !== label).map((each) => html`<li dir="auto"><${Plain} text=${each} /></li>`)}
      </ul>
    </div>
    <div class="counts">
      <p><b>${t("topics.bad", { bad, answers })}</b> ${corrections > 0 && html`<span class="hint">${t("topics.corrected", { count: corrections })}</span>`}</p>
      <div class="share" aria-hidden="true"><i style=${{ width: `${share}%` }}></i></div>
      <${Trend} before=${before} recent=${recent} />
      <p class="said">${wrong.map(({ what, by, answers: count }) => html`<span class="badge" dir="auto">
        ${by === "rule" ? t(`fault.${what}`) : html`<${Plain} text=${what} />`} ×${count}
      </span>`)}</p>
    </div>
  </li>`;
}

function Trend({ before, recent }) {
  const change = recent.bad / recent.answers - before.bad / before.answers; // not a number: nothing to compare
  const how = change > 0 ? "worse" : change < 0 ? "better" : null;
  const tally = ({ answers, bad }) => `${bad}/${answers}`;
  return html`<p class="hint">
    ${t("topics.trend", { before: tally(before), recent: tally(recent) })}
    ${how && html` <b class=${how}>${how === "worse" ? "▲" : "▼"} ${t(`topics.${how}`)}</b>`}
  </p>`;
}
