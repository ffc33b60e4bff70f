// What a correction changes in an answer: Chinese by characters, other writing by words.

const MOST = 4_000_000; // [cells] of the table in all, so that long texts do not hang the page
const LONGEST = 200_000; // [characters] that are looked at word by word
const SINGLE = "\\p{Script=Han}|\\p{Script=Hiragana}|\\p{Script=Katakana}";
const WORDS = new RegExp(`${SINGLE}|(?:(?!${SINGLE})[\\p{L}\\p{M}\\p{N}])+|\\s+|[^]`, "gu");
const LINES = /[^\n。！？.!?]*(?:[\n。！？.!?]+|$)/g;

/** The parts of both texts, in order: {kind: "same" | "old" | "new", text}. */
export function compare(before, after) {
  const room = { cells: MOST };
  const isShort = before.length + after.length < LONGEST;
  const whole = isShort && byPieces(before, after, WORDS, room);
  if (whole) return calmed(joined(whole));
  const rough = byPieces(before, after, LINES, room) ?? replaced(before, after);
  return calmed(joined(joined(rough).flatMap((part, at, all) => refined(part, all[at - 1], all[at + 1], room))));
}

/** A sentence in place of another one by words, where there is room left for that. */
function refined(part, last, next, room) {
  if (part.kind === "old" && next?.kind === "new") return byPieces(part.text, next.text, WORDS, room) ?? [part, next];
  return part.kind === "new" && last?.kind === "old" ? [] : [part];
}

function replaced(before, after) {
  return [{ kind: "old", text: before }, { kind: "new", text: after }];
}

/** null: that would need more room than there is. */
function byPieces(before, after, pattern, room) {
  const [old, fresh] = [before, after].map((text) => text.match(pattern)?.filter(Boolean) ?? []);
  let start = 0;
  while (start < old.length && old[start] === fresh[start]) start += 1;
  let end = 0;
  const shorter = Math.min(old.length, fresh.length) - start;
  while (end < shorter && old.at(-1 - end) === fresh.at(-1 - end)) end += 1;
  const [left, right] = [old, fresh].map((all) => all.slice(start, all.length - end));
  const cells = (left.length + 1) * (right.length + 1);
  if (cells > room.cells) return null;
  room.cells -= cells;
  const same = (text) => ({ kind: "same", text });
  return [...old.slice(0, start).map(same), ...aligned(left, right), ...old.slice(old.length - end).map(same)];
}

/** The longest common subsequence, read off its table of lengths. */
function aligned(left, right) {
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width); // of what begins at a pair of pieces
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      lengths[at] = left[i] === right[j] ? lengths[at + width + 1] + 1 : Math.max(lengths[at + width], lengths[at + 1]);
    }
  }
  const parts = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const at = i * width + j;
    if (i < left.length && j < right.length && left[i] === right[j]) parts.push({ kind: "same", text: left[(j += 1, i++)] });
    else if (j === right.length || (i < left.length && lengths[at + width] >= lengths[at + 1])) parts.push({ kind: "old", text: left[i++] });
    else parts.push({ kind: "new", text: right[j++] });
  }
  return parts;
}

/** Neighbours of a kind become one; between changes what was removed comes first. */
function joined(parts) {
  const found = [];
  let change = { old: "", new: "" };
  const close = () => {
    for (const kind of ["old", "new"]) if (change[kind]) found.push({ kind, text: change[kind] });
    change = { old: "", new: "" };
  };
  for (const { kind, text } of parts) {
    if (kind !== "same") change[kind] += text;
    else if (text) {
      close();
      if (found.at(-1)?.kind === "same") found.at(-1).text += text;
      else found.push({ kind, text });
    }
  }
  close();
  return found;
}

/** What stayed between two changes and is shorter than both reads better as changed, too. */
function calmed(parts) {
  const sizeOf = (...around) => Math.max(...around.map((part) => (part.kind === "same" ? 0 : part.text.length)));
  return joined(
    parts.flatMap((part, at) => {
      if (part.kind !== "same" || at === 0 || at === parts.length - 1) return [part];
      const before = sizeOf(parts[at - 1], parts[at - 2] ?? part);
      const behind = sizeOf(parts[at + 1], parts[at + 2] ?? part);
      const isIsland = !part.text.trim() || part.text.length <= Math.min(before, behind);
      return isIsland ? replaced(part.text, part.text) : [part];
    }),
  );
}
