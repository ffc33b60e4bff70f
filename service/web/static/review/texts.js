// An answer beside what it should have been, with what differs.
import { html, useMemo } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { Plain } from "../text/marks.js";
import { compare } from "./diff.js";

const ELEMENTS = { same: "span", old: "del", new: "ins" };
const LEAST = 0.2; // share of the longer text that stays: of quite another one no part is marked

/** `after` null: there is nothing to compare with. */
export function Compared({ before, after, name, afterName }) {
  const parts = useMemo(() => (after === null ? [] : compare(before, after)), [before, after]);
  const stays = parts.reduce((sum, { kind, text }) => sum + (kind === "same" ? text.length : 0), 0);
  const isMarked = stays > LEAST * Math.max(before.length, after?.length ?? 0);
  const side = (text, other) => (isMarked ? parts.filter((each) => each.kind !== other) : [{ kind: "same", text }]);
  return html`<div class="compared">
    <${Side} name=${name} parts=${side(before, "new")} />
    ${after !== null && html`<${Side} name=${afterName} parts=${side(after, "old")} />`}
  </div>`;
}

function Side({ name, parts }) {
  const isEmpty = parts.every((each) => !each.text);
  return html`<section>
    <h3>${name}</h3>
    <p class="said-text" dir="auto">
      ${parts.map(({ kind, text }) => html`<${ELEMENTS[kind]}><${Plain} text=${text} /><//>`)}
      ${isEmpty && html`<span class="hint">${t("item.nothing")}</span>`}
    </p>
  </section>`;
}
