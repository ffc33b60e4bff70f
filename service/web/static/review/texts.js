// An answer beside what it should have been, with what differs.
import { html, useMemo } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { Plain } from "../text/marks.js";
import { compare } from "./diff.js";

const ELEMENTS = { same: "span", old: "del", new: "ins" };

/** `after` null: there is nothing to compare with. */
export function Compared({ before, after, name, afterName }) {
  const parts = useMemo(() => (after === null ? [{ kind: "same", text: before }] : compare(before, after)), [before, after]);
  return html`<div class="compared">
    <${Side} name=${name} parts=${parts.filter((each) => each.kind !== "new")} />
    ${after !== null && html`<${Side} name=${afterName} parts=${parts.filter((each) => each.kind !== "old")} />`}
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
