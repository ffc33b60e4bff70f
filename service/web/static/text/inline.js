// Marks within a line, as plain objects: nothing here is HTML, and nothing of the text becomes any.

const SPECIAL = /[\\`*_~[!]|https?:\/\//g;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ADDRESS = /https?:\/\/[^\s<>"'`（）。，；：！？、【】「」『』《》]+/y;
const AFTER = ".,;:!?)]*_~"; // a sentence's, where they end an address
const WORD = /[\p{L}\p{N}]/u;
const DEEPEST = 4;
const KINDS = { "**": "strong", __: "strong", "~~": "deleted", "*": "emphasis", _: "emphasis" };
const SAFE = ["http:", "https:", "mailto:"];

/** Strings, and objects of {kind, children | text, href}. Takes time in proportion to the text. */
export function inline(text, depth = 0) {
  const found = [];
  const missing = new Set(); // marks that nothing closes in the rest of the text
  let plain = 0; // where the text that is not yet in `found` begins
  let at = 0;
  while (at < text.length) {
    SPECIAL.lastIndex = at;
    const mark = SPECIAL.exec(text);
    if (!mark) break;
    at = mark.index;
    const node = read(text, at, depth, missing);
    if (!node) {
      at += mark[0].length;
      continue;
    }
    if (at > plain) found.push(text.slice(plain, at));
    found.push(node.content);
    plain = at = node.end;
  }
  if (plain < text.length) found.push(text.slice(plain));
  return found;
}

function read(text, at, depth, missing) {
  switch (text[at]) {
    case "\\":
      return ESCAPABLE.test(text[at + 1] ?? "") ? { content: text[at + 1], end: at + 2 } : null;
    case "`":
      return code(text, at, missing);
    case "[":
      return link(text, at, depth, missing);
    case "!":
      return text[at + 1] === "[" ? link(text, at + 1, depth, missing) : null;
    case "h":
      return depth < DEEPEST ? address(text, at) : null;
    default:
      return depth < DEEPEST ? between(text, at, depth, missing) : null;
  }
}

function code(text, at, missing) {
  const mark = /`+/y;
  mark.lastIndex = at;
  const [opening] = mark.exec(text);
  const begin = at + opening.length;
  if (missing.has(opening)) return { content: opening, end: begin };
  const runs = /`+/g;
  runs.lastIndex = begin;
  for (let run = runs.exec(text); run; run = runs.exec(text)) {
    if (run[0] !== opening) continue;
    const inner = text.slice(begin, run.index).replace(/\n/g, " ");
    return { content: { kind: "code", text: inner }, end: run.index + opening.length };
  }
  missing.add(opening);
  return { content: opening, end: begin };
}

/** Emphasis and the like. */
function between(text, at, depth, missing) {
  const double = text.slice(at, at + 2);
  const mark = double in KINDS ? double : text[at];
  if (!(mark in KINDS) || missing.has(mark)) return null;
  const begin = at + mark.length;
  if (/\s/.test(text[begin] ?? " ")) return null;
  const isWordMark = mark[0] === "_"; // snake_case is no emphasis
  if (isWordMark && WORD.test(text[at - 1] ?? "")) return null;
  for (let end = text.indexOf(mark, begin + 1); end >= 0; end = text.indexOf(mark, end + 1)) {
    if (/\s/.test(text[end - 1])) continue;
    if (isWordMark && WORD.test(text[end + mark.length] ?? "")) continue;
    if (mark === "*" && (text[end + 1] === "*" || text[end - 1] === "*")) continue;
    const children = inline(text.slice(begin, end), depth + 1);
    return { content: { kind: KINDS[mark], children }, end: end + mark.length };
  }
  missing.add(mark);
  return null;
}

function link(text, at, depth, missing) {
  if (missing.has("](")) return null;
  const middle = text.indexOf("](", at);
  if (middle < 0) missing.add("](");
  const end = middle < 0 ? -1 : text.indexOf(")", middle);
  if (end < 0) return null;
  const words = text.slice(at + 1, middle);
  if (words.includes("[") || depth >= DEEPEST) return null;
  const target = text.slice(middle + 2, end).trim().split(/\s/)[0];
  const href = safeAddress(target);
  if (!href) return null;
  const children = words ? inline(words, DEEPEST) : [target];
  return { content: { kind: "link", href, children }, end: end + 1 };
}

function address(text, at) {
  ADDRESS.lastIndex = at;
  const found = withoutEnd(ADDRESS.exec(text)?.[0] ?? "", AFTER);
  const href = safeAddress(found);
  return href ? { content: { kind: "link", href, children: [found] }, end: at + found.length } : null;
}

/** The text without those of the characters that end it. */
export function withoutEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

/** The address where it is one that may be opened; never a script's, nor one of this page's own. */
export function safeAddress(text) {
  try {
    const url = new URL(text.replace(/^<|>$/g, ""));
    return SAFE.includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
