// What the next job shall be, kept in this browser until it is made.
import { createKeptStore } from "../shared/store.js";

export const NO_NUMBERS = { epochs: "", rate: "", rank: "", seed: "", method: "supervised" };
const NOTHING = { file: null, filename: "", count: null, model: "", name: "", ...NO_NUMBERS };

// Empty numbers: as the server chooses.
export const wish = createKeptStore("training", NOTHING);
wish.set((kept) => Object.fromEntries(Object.entries(NOTHING).map(([name, usual]) => [name, like(kept?.[name], usual)])));

/** What was kept, which may be anybody's, where it can be what it should. */
function like(value, usual) {
  const isFit = usual === null ? ["string", "number"].includes(typeof value) : typeof value === typeof usual;
  return isFit ? value : usual;
}

export function wishFor(changes) {
  wish.set((now) => ({ ...now, ...changes }));
}

/** Another file, or none: a job's name that came from the last one goes with it. */
export function chooseFile(file) {
  const chosen = { file: file?.id ?? null, filename: file?.filename ?? "", count: file?.num_conversations ?? null };
  wishFor({ ...chosen, name: nameFrom(chosen.filename) });
}

/** An adapter's name that a file's name comes near. */
function nameFrom(filename) {
  const stem = filename.replace(/\.gz$/, "").replace(/\.[^.]*$/, "");
  return stem.replace(/[^\p{L}\p{N}_.-]+/gu, "-").replace(/^[-.]+/, "").slice(0, 64).replace(/[-.]+$/, "");
}

/** The API's request for it. */
export function requestFor({ file, model, name, epochs, rate, rank, seed, method }, base) {
  const numbers = { n_epochs: asNumber(epochs, "auto"), learning_rate_multiplier: asNumber(rate, "auto") };
  const isOfBase = !model;
  return {
    model: model || base,
    training_file: file,
    suffix: name.trim() || undefined,
    seed: asNumber(seed, undefined),
    rank: isOfBase ? asNumber(rank, undefined) : undefined,
    method: { type: method, [method]: { hyperparameters: numbers } },
  };
}

function asNumber(text, otherwise) {
  return text === "" ? otherwise : Number(text);
}
