// One answer with what was said of it, and the decision.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { isComposing } from "../shared/hand.js";
import { asDate, t } from "../shared/i18n.js";
import { announce } from "../shared/live.js";
import { useStore } from "../shared/store.js";
import { Check, Field, Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { Conflicts, Findings, Said } from "./evidence.js";
import { KeyButton, useKeys, usesKeys } from "./keys.js";
import { answeredBy, decide, go, hasRightAnswer, questionOf, textOf, writtenFor } from "./queue.js";
import { Compared } from "./texts.js";

const USED = ["in_training", "shipped"];

export function Item({ item }) {
  const [writing, setWriting] = useState(null); // {critical} while the right answer is written
  const [isDeciding, setDeciding] = useState(false);
  const [error, setError] = useState(null);
  const place = useRef(null);
  useStore(usesKeys);
  useEffect(() => {
    place.current.querySelector("h2").scrollIntoView({ block: "nearest" });
    announce(questionOf(item).slice(0, 200));
  }, []);
  const attempt = async (decision) => {
    if (isDeciding) return;
    setDeciding(true);
    setError(null);
    try {
      await decide(item, decision);
      setWriting(null);
    } catch (failure) {
      setError(failure);
    }
    setDeciding(false);
  };
  const accept = (critical) => {
    const mark = critical ? { critical } : {};
    if (hasRightAnswer(item, critical || item.critical)) attempt({ decision: "accept", ...mark });
    else setWriting({ critical: critical || item.critical, isNeeded: true });
  };
  const isUsed = USED.includes(item.state);
  const isOpen = item.state === "new";
  const deciding = isUsed || writing ? {} : {
    accept: () => accept(false),
    edit: () => setWriting({ critical: item.critical }),
    reject: () => attempt({ decision: "reject" }),
    critical: () => accept(true),
    ...(isOpen ? {} : { reopen: () => attempt({ decision: "reopen" }) }),
  };
  const actions = { ...deciding, next: () => go(1), back: () => go(-1) };
  useKeys(writing ? {} : actions);
  return html`<article class="item" ref=${place} aria-busy=${isDeciding}>
    <${Head} item=${item} />
    <${Asked} item=${item} />
    <${Said} item=${item} />
    <${Findings} item=${item} />
    <${Compared} before=${textOf(item.answer.message)} name=${t("item.answer")} after=${writtenFor(item)}
      afterName=${t(item.edited ? "item.edited" : "item.correction")} />
    <${Conflicts} item=${item} />
    ${error && html`<${Problem} error=${error} />`}
    ${writing
      ? html`<${Editor} item=${item} ...${writing} isBusy=${isDeciding} onCancel=${() => setWriting(null)} onSave=${attempt} />`
      : html`<${Actions} actions=${actions} isOpen=${isOpen} />`}
    ${isUsed && html`<p class="hint">${t("item.used", { by: item.version ?? t("item.training") })}</p>`}
  </article>`;
}

function Head({ item }) {
  const when = asDate(item.created_at * 1000);
  return html`<header class="head">
    <h2 dir="auto"><${Plain} text=${questionOf(item)} /></h2>
    <p class="hint">
      <b>${answeredBy(item)}</b> · ${when} · <span class=${`badge ${item.state}`}>${t(`stage.${item.state}`)}</span>
      ${item.version && html` ${item.version}`}
    </p>
  </header>`;
}

/** What came before the question. */
function Asked({ item }) {
  const last = item.messages.findIndex((each, at) => each.role === "user" && !item.messages.slice(at + 1).some((other) => other.role === "user"));
  const others = item.messages.filter((_, at) => at !== last);
  if (!others.length) return null;
  return html`<details class="before">
    <summary>${t("item.before", { count: others.length })}</summary>
    <dl>${others.map((each) => html`<dt>${each.role}</dt><dd dir="auto"><${Plain} text=${textOf(each)} /></dd>`)}</dl>
  </details>`;
}

function Actions({ actions, isOpen }) {
  const button = (action, kind = "") => html`<${KeyButton} action=${action} kind=${kind} name=${t(`decide.${action}`)}
    isDisabled=${!actions[action]} onClick=${actions[action]} />`;
  return html`<div class="decide" role="group" aria-label=${t("item.decision")}>
    ${button("accept", "main")} ${button("edit")} ${button("reject")} ${button("critical")}
    ${!isOpen && button("reopen")}
    <span class="moves">${button("back", "plain")} ${button("next", "plain")}</span>
  </div>`;
}

function Editor({ item, critical, isNeeded, isBusy, onCancel, onSave }) {
  const [text, setText] = useState(writtenFor(item) ?? textOf(item.answer.message));
  const [isCritical, setCritical] = useState(critical);
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
    field.current.scrollIntoView({ block: "nearest" });
  }, []);
  const isWritten = text.trim() && (hasRightAnswer(item, isCritical) || text !== textOf(item.answer.message));
  const save = (event) => {
    event?.preventDefault();
    if (isWritten && !isBusy) onSave({ decision: "accept", answer: text, critical: isCritical });
  };
  const press = (event) => {
    if (isComposing(event)) return;
    if (event.key === "Escape") onCancel();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(event);
  };
  return html`<form class="write" onSubmit=${save} onKeyDown=${press}>
    <${Field} name=${t("write.text")} hint=${t(isNeeded ? "write.needed" : "write.hint")}>
      ${(id, hint) => html`<textarea id=${id} ref=${field} aria-describedby=${hint} dir="auto" value=${text} onInput=${(event) => setText(event.target.value)} />`}
    <//>
    <${Check} name=${t("said.critical")} isChecked=${isCritical} onChange=${setCritical} />
    <div class="actions">
      <button type="button" onClick=${onCancel}>${t("cancel")}</button>
      <button class="main" disabled=${!isWritten || isBusy}>${t("write.save")}</button>
    </div>
  </form>`;
}
