// Where a message is written.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { isSending } from "../shared/hand.js";
import { t } from "../shared/i18n.js";
import { Icon, useId } from "../shared/widgets.js";

/** A text field that grows with its text, up to what the style allows. */
export function GrowingText({ value, onInput, ...others }) {
  const field = useRef(null);
  useEffect(() => {
    field.current.style.height = "auto";
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [value]);
  return html`<textarea ref=${field} rows="1" dir="auto" value=${value}
    onInput=${(event) => onInput(event.target.value)} ...${others} />`;
}

export function Composer({ label, isRunning, onSend, onStop, focusOn }) {
  const [text, setText] = useState("");
  const id = useId("composer");
  const field = () => document.getElementById(id);
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field().focus();
  }, [focusOn]);
  const send = () => {
    if (isRunning || !text.trim()) return;
    onSend(text);
    setText("");
    field().focus();
  };
  const press = (event) => {
    if (!isSending(event)) return;
    event.preventDefault();
    send();
  };
  return html`<form class="composer" onSubmit=${(event) => (event.preventDefault(), send())}>
    <label class="unseen" for=${id}>${label}</label>
    <${GrowingText} id=${id} value=${text} onInput=${setText} placeholder=${label} onKeyDown=${press} enterkeyhint="send" />
    ${isRunning
      ? html`<button type="button" class="icon main" aria-label=${t("chat.stop")} title=${t("chat.stop")} onClick=${onStop}><${Icon} name="stop" /></button>`
      : html`<button class="icon main" aria-label=${t("chat.send")} title=${t("chat.send")} disabled=${!text.trim()}><${Icon} name="send" /></button>`}
  </form>`;
}
