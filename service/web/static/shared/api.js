// The server's public API: requests with the key, errors, streams of events, and uploads.
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
  return failing(() => response.json());
}

/** The same of an endpoint whose answer is a text, or a page. */
export async function callForText(path, options = {}) {
  const response = await send(path, options);
  return failing(() => response.text());
}

/** The same of an endpoint whose answer is a file, as a Blob. */
export async function callForFile(path, options = {}) {
  const response = await send(path, options);
  return failing(() => response.blob());
}

/** The events of a streamed answer, as objects. Raises ApiError, also for one in the stream. */
export function stream(path, body, signal) {
  return events(path, { method: "POST", body, signal });
}

/** The same of what is only looked at. */
export function follow(path, signal) {
  return events(path, { signal });
}

/**
 * Send a form, the values of whose fields are texts and files; returns the answer's JSON.
 * `onProgress` gets the share that has gone out, from 0 to 1. Raises ApiError and AbortError.
 */
export function upload(path, fields, { signal, onProgress }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  return transfer("POST", path, { form, kind: "json", signal, onProgress });
}

/** The document of an endpoint whose answer is a page; nothing in it has run. */
export function callForPage(path) {
  return transfer("GET", path, { form: null, kind: "document" });
}

/** What fetch cannot do: tell how far it is, and read a page. */
function transfer(method, path, { form, kind, signal, onProgress }) {
  const request = new XMLHttpRequest();
  request.open(method, new URL(path, document.baseURI));
  request.responseType = kind;
  for (const [name, value] of Object.entries(headersOf())) request.setRequestHeader(name, value);
  return new Promise((done, fail) => {
    const stop = () => request.abort();
    signal?.addEventListener("abort", stop);
    if (onProgress) request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => {
      const { status, response } = request;
      if (status >= 200 && status < 300 && response) done(response);
      else fail(refusal(status, response ?? {}, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => fail(new ApiError(0));
    request.onabort = () => fail(new DOMException("", "AbortError"));
    request.onloadend = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted) request.onabort();
    else request.send(form);
  });
}

async function* events(path, options) {
  const response = await send(path, options);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const split = createEventReader();
  try {
    for (;;) {
      const { done, value } = await failing(() => reader.read());
      if (done) throw new ApiError(0);
      for (const event of split(decoder.decode(value, { stream: true }))) {
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
  const headers = headersOf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const request = { method, headers, signal, cache: "no-store", body: JSON.stringify(body) };
  const url = new URL(path, document.baseURI);
  const response = await failing(() => fetch(url, request));
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw refusal(response.status, said, response.headers.get("Retry-After"));
}

function headersOf() {
  const key = savedKey.get();
  const headers = { "Accept-Language": language.get() };
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

function refusal(status, said, wait) {
  if (status === 401) keyIsMissing.set(true);
  return new ApiError(status, said.error, Number(wait) || null);
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
