// The paragraphs, lists and tables of one chunk of text, as plain objects.
import { inline, withoutEnd } from "./inline.js";

const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])[ \t]+(.*)$/;
const DIVIDER = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const LONGEST_DIVIDER = 1000; // [characters]
const DEEPEST = 5;

/** Objects of {kind, …}, for lines without an empty one between them. */
export function blocksOf(text, depth = 0) {
  const lines = text.split("\n");
  const blocks = [];
  let paragraph = [];
  const end = () => {
    if (paragraph.length) blocks.push({ kind: "paragraph", children: inline(paragraph.join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const found = depth < DEEPEST ? blockAt(lines, at, depth) : null;
    if (found) {
      end();
      blocks.push(found.block);
      at = found.next;
    } else {
      paragraph.push(lines[at]);
      at += 1;
    }
  }
  end();
  return blocks;
}

function blockAt(lines, at, depth) {
  const line = lines[at];
  const heading = HEADING.exec(line);
  if (heading) {
    const children = inline(withoutEnd(heading[2].trimEnd(), "#").trimEnd());
    return { block: { kind: "heading", level: heading[1].length, children }, next: at + 1 };
  }
  if (RULE.test(line)) return { block: { kind: "rule" }, next: at + 1 };
  if (QUOTE.test(line)) return quoteAt(lines, at, depth);
  if (ITEM.test(line)) return listAt(lines, at, depth);
  const below = lines[at + 1] ?? "";
  const isTable = line.includes("|") && below.includes("|") && below.length < LONGEST_DIVIDER;
  return isTable && DIVIDER.test(below) ? tableAt(lines, at) : null;
}

function quoteAt(lines, at, depth) {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next])) next += 1;
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return { block: { kind: "quote", blocks: blocksOf(inner.join("\n"), depth + 1) }, next };
}

function listAt(lines, at, depth) {
  const [, indent, first] = ITEM.exec(lines[at]);
  const isOrdered = /\d/.test(first);
  const items = [];
  let next = at;
  for (; next < lines.length; next += 1) {
    const found = ITEM.exec(lines[next]);
    const isSibling = found && found[1].length <= indent.length + 1;
    if (isSibling && /\d/.test(found[2]) !== isOrdered) break;
    if (isSibling) items.push([found[3]]);
    else items[items.length - 1].push(lines[next].replace(/^ {1,4}|^\t/, ""));
  }
  const blocks = items.map((item) => blocksOf(item.join("\n"), depth + 1));
  return { block: { kind: "list", isOrdered, start: parseInt(first, 10) || 1, items: blocks }, next };
}

function tableAt(lines, at) {
  let next = at + 2;
  while (next < lines.length && lines[next].includes("|")) next += 1;
  const head = cellsOf(lines[at]);
  const rows = lines.slice(at + 2, next).map((line) => cellsOf(line).slice(0, head.length));
  return { block: { kind: "table", head, rows }, next };
}

function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => inline(cell.trim()));
}
