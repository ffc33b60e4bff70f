// What stands beside the main part where there is room, and otherwise comes in as a dialog.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { Dialog } from "./widgets.js";

/** Whether the window is at least so wide. */
export function useIsWide(width) {
  const query = `(min-width: ${width})`;
  const [isWide, setWide] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setWide(list.matches);
    look();
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return isWide;
}

export function Side({ kind, title, isOpen, widest, onClose, children }) {
  if (useIsWide(widest)) return html`<aside class=${`side ${kind}`} aria-label=${title}>${children}</aside>`;
  if (!isOpen) return null;
  return html`<${Dialog} title=${title} kind=${`sheet ${kind}`} onClose=${onClose}>${children}<//>`;
}
