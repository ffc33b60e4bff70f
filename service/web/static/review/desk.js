// The list of feedback beside the item that is looked at.
import { html, useEffect, useRef } from "../lib/htm-preact.js";
import { models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Check, Field, Icon, IconButton, Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { Item } from "./item.js";
import { usesKeys } from "./keys.js";
import { answeredBy, choose, load, more, questionOf, queue } from "./queue.js";

const STATES = ["new", "accepted", "edited", "rejected", "in_training", "shipped"];
const SHOWN = 120; // [characters] of a question

export function Desk() {
  const { items, chosen, isLoading, error, state } = useStore(queue);
  useEffect(() => {
    load();
  }, []);
  const item = items.find((each) => each.id === chosen);
  const isDone = !isLoading && !error && !item;
  return html`<div class="desk">
    <div class="queue">
      <${Filters} />
      <${List} />
    </div>
    <div class="item-place">
      ${item && html`<${Item} key=${item.id} item=${item} />`}
      ${error && html`<${Problem} error=${error} onRetry=${items.length ? more : () => load()} />`}
      ${isLoading && !item && html`<p role="status">${t("loading")}</p>`}
      ${isDone && html`<p class="empty" role="status">${t(items.length || state !== "new" ? "queue.done" : "queue.empty")}</p>`}
    </div>
  </div>`;
}

export function AdapterFilter({ value, onChange }) {
  const { base, adapters } = useStore(models);
  const named = adapters.flatMap(({ name, versions }) => [
    { id: name, text: name },
    ...(versions.length > 1 ? versions : []).map(({ version }) => ({ id: `${name}@${version}`, text: `${name}@${version}` })),
  ]);
  return html`<${Field} name=${t("queue.adapter")}>
    ${(id) => html`<select id=${id} value=${value} onChange=${(event) => onChange(event.target.value)}>
      <option value="">${t("queue.all")}</option>
      ${named.map((each) => html`<option value=${each.id}>${each.text}</option>`)}
      ${base && html`<option value=${base}>${base}</option>`}
    </select>`}
  <//>`;
}

function Filters() {
  const { state, adapter } = useStore(queue);
  const hasKeys = useStore(usesKeys);
  return html`<div class="filters">
    <${Field} name=${t("queue.state")}>
      ${(id) => html`<select id=${id} value=${state} onChange=${(event) => load({ state: event.target.value })}>
        ${STATES.map((each) => html`<option value=${each}>${t(`stage.${each}`)}</option>`)}
        <option value="">${t("queue.all")}</option>
      </select>`}
    <//>
    <${AdapterFilter} value=${adapter} onChange=${(chosen) => load({ adapter: chosen })} />
    <${IconButton} icon="again" name=${t("queue.again")} onClick=${() => load()} />
    <${Check} name=${t("queue.keys")} isChecked=${hasKeys} onChange=${(uses) => usesKeys.set(uses)} />
  </div>`;
}

function List() {
  const { items, chosen, hasMore, isLoading } = useStore(queue);
  const list = useRef(null);
  useEffect(() => {
    list.current.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return html`<ol class="list" ref=${list} aria-label=${t("review.queue")}>
    ${items.map((item) => html`<li key=${item.id}>
      <button class="plain" aria-current=${item.id === chosen ? "true" : undefined} onClick=${() => choose(item.id)}>
        <${Row} item=${item} />
      </button>
    </li>`)}
    ${hasMore && html`<li><button class="plain more" disabled=${isLoading} onClick=${more}>${t("queue.more")}</button></li>`}
  </ol>`;
}

function Row({ item }) {
  const { state, rating, critical, contradicts } = item;
  return html`<span class="asked-line" dir="auto"><${Plain} text=${questionOf(item).slice(0, SHOWN) || "–"} /></span>
    <span class="row-meta">
      ${rating === 1 && html`<${Icon} name="up" /><span class="unseen">${t("said.good")}</span>`}
      ${rating === -1 && html`<${Icon} name="down" /><span class="unseen">${t("said.bad")}</span>`}
      <span>${answeredBy(item)}</span>
      ${critical && html`<b class="badge bad">${t("said.critical")}</b>`}
      ${contradicts.length > 0 && html`<b class="badge bad">${t("item.conflict")}</b>`}
      ${state !== "new" && html`<span class=${`badge ${state}`}>${t(`stage.${state}`)}</span>`}
    </span>`;
}
