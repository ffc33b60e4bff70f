// One question to several models at once: the columns, the round that runs, and the better answer.
import { ask, NO_OPTIONS, NOTHING_YET } from "../chat/answering.js";
import { usualPicks } from "../chat/draft.js";
import { say, takeBack } from "../chat/feedback.js";
import { models } from "../shared/caller.js";
import { notation } from "../shared/models.js";
import { createStore, readKept, writeKept } from "../shared/store.js";

const NAME = "comparison";
export const FEWEST = 2;
export const MOST = 4;

/** `columns` have picks each; `round` is the last question with an answer a column. */
export const comparison = createStore(readWhole() ?? {
  columns: null, // not chosen yet
  options: NO_OPTIONS,
  round: null,
});
export const isComparing = createStore(null); // the AbortController while answers come
comparison.subscribe(keep);
isComparing.subscribe(keep);

function readWhole() {
  const kept = readKept(NAME);
  const isWhole = kept?.columns?.every?.(Array.isArray) && Array.isArray(kept.round?.answers ?? []);
  return isWhole ? { ...kept, options: { ...NO_OPTIONS, ...kept.options } } : null;
}

function keep() {
  if (!isComparing.get()) writeKept(NAME, comparison.get());
}

export function usualColumns() {
  return [[], usualPicks()];
}

/** Ask all columns, with one seed for all. */
export async function compare(question, columns, options) {
  const controller = new AbortController();
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] % 2147483648;
  const answers = columns.map((picks) => ({ ...NOTHING_YET, picks }));
  isComparing.set(controller);
  comparison.set((now) => ({ ...now, columns, round: { question, seed, answers } }));
  const asked = columns.map((picks, at) =>
    ask({
      model: notation(picks, models.get().base),
      messages: [{ role: "user", content: question }],
      options: { ...options, seed },
      signal: controller.signal,
      isRead: false, // several at once cannot be listened to
      onChange: (changed) => changeAnswer(at, changed),
    }),
  );
  await Promise.all(asked);
  isComparing.set(null);
}

export function changeAnswer(at, changed) {
  comparison.set((now) => {
    const answers = now.round.answers.map((each, index) => (index === at ? { ...each, ...changed } : each));
    return { ...now, round: { ...now.round, answers } };
  });
}

/** Whether an answer was picked from the others. */
export function isBetter(answer) {
  return (answer.feedback?.siblings ?? []).length > 0;
}

/** Say that one is better than the others. Returns its feedback. Raises ApiError. */
export async function prefer(at) {
  const { answers } = comparison.get().round;
  const before = answers.findIndex(isBetter);
  if (before >= 0) changeAnswer(before, { feedback: await takeBack(answers[before]) });
  if (before === at) return comparison.get().round.answers[at].feedback;
  const others = answers.filter((each, index) => index !== at && each.completion);
  return say(answers[at], { rating: 1, siblings: others.map((each) => each.completion) });
}
