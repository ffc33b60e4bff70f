// The feedback that is looked at, and what is decided of it.
import { call } from "../shared/api.js";
import { announce } from "../shared/live.js";
import { t } from "../shared/i18n.js";
import { createStore } from "../shared/store.js";

const PAGE = 50;
const NOTHING = { items: [], chosen: null, hasMore: false, isLoading: true, error: null };

/** `items` as they were when they were asked for, but for what was decided since; `chosen` is an id. */
export const queue = createStore({ ...NOTHING, state: "new", adapter: "" });
const change = (changes) => queue.set((now) => ({ ...now, ...changes }));
let asking = null; // the AbortController of the newest question

/** Begin again, with other filters if there are any. */
export async function load(filters = {}) {
  change({ ...NOTHING, ...filters });
  const found = await more();
  if (found) change({ chosen: queue.get().items[0]?.id ?? null });
}

/** Whether another page has come. */
export async function more() {
  asking?.abort();
  const controller = (asking = new AbortController());
  const { state, adapter, items } = queue.get();
  const order = state === "new" ? "asc" : "desc"; // who has waited longest comes first
  const query = new URLSearchParams({ limit: PAGE, order });
  if (state) query.set("state", state);
  if (adapter) query.set("adapter", adapter);
  if (items.length) query.set("after", items.at(-1).id);
  change({ isLoading: true, error: null });
  try {
    const page = await call(`v1/feedback?${query}`, { signal: controller.signal });
    change({ items: [...items, ...page.data], hasMore: page.has_more, isLoading: false });
    return true;
  } catch (error) {
    if (error.name !== "AbortError") change({ isLoading: false, error });
    return false;
  }
}

export function choose(id) {
  change({ chosen: id });
}

/** Go to a neighbour; behind the last one that is here, ask for more. */
export async function go(step) {
  const { items, chosen, hasMore } = queue.get();
  const at = items.findIndex((each) => each.id === chosen);
  if (step > 0 && at === items.length - 1 && hasMore) await more();
  const next = queue.get().items[at < 0 ? 0 : at + step];
  if (next) choose(next.id);
}

/** Decide of an item, and go on. Raises ApiError. */
export async function decide(item, decision) {
  const decided = await call(`v1/feedback/${item.id}/review`, { method: "POST", body: decision });
  queue.set((now) => ({ ...now, items: now.items.map((each) => (each.id === item.id ? decided : each)) }));
  announce(t(`stage.${decided.state}`));
  const isLookedAt = queue.get().chosen === item.id; // and nobody has gone on meanwhile
  if (isLookedAt && decision.decision !== "reopen") await goOn(item.id);
}

/** To what nobody has decided of: first behind this one, then before it. */
async function goOn(id) {
  if (queue.get().state !== "new") return go(1);
  const waiting = () => {
    const { items } = queue.get();
    const at = items.findIndex((each) => each.id === id);
    return [...items.slice(at + 1), ...items.slice(0, at)].find((each) => each.state === "new");
  };
  if (!waiting() && queue.get().hasMore) await more();
  return choose(waiting()?.id ?? null);
}

/** The right answer as somebody has written it; null where nobody has. */
export function writtenFor({ edited, correction }) {
  return edited ?? correction;
}

/** Whether it can be accepted as it is: else the right answer has to be written first. */
export function hasRightAnswer(item, isCritical = item.critical) {
  return Boolean(writtenFor(item)) || (item.rating === 1 && !isCritical);
}

/** What a message says; what it calls, as the API has it. */
export function textOf({ content, tool_calls: calls }) {
  return content ?? (calls ? JSON.stringify(calls, null, 1) : "");
}

/** The question that was answered, for a list. */
export function questionOf({ messages }) {
  const asked = messages.filter((each) => each.role === "user");
  return asked.length ? textOf(asked.at(-1)) : "";
}

/** The versions that answered, as people name them. */
export function answeredBy({ system_fingerprint: pinned }) {
  return pinned.includes("+") ? pinned : pinned.replace(/:1$/, "");
}
