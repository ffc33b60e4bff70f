// What a person says of an answer, and where the server keeps it.
import { call } from "../shared/api.js";

export const REASONS = ["wrong", "unsafe", "off_topic", "incomplete", "too_long", "manner"];

/**
 * Say it: the first time of an answer, or otherwise than before. Returns what to keep of it.
 * Raises ApiError.
 */
export async function say(answer, said) {
  const before = answer.feedback;
  const item = before
    ? await call(`v1/feedback/${before.id}`, { method: "PATCH", body: said })
    : await call("v1/feedback", {
        method: "POST",
        body: { completion_id: answer.completion, ...said },
      });
  return keptOf(item);
}

/** Say neither good nor bad of it any more. Returns what is left. Raises ApiError. */
export async function takeBack(answer) {
  const { id, correction, critical, note } = answer.feedback;
  if (correction || critical || note) return say(answer, { rating: 0, siblings: [] });
  await call(`v1/feedback/${id}`, { method: "DELETE" });
  return null;
}

function keptOf({ id, rating, reasons, correction, note, critical, siblings }) {
  return { id, rating, reasons, correction, note, critical, siblings };
}
