// The page's words, in the language of the browser or the one that was chosen.
import { createKeptStore } from "./store.js";

export const LANGUAGES = { en: "English", zh: "中文" };

export const language = createKeptStore("language", preferred());
language.subscribe(tellBrowser);
if (!(language.get() in LANGUAGES)) language.set("en");
tellBrowser(language.get());

const folders = new Set(); // whose words are wanted
const known = { en: {}, zh: {} };
let chosenLast = language.get(); // its words may still be on their way

function preferred() {
  const spoken = navigator.languages.map((each) => each.slice(0, 2).toLowerCase());
  return spoken.find((each) => each in LANGUAGES) ?? "en";
}

function tellBrowser(chosen) {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : chosen;
}

async function read(folder, spoken) {
  const { words } = await import(`../${folder}/words.${spoken}.js`);
  Object.assign(known[spoken], words);
}

/** Load a folder's words. Raises where the server cannot be asked. */
export async function learn(folder) {
  folders.add(folder);
  const both = new Set([language.get(), chosenLast]);
  await Promise.all([...both].map((spoken) => read(folder, spoken)));
}

/** Change the language, once all words are there. Raises where the server cannot be asked. */
export async function speak(chosen) {
  chosenLast = chosen;
  await Promise.all([...folders].map((folder) => read(folder, chosen)));
  if (chosen === chosenLast) language.set(chosen);
}

/** The words of a key; {name} in them is replaced. */
export function t(key, values = {}) {
  const words = known[language.get()][key];
  if (words === undefined) console.error(`No words: ${key}`);
  return (words ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

const dates = {}; // how they are written, by language: finding that out takes 15 milliseconds

export function asDate(milliseconds) {
  const spoken = document.documentElement.lang;
  const form = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  dates[spoken] ??= new Intl.DateTimeFormat(spoken, form);
  return dates[spoken].format(milliseconds);
}
