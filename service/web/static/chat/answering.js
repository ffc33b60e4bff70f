// A question on its way to a model, and the answer on its way back.
import { stream } from "../shared/api.js";
import { canRate } from "../shared/caller.js";
import { createReader } from "../shared/live.js";
import { createPace } from "../shared/pace.js";

/** An answer before anything of it has come. */
export const NOTHING_YET = {
  content: "",
  finish: null, // stop, length, stopped by the person, or error
  error: null,
  completion: null, // its id at the server, where it is stored and whole
  answeredBy: null, // the exact versions
  disclaimer: null,
  usage: null,
  feedback: null,
};

/** What the options of a chat are where nobody has said anything. */
export const NO_OPTIONS = {
  system: "",
  temperature: null,
  top_p: null,
  top_k: null,
  min_p: null,
  repetition_penalty: null,
  max_tokens: null,
  seed: null,
  isStored: true, // where the server allows it
};

const SAMPLING = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed"];

function bodyOf(model, messages, options) {
  const system = options.system.trim() ? [{ role: "system", content: options.system }] : [];
  const asked = answered(messages).map(({ role, content }) => ({ role, content }));
  const said = SAMPLING.filter((name) => options[name] !== null && options[name] !== undefined);
  return {
    model,
    messages: [...system, ...asked],
    stream: true,
    stream_options: { include_usage: true },
    ...(canRate() ? { store: options.isStored } : {}),
    ...Object.fromEntries(said.map((name) => [name, options[name]])),
  };
}

/** The messages without questions that got no answer, but for the last. */
function answered(messages) {
  const isEmpty = (message) => message?.role === "assistant" && !message.content;
  return messages.filter((each, at) => !isEmpty(each) && !isEmpty(messages[at + 1]));
}

/**
 * Ask, and tell what has changed of the answer every now and then, and at the end. It never raises:
 * what goes wrong is part of the answer.
 */
export async function ask({ model, messages, options, signal, onChange, isRead = true }) {
  const answer = { ...NOTHING_YET };
  const reader = createReader();
  const pace = createPace(() => onChange({ ...answer }, false));
  const body = bodyOf(model, messages, options);
  try {
    for await (const chunk of stream("v1/chat/completions", body, signal)) {
      take(answer, chunk);
      if (isRead) reader.follow(answer.content);
      pace.soon();
    }
    answer.finish ??= "stop";
    if (!body.store) answer.completion = null;
  } catch (error) {
    answer.completion = null; // what has not come to its end is not stored
    answer.finish = error.name === "AbortError" ? "stopped" : "error";
    if (error.name !== "AbortError") answer.error = plain(error);
  }
  pace.stop();
  if (isRead) reader.finish(answer.content);
  onChange({ ...answer }, true);
  return answer;
}

function take(answer, chunk) {
  answer.completion = chunk.id ?? answer.completion;
  answer.answeredBy = chunk.system_fingerprint ?? answer.answeredBy;
  answer.disclaimer = chunk.disclaimer ?? answer.disclaimer;
  answer.usage = chunk.usage ?? answer.usage;
  const choice = chunk.choices[0];
  if (!choice) return;
  answer.content += choice.delta.content ?? "";
  answer.finish = choice.finish_reason ?? answer.finish;
}

/** An error as it can be kept. */
export function plain({ status = null, code = null, message = "", wait = null }) {
  return { status, code, message, wait };
}
