// The conversations that this browser keeps, each under a name of its own.
import { createStore, keptNames, newId, onKeptElsewhere, readKept, removeKept, writeKept } from "../shared/store.js";

const START = "conversation.";
const LONGEST_TITLE = 60; // [characters]
const SAVING = 1000; // [milliseconds] between two times while an answer comes

export const conversations = createStore(readAll());
export const current = createStore(null); // the id of the one that is shown; null: a new one
export const storageIsFull = createStore(false);

const waiting = new Map(); // timers, by the conversation's id
onKeptElsewhere((name) => name.startsWith(START) && conversations.set(merge));

function readAll() {
  return keptNames(START).map(readKept).filter(isWhole).sort(newestFirst);
}

/** What another tab has changed; what is changed here at this moment stays. */
function merge(here) {
  const mine = here.filter((each) => waiting.has(each.id));
  const others = readAll().filter((each) => !waiting.has(each.id));
  return [...mine, ...others].sort(newestFirst);
}

function isWhole(each) {
  return typeof each?.id === "string" && Array.isArray(each.messages) && Array.isArray(each.picks);
}

function newestFirst(one, other) {
  return other.changed - one.changed;
}

export function find(id) {
  return conversations.get().find((each) => each.id === id) ?? null;
}

/** Begin one with a person's first message; returns its id. */
export function begin(picks, options) {
  const now = Date.now();
  const made = { id: newId(), title: "", created: now, changed: now, picks, options, messages: [] };
  conversations.set((all) => [made, ...all]);
  current.set(made.id);
  return made.id;
}

/** Change one by a function of what it was; it is kept soon, or at once. */
export function change(id, how, { isLast = true } = {}) {
  conversations.set((all) => {
    const changed = all.map((each) => (each.id === id ? titled({ ...each, ...how(each) }) : each));
    return changed.sort(newestFirst);
  });
  if (isLast) save(id);
  else if (!waiting.has(id)) waiting.set(id, setTimeout(() => save(id), SAVING));
}

function save(id) {
  clearTimeout(waiting.get(id));
  waiting.delete(id);
  const found = find(id);
  if (found) storageIsFull.set(!writeKept(START + id, found));
}

function titled(conversation) {
  const first = conversation.messages[0]?.content.trim().replace(/\s+/g, " ") ?? "";
  return { ...conversation, title: [...first.slice(0, 200)].slice(0, LONGEST_TITLE).join("") };
}

/** Change one message of a conversation. */
export function changeMessage(id, messageId, how, options) {
  const changed = ({ messages }) => ({
    messages: messages.map((each) => (each.id === messageId ? { ...each, ...how(each) } : each)),
  });
  change(id, changed, options);
}

export function remove(ids) {
  for (const id of ids) {
    clearTimeout(waiting.get(id));
    waiting.delete(id);
    removeKept(START + id);
  }
  conversations.set((all) => all.filter((each) => !ids.includes(each.id)));
  if (ids.includes(current.get())) current.set(null);
  storageIsFull.set(false);
}

/** One line of JSON for each, as training reads them. */
export function asLines(chosen) {
  return chosen.map((each) => `${JSON.stringify(asRow(each))}\n`).join("");
}

function asRow({ messages, options }) {
  const system = options.system ? [{ role: "system", content: options.system }] : [];
  return { messages: [...system, ...messages.map(({ role, content }) => ({ role, content }))] };
}
