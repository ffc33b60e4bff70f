// What speaks for and against an answer: what the person said, what rules have found, what was
// accepted for the same question.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { t } from "../shared/i18n.js";
import { Icon, Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { choose, load, queue, textOf, writtenFor } from "./queue.js";
import { Compared } from "./texts.js";

const RATINGS = ["said.bad", "said.neither", "said.good"];

export function Said({ item }) {
  const { rating, reasons, note, critical, siblings } = item;
  return html`<div class="said">
    ${rating !== null && html`<span class=${`badge ${rating < 0 ? "bad" : ""}`}>
      ${rating !== 0 && html`<${Icon} name=${rating > 0 ? "up" : "down"} />`}${t(RATINGS[rating + 1])}
    </span>`}
    ${critical && html`<b class="badge bad">${t("said.critical")}</b>`}
    ${reasons.map((reason) => html`<span class="badge" dir="auto"><${Plain} text=${reason} /></span>`)}
    ${siblings.length > 0 && html`<span class="badge">${t("said.picked", { count: siblings.length })}</span>`}
    ${note && html`<p class="person-note" dir="auto"><span class="hint">${t("said.note")}</span> <${Plain} text=${note} /></p>`}
  </div>`;
}

export function Findings({ item }) {
  const faults = item.faults.filter((each) => each !== "contradicts"); // shown with the others' words
  if (!faults.length && !item.personal.length) return null;
  return html`<ul class="findings" aria-label=${t("item.findings")}>
    ${faults.map((each) => html`<li>${t(`fault.${each}`)}</li>`)}
    ${item.personal.length > 0 && html`<li class="personal"><b>${t("item.personal")}</b>
      ${item.personal.map((kind) => html` <span class="badge bad">${t(`personal.${kind.replace(/\W/g, "_")}`)}</span>`)}</li>`}
  </ul>`;
}

/** What was accepted for the same question and says otherwise, as far as it is there. */
export function Conflicts({ item }) {
  const ids = item.contradicts;
  const [others, setOthers] = useState([]);
  const [error, setError] = useState(null);
  const ask = () => {
    const controller = new AbortController();
    const found = ids.map((id) => call(`v1/feedback/${id}`, { signal: controller.signal }));
    setError(null);
    Promise.all(found).then(setOthers, (failure) => failure.name !== "AbortError" && setError(failure));
    return () => controller.abort();
  };
  useEffect(ask, [ids.join()]);
  if (!ids.length) return null;
  return html`<section class="conflicts">
    <h3><span class="badge bad">${t("item.conflict")}</span> ${t("item.conflict_hint")}</h3>
    ${error && html`<${Problem} error=${error} onRetry=${ask} />`}
    ${others.map((other) => html`<div class="conflict" key=${other.id}>
      <${Compared} before=${rightAnswer(other)} name=${t("item.accepted_before")}
        after=${rightAnswer(item)} afterName=${t("item.this_one")} />
      <button class="small" onClick=${() => show(other)}>${t("item.look")}</button>
    </div>`)}
  </section>`;
}

function rightAnswer(item) {
  return writtenFor(item) ?? textOf(item.answer.message);
}

/** Look at another one, which may be none of those that the list has. */
async function show(other) {
  const isListed = () => queue.get().items.some((each) => each.id === other.id);
  if (!isListed()) await load({ state: other.state, adapter: "" });
  if (!isListed()) queue.set((now) => ({ ...now, items: [other, ...now.items] })); // far behind
  choose(other.id);
}
