// Small parts that several views are made of.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { explain } from "./errors.js";
import { t } from "./i18n.js";

let count = 0;

/** An id for a field and its label, the same for as long as the component lives. */
export function useId(start) {
  const [id] = useState(() => `${start}-${(count += 1)}`);
  return id;
}

/** A labelled field; `children` draws the control with the id that it gets. */
export function Field({ name, hint, children }) {
  const id = useId("field");
  return html`<div class="field">
    <label for=${id}>${name}</label>
    ${children(id, hint ? `${id}-hint` : undefined)}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/** A box to tick, its label behind it. */
export function Check({ name, hint, isChecked, onChange }) {
  const id = useId("check");
  return html`<div class="choice">
    <input id=${id} type="checkbox" checked=${isChecked} aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${({ target }) => onChange(target.checked)} />
    <label for=${id}>${name}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
  </div>`;
}

/**
 * A slider for the rough value and a number for the exact one. `value` null: not said, so that the
 * `usual` one applies; where nobody knows that, the slider rests at `resting`.
 */
export function SliderAndNumber({ name, value, usual, resting, min, max, step, lowest, highest, onChange }) {
  const id = useId("number");
  const [typed, setTyped] = useState(null); // the text while it is written: "0." is no number yet
  const [least, most] = [lowest ?? min, highest ?? max];
  const read = (text) => {
    const given = text === "" ? null : Math.min(most, Math.max(least, Number(text)));
    if (!Number.isNaN(given)) onChange(given);
  };
  const write = (event) => (setTyped(event.target.value), read(event.target.value));
  const position = value ?? usual ?? resting ?? min;
  return html`<div class="field">
    <label for=${id}>${name}</label>
    <div class="slider">
      <input type="range" min=${min} max=${max} step=${step} value=${position}
        aria-label=${t("slider", { name })} onInput=${(event) => read(event.target.value)} />
      <input id=${id} type="number" min=${least} max=${most} step="any" inputmode="decimal"
        value=${typed ?? String(value ?? "")} placeholder=${usual ?? ""}
        onInput=${write} onBlur=${() => setTyped(null)} />
    </div>
  </div>`;
}

/** A dialog of the browser's own: it keeps the focus inside, and Escape closes it. */
export function Dialog({ title, kind = "", onClose, children }) {
  const element = useRef(null);
  const isLeaving = useRef(false);
  const id = useId("title");
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => {
      isLeaving.current = true; // the browser tells of its closing later
      dialog.close();
    };
  }, []);
  const close = () => !isLeaving.current && onClose();
  const outside = (event) => event.target === element.current && onClose();
  return html`<dialog ref=${element} class=${kind} aria-labelledby=${id} onClose=${close} onClick=${outside}>
    <div class="inside">
      <header>
        <h2 id=${id}>${title}</h2>
        <button class="plain icon" aria-label=${t("close")} onClick=${onClose}><${Icon} name="close" /></button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** What went wrong, in words; with the server's own below. */
export function Problem({ error, onRetry }) {
  const { meaning, detail } = explain(error);
  return html`<div class="problem" role="alert">
    <p>${meaning}</p>
    ${detail && html`<p class="detail">${detail}</p>`}
    ${onRetry && html`<button onClick=${onRetry}>${t("retry")}</button>`}
  </div>`;
}

const SHAPES = {
  close: "M6 6l12 12M18 6L6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  add: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h10v10H9zM5 15V5h10",
  again: "M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5",
  edit: "M5 19l1-4L16 5l3 3L9 18z",
  up: "M7 21V10l4-7c2 0 2.5 1.5 2 3l-.8 4H19l-1.5 9c-.2 1.2-1 2-2.2 2zM7 10H3.5v11H7",
  down: "M17 3v11l-4 7c-2 0-2.5-1.5-2-3l.8-4H5l1.5-9C6.7 3.8 7.5 3 8.7 3zM17 14h3.5V3H17",
  pen: "M4 20h16M6 15l9-9 3 3-9 9H6z",
  remove: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  check: "M5 13l4.5 4.5L19 7",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3L19 19M5 19l1.7-1.7M17.3 6.7L19 5",
  dark: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
};

export function Icon({ name }) {
  return html`<svg class="shape" viewBox="0 0 24 24" aria-hidden="true"><path d=${SHAPES[name]} /></svg>`;
}

/** A button with an icon alone, whose name is told and shown where a pointer rests. */
export function IconButton({ icon, name, onClick, isPressed, isDisabled, kind = "plain" }) {
  return html`<button type="button" class=${`icon ${kind}`} aria-label=${name} title=${name}
    aria-pressed=${isPressed} disabled=${isDisabled} onClick=${onClick}><${Icon} name=${icon} /></button>`;
}
