// The adapters that the server has, what is known of their versions, and what can be done to them.
import { call, callForFile, callForText, upload } from "../shared/api.js";
import { loadModels } from "../shared/caller.js";
import { saveFile } from "../shared/hand.js";
import { createStore } from "../shared/store.js";

/** `listed` is null until it is known. `known` has, by name, adapters with all versions' cards. */
export const adapters = createStore({ listed: null, known: {}, error: null });

const set = (changes) => adapters.set((now) => ({ ...now, ...changes }));

/** Ask for the list, and anew for what is known. Raises nothing: the store has the error. */
export async function refresh() {
  try {
    const { data } = await call("v1/adapters");
    const names = data.map(({ id }) => id).filter((name) => name in adapters.get().known);
    const known = await Promise.all(names.map(find));
    set({ listed: data, known: Object.fromEntries(known.map((each) => [each.id, each])), error: null });
  } catch (error) {
    set({ error });
  }
}

/** Ask for the cards of a name's versions, once. Raises ApiError. */
export async function learnMore(name) {
  if (name in adapters.get().known) return;
  const found = await find(name);
  adapters.set((now) => ({ ...now, known: { ...now.known, [name]: found } }));
}

const find = (name) => call(pathOf(name));
const pathOf = (reference) => `v1/adapters/${encodeURIComponent(reference)}`;
const versionPath = (name, version) => `${pathOf(name)}/versions/${encodeURIComponent(version)}`;

/** Asks for something that changes adapters, and then how they are. Raises ApiError. */
async function change(action) {
  const done = await action;
  await Promise.all([refresh(), loadModels()]);
  return done;
}

export function promote(name, version) {
  return change(call(`${pathOf(name)}/promote`, { method: "POST", body: { version } }));
}

export function endShare(name) {
  return change(call(`${pathOf(name)}/share`, { method: "POST", body: { percent: 0 } }));
}

/** Bring what the name means into memory. */
export function load(name) {
  const body = { lora_name: name, lora_path: name, load_inplace: true };
  return change(callForText("v1/load_lora_adapter", { method: "POST", body }));
}

/** Delete a name with all its versions, or name@version, for good. */
export function remove(reference) {
  return change(call(pathOf(reference), { method: "DELETE" }));
}

export function verify(name, version) {
  return call(`${versionPath(name, version)}/verify`);
}

/** Save a version as a .zip. */
export async function save(name, version) {
  saveFile(`${name}-${version}.zip`, await callForFile(`${versionPath(name, version)}/export`), "application/zip");
}

/** Send an adapter's files, or one .zip of them. The server goes by the files' own names. */
export function send(files, { name, isPromoted, isBaseAccepted }, options) {
  const parts = Object.fromEntries(files.map((file, at) => [`file ${at + 1}`, file]));
  const fields = { name, promote: isPromoted, accept_base: isBaseAccepted, ...parts };
  return change(upload("v1/adapters", fields, options));
}
