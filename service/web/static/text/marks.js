// Characters that turn the direction of a text are shown by their number: unseen, they can make
// it read as what it is not.
import { html } from "../lib/htm-preact.js";

const TURNING = /([\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/;

export function Plain({ text }) {
  const parts = text.split(TURNING); // every second one is such a character
  return parts.map((part, index) => (index % 2 ? html`<span class="mark">${nameOf(part)}</span>` : part));
}

function nameOf(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
