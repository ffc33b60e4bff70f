// One version of an adapter: what it was trained on, whether it is sound, and what can be done.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { may } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { learnMore, promote, remove, save, verify } from "./adapters.js";
import { Sure, useAction } from "./asking.js";
import { rowsOf } from "./card.js";
import { asBytes, asDay, Facts } from "./facts.js";

/** `known` is the same with its card, once that has been asked for. */
export function Version({ name, version, isPromoted, share, known }) {
  const [isOpen, setOpen] = useState(false);
  const [error, setError] = useState(null);
  const { version: number, problem, created, num_bytes: size, in_memory: isLoaded } = version;
  const ask = () => (setError(null), learnMore(name).catch(setError));
  useEffect(() => {
    if (isOpen && !known) ask();
  }, [isOpen, known]);
  const marks = [
    isPromoted && t("system.promoted"),
    share?.version === number && t("system.shared", { percent: share.percent }),
    isLoaded && t("system.in_memory"),
  ];
  return html`<details class="version" open=${isOpen} onToggle=${(event) => setOpen(event.target.open)}>
    <summary>
      <b>${t("system.version", { version: number })}</b>
      ${marks.filter(Boolean).map((each) => html`<span class="badge">${each}</span>`)}
      ${problem && html`<span class="badge bad">${t("system.damaged")}</span>`}
      <small>${[asDay(created), asBytes(size)].filter(Boolean).join(" · ")}</small>
    </summary>
    ${isOpen && html`<div class="inner">
      ${problem && html`<p class="problem"><${Plain} text=${problem} /></p>`}
      ${error && html`<${Problem} error=${error} onRetry=${ask} />`}
      ${!known && !error && html`<p role="status">${t("loading")}</p>`}
      ${known && !problem && html`<${Facts} rows=${rowsOf(version, known.card)} />`}
      <${Actions} name=${name} number=${number} isPromoted=${isPromoted} isDamaged=${Boolean(problem)} />
    </div>`}
  </details>`;
}

function Actions({ name, number, isPromoted, isDamaged }) {
  const [verification, setVerification] = useState(null);
  const [isLeaving, setLeaving] = useState(false);
  const { isRunning, error, run } = useAction();
  const reference = `${name}@${number}`;
  const isAdmin = may("admin");
  const button = (key, action, done) => html`<button class="small" disabled=${isRunning} onClick=${() => run(action, done)}>${t(key)}</button>`;
  return html`<div class="actions" role="group" aria-label=${reference}>
      ${isAdmin && !isPromoted && !isDamaged && button("system.promote", () => promote(name, number), t("system.now_promoted", { name, version: number }))}
      ${button("system.verify", async () => setVerification(await verify(name, number)))}
      ${isAdmin && !isDamaged && button("system.export", () => save(name, number))}
      ${isAdmin && html`<button class="small" onClick=${() => setLeaving(true)}>${t("delete")}</button>`}
    </div>
    ${error && html`<${Problem} error=${error} />`}
    ${verification && html`<${Verification} ...${verification} />`}
    ${isLeaving && html`<${Sure} title=${t("system.delete_one", { name: reference })} text=${t("system.delete_hint")}
      done=${t("system.deleted", { name: reference })} onDo=${() => remove(reference)} onClose=${() => setLeaving(false)} />`}`;
}

function Verification({ passed, checks, left_out: leftOut }) {
  return html`<div class="verification" role="status">
    <p><b>${t(passed ? "system.sound" : "system.unsound")}</b></p>
    <ul>
      ${checks.map(({ check, status, message, fix }) => html`<li key=${check} data-status=${status}>
        <b>${t(`system.status.${status}`)}</b> <code>${check}</code> <${Plain} text=${message} />
        ${fix && html`<p class="hint"><${Plain} text=${fix} /></p>`}
      </li>`)}
    </ul>
    ${leftOut.length > 0 && html`<p class="hint">${t("system.left_out", { checks: leftOut.join(", ") })}</p>`}
  </div>`;
}
