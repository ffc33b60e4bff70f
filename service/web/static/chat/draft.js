// The model and the options that the next new conversation begins with.
import { models } from "../shared/caller.js";
import { createKeptStore } from "../shared/store.js";
import { NO_OPTIONS } from "./answering.js";
import { change, current, find } from "./conversations.js";

export const draft = createKeptStore("draft", { picks: null, options: NO_OPTIONS });

/** An adapter as it is first picked. */
export function pickOf({ name }) {
  return { name, version: null, scale: 1 };
}

/** What a conversation asks with; of a new one, what the last was asked with. */
export function askedWith(conversation) {
  const { picks, options } = conversation ?? draft.get();
  return { picks: picks ?? usualPicks(), options: { ...NO_OPTIONS, ...options } };
}

/** Where nothing has been picked yet: the newest adapter. */
export function usualPicks() {
  const { newest } = models.get();
  return newest === null ? [] : [pickOf({ name: newest })];
}

/** Change the picks or the options of the conversation that is shown, and of those to come. */
export function askWith(changes) {
  const id = current.get();
  const now = askedWith(find(id));
  draft.set({ ...now, ...changes });
  if (id) change(id, () => changes);
}
