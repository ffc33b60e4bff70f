// A growing text as chunks that stay the same once they are whole: only the last is drawn anew.

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const MOST = 8000; // [characters] that are looked through for marks; more is shown as it is
const MOST_CODE = 100000; // [characters] of one block
const MOST_CHUNKS = 2000; // what comes after so many is shown as it is

/** Chunks of {kind, text}: "text" has marks, "plain" is too long for them, "code" has a language. */
export function chunksOf(text) {
  const chunks = [];
  let lines = [];
  let fence = null;
  const end = () => {
    if (fence) chunks.push(...codeChunks(fence, lines));
    else if (lines.length) chunks.push(...textChunks(lines.join("\n")));
    [lines, fence] = [[], null];
  };
  const all = text.split(/\r\n|\n|\r/);
  for (const [at, line] of all.entries()) {
    if (chunks.length >= MOST_CHUNKS && !fence) return [...chunks, ...plainChunks(all.slice(at).join("\n"))];
    const found = FENCE.exec(line);
    if (fence) {
      if (closes(found, fence)) end();
      else lines.push(line);
    } else if (found) {
      end();
      fence = { mark: found[1], language: found[2].trim().slice(0, 40) };
    } else if (line.trim() === "") {
      end();
    } else {
      lines.push(line);
    }
  }
  end();
  return chunks;
}

function closes(found, { mark }) {
  return found && found[2].trim() === "" && found[1].startsWith(mark);
}

function textChunks(text) {
  if (text.length <= MOST) return [{ kind: "text", text }];
  return plainChunks(text);
}

function plainChunks(text) {
  return pieces(text, MOST).map((piece) => ({ kind: "plain", text: piece }));
}

function codeChunks({ language }, lines) {
  return pieces(lines.join("\n"), MOST_CODE).map((text) => ({ kind: "code", language, text }));
}

function pieces(text, size) {
  if (text.length <= size) return [text];
  const found = [];
  for (let start = 0; start < text.length; ) {
    // Both halves of a character beyond the first 65,536 stay together.
    const isHalf = /[\ud800-\udbff]/.test(text[start + size - 1] ?? "");
    const end = start + size + (isHalf ? 1 : 0);
    found.push(text.slice(start, end));
    start = end;
  }
  return found;
}
