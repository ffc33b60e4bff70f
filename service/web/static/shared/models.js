// What the API calls a model: the base, an adapter, a version of it, or a blend.

export const MOST_PARTS = 16;
export const LARGEST_SCALE = 100;

/** The API's name of the picks, each {name, version, scale}; none is the base alone. */
export function notation(picks, base) {
  if (!picks.length) return base;
  const only = picks.length === 1 && picks[0].scale === 1;
  return picks.map((pick) => reference(pick) + (only ? "" : `:${asNumber(pick.scale)}`)).join("+");
}

/** Picks as people read them. */
export function label(picks, base) {
  if (!picks.length) return base ?? "";
  const only = picks.length === 1 && picks[0].scale === 1;
  return picks.map((pick) => reference(pick) + (only ? "" : ` ${asNumber(pick.scale)}`)).join(" + ");
}

function reference({ name, version }) {
  return version === null ? name : `${name}@${version}`;
}

/** Without what binary fractions leave behind, and never as 1e-7. */
export function asNumber(scale) {
  return String(Number(scale.toFixed(3)));
}
