// The form below an answer: what is wrong with it, and the right one.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { isComposing } from "../shared/hand.js";
import { t } from "../shared/i18n.js";
import { Check, Field } from "../shared/widgets.js";
import { GrowingText } from "./composer.js";
import { REASONS } from "./feedback.js";

const LONGEST_REASON = 64; // [characters]

export function CorrectionForm({ answer, isWritten, onSay, onClose }) {
  const given = answer.feedback;
  const start = given?.correction ?? withoutDisclaimer(answer);
  const [text, setText] = useState(start);
  const [reasons, setReasons] = useState(given?.reasons ?? []);
  const [note, setNote] = useState(given?.note ?? "");
  const [isCritical, setCritical] = useState(given?.critical ?? false);
  const [isWriting, setWriting] = useState(isWritten || Boolean(given?.correction));
  const form = useRef(null);
  useEffect(() => {
    form.current.scrollIntoView({ block: "nearest" });
  }, [isWriting]);
  const submit = (event) => {
    event.preventDefault();
    const isChanged = isWriting && text.trim() && text !== answer.content;
    onSay({
      rating: given?.rating || -1,
      reasons,
      critical: isCritical,
      ...(note.trim() ? { note: note.trim() } : {}),
      ...(isChanged ? { correction: text } : {}),
    });
  };
  return html`<form ref=${form} class="correction" onSubmit=${submit}>
    <${Reasons} chosen=${reasons} onChange=${setReasons} />
    ${isWriting
      ? html`<${Field} name=${t("correction.text")} hint=${t("correction.hint")}>
          ${(id, hint) => html`<${GrowingText} id=${id} aria-describedby=${hint} value=${text} onInput=${setText} />`}
        <//>`
      : html`<button type="button" onClick=${() => setWriting(true)}>${t("correction.write")}</button>`}
    <${Field} name=${t("correction.note")}>
      ${(id) => html`<input id=${id} value=${note} maxlength="4000" onInput=${(event) => setNote(event.target.value)} />`}
    <//>
    <${Check} name=${t("correction.critical")} isChecked=${isCritical} onChange=${setCritical} />
    <div class="actions">
      <button type="button" onClick=${onClose}>${t("cancel")}</button>
      <button class="main">${t("correction.save")}</button>
    </div>
  </form>`;
}

/** The server may put it behind the text, for other programs. */
function withoutDisclaimer({ content, disclaimer }) {
  const isBehind = disclaimer && content.trimEnd().endsWith(disclaimer);
  return isBehind ? content.trimEnd().slice(0, -disclaimer.length).trimEnd() : content;
}

function Reasons({ chosen, onChange }) {
  const [own, setOwn] = useState("");
  const known = REASONS.map((name) => t(`reason.${name}`));
  const offered = [...known, ...chosen.filter((each) => !known.includes(each))];
  const toggle = (reason) =>
    onChange(chosen.includes(reason) ? chosen.filter((each) => each !== reason) : [...chosen, reason]);
  const add = () => {
    if (own.trim() && !chosen.includes(own.trim())) onChange([...chosen, own.trim()]);
    setOwn("");
  };
  const press = (event) => {
    if (event.key !== "Enter" || isComposing(event)) return;
    event.preventDefault();
    add();
  };
  return html`<fieldset class="reasons">
    <legend>${t("correction.reasons")}</legend>
    ${offered.map((reason) => html`<button type="button" class="chip" aria-pressed=${chosen.includes(reason)}
      onClick=${() => toggle(reason)}>${reason}</button>`)}
    <input class="chip" aria-label=${t("correction.own_reason")} placeholder=${t("correction.own_reason")}
      maxlength=${LONGEST_REASON} value=${own} onInput=${(event) => setOwn(event.target.value)} onKeyDown=${press} onBlur=${add} />
  </fieldset>`;
}
