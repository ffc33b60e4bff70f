// The text that /metrics answers with: samples, each of a name, labels and a value.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const NUMBERS = { "+Inf": Infinity, "-Inf": -Infinity };

/** Its samples, each {name, labels, value}; remarks and what is no sample are passed over. */
export function samplesOf(text) {
  const found = text.split("\n").map((line) => LINE.exec(line));
  return found.filter(Boolean).map(([, name, labels, value]) => ({
    name,
    labels: labelsOf(labels ?? ""),
    value: NUMBERS[value] ?? Number(value),
  }));
}

function labelsOf(text) {
  return Object.fromEntries([...text.matchAll(LABEL)].map(([, name, value]) => [name, unescape(value)]));
}

function unescape(value) {
  return value.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
}

/** The sum of a name's samples, over all labels; null where there are none. */
export function sumOf(samples, name) {
  const values = samples.filter((each) => each.name === name).map(({ value }) => value);
  return values.length ? values.reduce((sum, value) => sum + value, 0) : null;
}
