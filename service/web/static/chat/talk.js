// The conversations' answers that are coming now: begun, stopped, asked for again.
import { caller, loadModels, models } from "../shared/caller.js";
import { notation } from "../shared/models.js";
import { createStore, newId } from "../shared/store.js";
import { ask, NOTHING_YET } from "./answering.js";
import { begin, change, changeMessage, current, find } from "./conversations.js";

export const running = createStore(new Map()); // AbortControllers, by the conversation's id

export function send(text, draft) {
  const id = current.get() ?? begin(draft.picks, draft.options);
  const question = { id: newId(), role: "user", content: text };
  change(id, ({ messages }) => ({ messages: [...messages, question], changed: Date.now() }));
  return answer(id);
}

/** Put another text in a question's place; what came after it goes. */
export function resend(id, messageId, text) {
  change(id, ({ messages }) => {
    const at = messages.findIndex((each) => each.id === messageId);
    const edited = { ...messages[at], content: text };
    return { messages: [...messages.slice(0, at), edited], changed: Date.now() };
  });
  return answer(id);
}

/** Ask for the last answer once more. */
export function regenerate(id) {
  change(id, ({ messages }) => {
    const at = messages.findLastIndex((each) => each.role === "user");
    return { messages: messages.slice(0, at + 1), changed: Date.now() };
  });
  return answer(id);
}

export function stop(id) {
  running.get().get(id)?.abort();
}

async function answer(id) {
  const controller = new AbortController();
  const conversation = find(id);
  const made = { ...NOTHING_YET, id: newId(), role: "assistant", picks: conversation.picks };
  change(id, ({ messages }) => ({ messages: [...messages, made] }));
  running.set((all) => new Map(all).set(id, controller));
  const told = await ask({
    model: notation(conversation.picks, models.get().base),
    messages: conversation.messages,
    options: conversation.options,
    signal: controller.signal,
    onChange: (changed, isLast) => changeMessage(id, made.id, () => changed, { isLast }),
  });
  running.set((all) => {
    const others = new Map(all);
    others.delete(id);
    return others;
  });
  if (told.error?.status === 404 && caller.get()) loadModels().catch(() => {});
}
