// Single keys that decide, as in the terminal; they do nothing while somebody writes.
import { html, useLayoutEffect, useRef } from "../lib/htm-preact.js";
import { createKeptStore } from "../shared/store.js";

export const KEYS = { accept: "a", edit: "e", reject: "r", critical: "c", next: "s", back: "b", reopen: "o" };
export const usesKeys = createKeptStore("review.keys", true);
const WRITING = "textarea, select, input:not([type=checkbox]), [contenteditable]";

/** Calls `actions` by their names; those that are left out do nothing. */
export function useKeys(actions) {
  const newest = useRef(actions);
  newest.current = actions;
  // At once: who types fast is at the next item before a browser has painted it.
  useLayoutEffect(() => {
    const press = (event) => {
      const name = Object.keys(KEYS).find((each) => KEYS[each] === event.key.toLowerCase());
      const action = newest.current[name];
      if (!action || !usesKeys.get() || isOtherwiseMeant(event)) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

function isOtherwiseMeant({ target, ctrlKey, altKey, metaKey, repeat, isComposing }) {
  if (ctrlKey || altKey || metaKey || repeat || isComposing) return true;
  return Boolean(target.closest?.(WRITING) || document.querySelector("dialog[open]"));
}

export function KeyButton({ action, name, kind = "", isDisabled, onClick }) {
  const key = KEYS[action];
  return html`<button type="button" class=${kind} disabled=${isDisabled} aria-keyshortcuts=${usesKeys.get() ? key : undefined} onClick=${onClick}>
    ${name}${usesKeys.get() && html`<kbd aria-hidden="true">${key.toUpperCase()}</kbd>`}
  </button>`;
}
