// The server's public API: requests with the key, errors, and streams of events.
import { language } from "./i18n.js";
import { createEventReader } from "./sse.js";
import { createStore, savedKey } from "./store.js";

const END = "[DONE]";

export const keyIsMissing = createStore(false);

/** What the server refused, or could not be asked. */
export class ApiError extends Error {
  constructor(status, error = {}, wait = null) {
    super(error.message ?? "");
    this.status = status; // 0: no answer came
    this.code = error.code ?? null;
    this.param = error.param ?? null;
    this.wait = wait; // [seconds] until it may be asked again
  }
}

/** JSON of an endpoint, whose path begins without a slash: the page may lie below a prefix. */
export async function call(path, options = {}) {
  const response = await send(path, options);
  return response.json();
}

/** The events of a streamed answer, as objects. Raises ApiError, also for one in the stream. */
export async function* stream(path, body, signal) {
  const response = await send(path, { method: "POST", body, signal });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const read = createEventReader();
  try {
    for (;;) {
      const { done, value } = await failing(() => reader.read());
      if (done) throw new ApiError(0);
      for (const event of read(decoder.decode(value, { stream: true }))) {
        if (event === END) return;
        const said = JSON.parse(event);
        if (said.error) throw new ApiError(500, said.error);
        yield said;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function send(path, { method = "GET", body, signal }) {
  const headers = { "Accept-Language": language.get() };
  const key = savedKey.get();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const request = { method, headers, signal, cache: "no-store", body: JSON.stringify(body) };
  const url = new URL(path, document.baseURI);
  const response = await failing(() => fetch(url, request));
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  if (response.status === 401) keyIsMissing.set(true);
  const wait = Number(response.headers.get("Retry-After")) || null;
  throw new ApiError(response.status, said.error, wait);
}

/** Lets what the network does be an ApiError; what the person has stopped stays an AbortError. */
async function failing(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
}
