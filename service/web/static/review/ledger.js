// What was decided of an adapter: the last decision in words, and all of them in time.
import { html } from "../lib/htm-preact.js";
import { asDate, t } from "../shared/i18n.js";
import { Plain } from "../text/marks.js";

const MOOD = { promote: "good", override: "good", share: "good", moved: "", refuse: "bad", rollback: "bad", abstain: "", forget: "" };

export function Decision({ entry }) {
  if (!entry) return html`<p class="hint">${t("ledger.none")}</p>`;
  const { what, adapter, before, after, told } = entry;
  const values = { name: adapter, before: before ?? "–", after: after ?? "–", percent: told.percent ?? "?" };
  return html`<div class=${`decision ${MOOD[what]}`}>
    <h3>${t(`what.${what}`)}</h3>
    <p>${t(`meaning.${what}`, values)}</p>
    <${Reasons} of=${told} />
  </div>`;
}

function Reasons({ of: { reasons = [] } }) {
  if (!reasons.length) return null;
  return html`<ul class="reasons-told">${reasons.map((each) => html`<li dir="auto"><${Plain} text=${each} /></li>`)}</ul>`;
}

export function Timeline({ entries }) {
  if (!entries.length) return null;
  return html`<details class="ledger">
    <summary>${t("ledger.title", { count: entries.length })}</summary>
    <ol>${entries.map((each) => html`<${Entry} key=${each.number} ...${each} />`)}</ol>
    <p class="hint">${t("ledger.hint")}</p>
  </details>`;
}

function Entry({ created_at: when, what, who, before, after, round, told, sha256 }) {
  return html`<li>
    <p class="entry"><time datetime=${new Date(when * 1000).toISOString()}>${asDate(when * 1000)}</time>
      <b class=${`badge ${MOOD[what]}`}>${t(`what.${what}`)}</b> ${[before, after].filter(Boolean).join(" → ")}</p>
    <${Reasons} of=${told} />
    <p class="hint entry">${[...figures(told), round && t("figure.round", { round }), who && t("figure.who", { who })].filter(Boolean).join(" · ")}
      <code title=${sha256}>${sha256.slice(0, 8)}</code></p>
  </li>`;
}

/** Its numbers in words, as far as there are any. */
function figures({ gain, chance, needed, rows, percent }) {
  const share = (number) => `${(100 * number).toFixed(1)} %`;
  return [
    typeof gain === "number" && t(gain < 0 ? "figure.loss_up" : "figure.loss_down", { share: share(Math.abs(gain)) }),
    typeof chance === "number" && t("figure.chance", { share: share(chance) }),
    typeof rows === "number" && t("figure.rows", { count: rows }),
    typeof percent === "number" && t("figure.percent", { percent }),
    typeof needed === "number" && t("figure.needed", { count: needed }),
  ];
}
