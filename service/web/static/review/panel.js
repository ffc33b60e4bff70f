// An adapter: what waits for its next version, the round that goes on, and what its name means.
import { html, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { loadModels } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { Check, Field, Problem, useId } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { Ask } from "./ask.js";
import { Decision, Timeline } from "./ledger.js";
import { pathOf, useRounds } from "./rounds.js";

const FIRST_SHARE = 10; // [%] of the requests
const ALL = 100;
const KEPT_BACK = ["refuse", "abstain"]; // what is decided of a candidate that does not answer

export function Panel({ adapter, onChange }) {
  const { id: name, promoted, share } = adapter;
  const changed = (found) => {
    onChange(found);
    loadModels().catch(() => {}); // the other views hear of it the next time
  };
  const { state, ledger, step, error, look } = useRounds(name, changed);
  const [asked, setAsked] = useState(null); // which question is open
  const titleId = useId("adapter");
  const move = async (action, body) => {
    changed(await call(pathOf(name, action), { method: "POST", body }));
    look();
  };
  const improve = async (body) => {
    await call(pathOf(name, "improve"), { method: "POST", body });
    await look();
  };
  const close = () => setAsked(null);
  const decided = ledger.find((each) => each.what !== "forget");
  const candidate = KEPT_BACK.includes(decided?.what) ? decided.after : null;
  return html`<section class="panel" aria-labelledby=${titleId}>
    <header>
      <h2 id=${titleId}>${name}</h2>
      <p class="hint">${t("improve.means", { version: `${name}@${promoted}` })}
        ${share && html` ${t("improve.shared", { version: `${name}@${share.version}`, percent: share.percent })}`}</p>
    </header>
    ${error && html`<${Problem} error=${error} onRetry=${look} />`}
    ${state && html`<p>${t("improve.waiting", { count: state.accepted })}</p>`}
    ${state?.running && html`<${Running} step=${step} />`}
    <div class="actions">
      <button class="main" disabled=${!state || state.running} onClick=${() => setAsked("improve")}>${t("improve.begin")}</button>
      <button disabled=${!olderThan(adapter)} onClick=${() => setAsked("rollback")}>${t("improve.rollback")}</button>
      <button disabled=${adapter.versions.length < 2} onClick=${() => setAsked("choose")}>${t("improve.choose")}</button>
      ${share && html`<button onClick=${() => setAsked("unshare")}>${t("improve.unshare")}</button>`}
    </div>
    ${state?.said && html`<details>
      <summary>${t("improve.said")}</summary>
      <pre class="log" tabindex="0" role="region" aria-label=${t("improve.said")}><${Plain} text=${state.said} /></pre>
    </details>`}
    <${Decision} entry=${decided} />
    ${candidate && !state?.running && html`<div class="actions">
      <button onClick=${() => setAsked("override")}>${t("improve.override", { version: candidate })}</button>
    </div>`}
    <${Timeline} entries=${ledger} />
    ${asked && html`<${QUESTIONS[asked]} adapter=${adapter} candidate=${candidate} move=${move} improve=${improve} onClose=${close} />`}
  </section>`;
}

function Running({ step }) {
  return html`<p class="running" role="status">
    <span>${t(step ? "improve.step" : "improve.running", { step: step?.[0], steps: step?.[1] })}</span>
    <progress max=${step?.[1]} value=${step?.[0]} aria-label=${t("improve.progress")} />
  </p>`;
}

/** The version that it goes back to; undefined where there is none. */
function olderThan({ versions, promoted }) {
  const at = versions.findIndex((each) => each.version === promoted);
  return versions[at - 1]?.version;
}

const QUESTIONS = { improve: Begin, override: Override, rollback: RollBack, choose: Choose, unshare: Unshare };

function Begin({ adapter, improve, onClose }) {
  const [isShared, setShared] = useState(false);
  const [percent, setPercent] = useState(FIRST_SHARE);
  return html`<${Ask} title=${t("begin.title", { name: adapter.id })} name=${t("improve.begin")} onClose=${onClose}
    isReady=${!isShared || isShare(percent)} onDo=${() => improve(isShared ? { share: percent } : {})}>
    <p>${t("begin.hint")}</p>
    <${Check} name=${t("begin.share")} hint=${t("begin.share_hint")} isChecked=${isShared} onChange=${setShared} />
    ${isShared && html`<${Percent} value=${percent} onChange=${setPercent} />`}
  <//>`;
}

function isShare(percent, most = ALL - 1) {
  return Number.isInteger(percent) && percent >= 1 && percent <= most;
}

function Percent({ value, most = ALL - 1, onChange }) {
  return html`<${Field} name=${t("choose.percent")}>
    ${(id) => html`<input id=${id} type="number" min="1" max=${most} step="1" value=${value}
      onInput=${(event) => onChange(event.target.valueAsNumber)} />`}
  <//>`;
}

function Override({ adapter, candidate, improve, onClose }) {
  const [reason, setReason] = useState("");
  const override = () => improve({ override: reason.trim(), version: candidate.split("@").at(-1) });
  return html`<${Ask} title=${t("override.title", { version: candidate })} name=${t("improve.promote")}
    isReady=${reason.trim() !== ""} onDo=${override} onClose=${onClose}>
    <p>${t("override.hint", { name: adapter.id })}</p>
    <${Field} name=${t("override.reason")}>
      ${(id) => html`<textarea id=${id} rows="2" maxlength="4000" value=${reason} onInput=${(event) => setReason(event.target.value)} />`}
    <//>
  <//>`;
}

function RollBack({ adapter, move, onClose }) {
  const versions = { from: `${adapter.id}@${adapter.promoted}`, to: `${adapter.id}@${olderThan(adapter)}` };
  return html`<${Ask} title=${t("rollback.title", { name: adapter.id })} name=${t("improve.rollback")} onClose=${onClose}
    onDo=${() => move("rollback")}><p>${t("rollback.hint", versions)}</p><//>`;
}

function Choose({ adapter, move, onClose }) {
  const offered = adapter.versions.filter((each) => each.version !== adapter.promoted && !each.problem);
  const [version, setVersion] = useState(adapter.share?.version ?? offered.at(-1)?.version);
  const [percent, setPercent] = useState(adapter.share?.percent ?? ALL);
  const choose = () => (percent === ALL ? move("promote", { version }) : move("share", { version, percent }));
  return html`<${Ask} title=${t("choose.title", { name: adapter.id })} name=${t(percent === ALL ? "improve.promote" : "improve.share")}
    isReady=${version && isShare(percent, ALL)} onClose=${onClose} onDo=${choose}>
    <${Field} name=${t("choose.version")}>
      ${(id) => html`<select id=${id} value=${version} onChange=${(event) => setVersion(event.target.value)}>
        ${offered.map((each) => html`<option value=${each.version}>${adapter.id}@${each.version}</option>`)}
      </select>`}
    <//>
    <${Percent} value=${percent} most=${ALL} onChange=${setPercent} />
    <p>${t(percent === ALL ? "choose.all" : "choose.share", { name: adapter.id })}</p>
  <//>`;
}

function Unshare({ adapter, move, onClose }) {
  return html`<${Ask} title=${t("unshare.title", { name: adapter.id })} name=${t("improve.unshare")} onClose=${onClose}
    onDo=${() => move("share", { percent: 0 })}><p>${t("unshare.hint", { version: `${adapter.id}@${adapter.promoted}` })}</p><//>`;
}
