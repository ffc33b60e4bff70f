// One message of a conversation, and what can be done with it.
import { html, useState } from "../lib/htm-preact.js";
import { models } from "../shared/caller.js";
import { copy, isSending } from "../shared/hand.js";
import { t } from "../shared/i18n.js";
import { label } from "../shared/models.js";
import { IconButton, Problem } from "../shared/widgets.js";
import { Formatted } from "../text/formatted.js";
import { Plain } from "../text/marks.js";
import { GrowingText } from "./composer.js";
import { Rating } from "./rating.js";

export function Question({ message, isRunning, onResend }) {
  const [edited, setEdited] = useState(null); // the text while it is edited
  if (edited !== null) {
    const end = () => setEdited(null);
    const resend = (text) => (end(), onResend(text));
    return html`<li class="message question"><${Editor} text=${edited} onCancel=${end} onSend=${resend} /></li>`;
  }
  return html`<li class="message question">
    <h2 class="unseen">${t("message.you")}</h2>
    <div class="bubble" dir="auto"><${Plain} text=${message.content} /></div>
    <div class="actions">
      <${CopyButton} text=${message.content} />
      <${IconButton} icon="edit" name=${t("message.edit")} isDisabled=${isRunning} onClick=${() => setEdited(message.content)} />
    </div>
  </li>`;
}

function Editor({ text, onCancel, onSend }) {
  const [changed, setChanged] = useState(text);
  const send = () => changed.trim() && onSend(changed);
  const press = (event) => {
    if (event.key === "Escape") onCancel();
    if (!isSending(event)) return;
    event.preventDefault();
    send();
  };
  return html`<div class="editor">
    <${GrowingText} value=${changed} onInput=${setChanged} aria-label=${t("message.edit")} onKeyDown=${press} autofocus />
    <div class="actions">
      <button onClick=${onCancel}>${t("cancel")}</button>
      <button class="main" disabled=${!changed.trim()} onClick=${send}>${t("message.resend")}</button>
    </div>
    <p class="hint">${t("message.edit_hint")}</p>
  </div>`;
}

/** `shownDisclaimer` is the one that stands on the page already. */
export function Answer({ message, isRunning, shownDisclaimer, onAgain, onFeedback, children }) {
  const { content, finish, error, disclaimer } = message;
  const isComing = isRunning && finish === null;
  return html`<li class="message answer" aria-busy=${isComing}>
    <h2 class="unseen">${t("message.answer")}</h2>
    <p class="by"><span>${label(message.picks, models.get().base)}</span> <${Details} message=${message} /></p>
    ${content ? html`<${Formatted} text=${content} />` : isComing && html`<${Waiting} />`}
    ${finish === "length" && html`<p class="hint">${t("message.cut")}</p>`}
    ${finish === "stopped" && html`<p class="hint">${t("message.stopped")}</p>`}
    ${finish === null && !isRunning && html`<p class="hint">${t("message.lost")}</p>`}
    ${error && html`<${Problem} error=${error} onRetry=${onAgain} />`}
    ${disclaimer && disclaimer !== shownDisclaimer && html`<p class="disclaimer">${disclaimer}</p>`}
    ${!isComing && html`<div class="actions">
      ${content && html`<${CopyButton} text=${content} />`}
      ${onAgain && html`<${IconButton} icon="again" name=${t("message.again")} onClick=${onAgain} />`}
      ${content && html`<${Rating} answer=${message} onFeedback=${onFeedback}>${children}<//>`}
    </div>`}
  </li>`;
}

function Details({ message }) {
  const { answeredBy, usage } = message;
  const tokens = usage && t("message.tokens", { count: usage.completion_tokens });
  return html`<span class="hint">${[answeredBy, tokens].filter(Boolean).join(" · ")}</span>`;
}

function Waiting() {
  return html`<p class="waiting" role="img" aria-label=${t("message.waiting")}><i></i><i></i><i></i></p>`;
}

function CopyButton({ text }) {
  const [isCopied, setCopied] = useState(false);
  const take = async () => setCopied(await copy(text));
  return html`<${IconButton} icon=${isCopied ? "check" : "copy"} name=${t(isCopied ? "copied" : "copy")} onClick=${take} />`;
}
