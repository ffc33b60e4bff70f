// Names and values in two columns, and values as people read them.
import { html } from "../lib/htm-preact.js";
import { Plain } from "../text/marks.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** `rows` are pairs of a name and a text; those without a text are left out. */
export function Facts({ rows }) {
  const known = rows.filter(([, text]) => text !== null && text !== undefined && text !== "");
  return html`<dl class="facts">
    ${known.map(([name, text]) => html`<div key=${name}><dt>${name}</dt><dd dir="auto"><${Plain} text=${String(text)} /></dd></div>`)}
  </dl>`;
}

export function asBytes(count) {
  if (count === null || count === undefined) return null;
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  const form = { style: "unit", unit: UNITS[power], maximumFractionDigits: 1 };
  return (count / 1000 ** power).toLocaleString(document.documentElement.lang, form);
}

export function asNumber(value, digits = 0) {
  return value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits });
}

/** A day, of seconds since 1970. */
export function asDay(seconds) {
  if (!seconds) return null;
  return new Date(1000 * seconds).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" });
}
