// Who asks, what they may do, and the models that they may ask.
import { call } from "./api.js";
import { createStore } from "./store.js";

export const caller = createStore(null); // null: not known yet
export const models = createStore({ base: null, adapters: [], newest: null, longest: null });

/** Ask who this is; the views are shown once it is known, with the models. Raises ApiError. */
export async function loadCaller() {
  const told = await call("v1/me");
  if (told.scopes.includes("chat")) await loadModels();
  caller.set(told);
}

export function may(scope) {
  return caller.get()?.scopes.includes(scope) ?? false;
}

export function canRate() {
  return (caller.get()?.store_answers ?? "off") !== "off";
}

/** Ask which models there are. Raises ApiError. */
export async function loadModels() {
  const [listed, adapters] = await Promise.all([call("v1/models"), call("v1/adapters")]);
  const base = listed.data.find((each) => !each.parent);
  models.set({
    base: base?.id ?? null,
    adapters: adapters.data.map(describe),
    newest: newestOf(adapters.data),
    longest: listed.data[0]?.max_model_len ?? null, // [tokens]
  });
}

function newestOf(adapters) {
  const [newest] = [...adapters].sort((one, other) => other.created - one.created);
  return newest?.id ?? null;
}

function describe({ id, promoted, versions, card }) {
  return {
    name: id,
    promoted,
    versions: versions.map(({ version, problem }) => ({ version, problem })),
    system: card?.system ?? null,
    sampling: card?.sampling ?? {},
    disclaimer: card?.disclaimer ?? null,
  };
}
