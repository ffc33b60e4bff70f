// The page's words, in the language of the browser or the one that was chosen.
import { en } from "../words/en.js";
import { zh } from "../words/zh.js";
import { createKeptStore } from "./store.js";

const WORDS = { en, zh };
export const LANGUAGES = { en: "English", zh: "中文" };

export const language = createKeptStore("language", preferred());
language.subscribe(tellBrowser);
if (!(language.get() in WORDS)) language.set("en");
tellBrowser(language.get());

function preferred() {
  const known = navigator.languages.map((each) => each.slice(0, 2).toLowerCase());
  return known.find((each) => each in WORDS) ?? "en";
}

function tellBrowser(chosen) {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : chosen;
}

/** The words of a key; {name} in them is replaced. */
export function t(key, values = {}) {
  const words = WORDS[language.get()][key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

export function asDate(milliseconds) {
  const form = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Date(milliseconds).toLocaleString(document.documentElement.lang, form);
}
