// Modules of the page that need no browser, each against what they are for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compare } from "./static/review/diff.js";
import { label, notation } from "./static/shared/models.js";
import { createEventReader } from "./static/shared/sse.js";
import { samplesOf, sumOf } from "./static/system/prometheus.js";
import { blocksOf } from "./static/text/blocks.js";
import { chunksOf } from "./static/text/chunks.js";
import { inline, safeAddress } from "./static/text/inline.js";

const kinds = (nodes) => nodes.map((node) => (typeof node === "string" ? node : node.kind));
const only = (text) => blocksOf(text)[0];

test("events are read whole, wherever the pieces are cut", () => {
  const text = 'data: {"a":1}\r\n\r\n: a remark\n\ndata:two\ndata: lines\n\nevent: x\ndata: 中\n\ndata: no end';
  const whole = ['{"a":1}', "two\nlines", "中"];
  for (let size = 1; size <= text.length; size += 1) {
    const read = createEventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)));
    assert.deepEqual(found, whole, `pieces of ${size}`);
  }
});

test("a model is named as the API reads it", () => {
  const pick = (name, scale = 1, version = null) => ({ name, version, scale });
  assert.equal(notation([], "base"), "base");
  assert.equal(notation([pick("tcm")], "base"), "tcm");
  assert.equal(notation([pick("tcm", 1, "2")], "base"), "tcm@2");
  assert.equal(notation([pick("tcm", 0.7)], "base"), "tcm:0.7");
  assert.equal(notation([pick("中医", 0.1 + 0.2), pick("style", -1, "3")], "base"), "中医:0.3+style@3:-1");
  assert.equal(notation([pick("tcm", 1e-7)], "base"), "tcm:0");
  assert.equal(label([pick("tcm", 0.7), pick("style", 0.3)], "base"), "tcm 0.7 + style 0.3");
});

test("chunks end at empty lines, but not within code", () => {
  const chunks = chunksOf("one\ntwo\n\n```js\na\n\nb\n```\nthree");
  assert.deepEqual(chunks, [
    { kind: "text", text: "one\ntwo" },
    { kind: "code", language: "js", text: "a\n\nb" },
    { kind: "text", text: "three" },
  ]);
});

test("what is whole stays the same while more comes", () => {
  const text = "# A\n\n- b\n- c\n\n```\nd\n\ne\n```\n\nf **g**";
  for (let end = 1; end < text.length; end += 1) {
    const before = chunksOf(text.slice(0, end)).slice(0, -1);
    assert.deepEqual(chunksOf(text).slice(0, before.length), before);
  }
});

test("nothing of a long text is lost, and no character is halved", () => {
  const text = "a" + "🙂".repeat(20000);
  const chunks = chunksOf(text);
  assert.ok(chunks.length > 1);
  assert.equal(chunks.map((each) => each.text).join(""), text);
  for (const { text: piece } of chunks) assert.ok(piece.isWellFormed?.() ?? true);
});

test("very many paragraphs are few chunks, and nothing of them is lost", () => {
  const chunks = chunksOf("a\n\n".repeat(300000));
  assert.ok(chunks.length < 2200);
  assert.equal(chunks.map((each) => each.text).join("").replaceAll("\n", "").length, 300000);
});

test("marks become objects", () => {
  assert.deepEqual(kinds(inline("a **b** *c* `d` ~~e~~")), ["a ", "strong", " ", "emphasis", " ", "code", " ", "deleted"]);
  assert.deepEqual(inline("**宜早睡**，忌茶"), [{ kind: "strong", children: ["宜早睡"] }, "，忌茶"]);
  assert.deepEqual(inline("snake_case_name 2 * 3 * 4"), ["snake_case_name 2 * 3 * 4"]);
  assert.deepEqual(inline("`` a`b ``")[0], { kind: "code", text: " a`b " });
  assert.deepEqual(inline("\\*no\\*").join(""), "*no*");
  assert.deepEqual(inline("<script>alert(1)</script>"), ["<script>alert(1)</script>"]);
});

test("links lead to the web or to mail, or are none", () => {
  const [link] = inline("[a *b*](https://a.example/x)");
  assert.equal(link.href, "https://a.example/x");
  assert.equal(inline("见https://a.example/中。好")[1].children[0], "https://a.example/中");
  assert.equal(safeAddress("mailto:a@b.example"), "mailto:a@b.example");
  const refused = ["javascript:alert(1)", "JaVa\tScript:alert(1)", " javascript:1", "data:text/html,x",
    "vbscript:x", "file:///etc/passwd", "blob:x", "/v1/models", "#x", "//a.example", ""];
  for (const target of refused) assert.equal(safeAddress(target), null, target);
  assert.deepEqual(inline("[x](javascript:alert(1))").filter((each) => typeof each !== "string"), []);
});

test("blocks are told apart", () => {
  assert.equal(only("## Title ##").kind, "heading");
  assert.deepEqual(only("## Title ##").children, ["Title"]);
  assert.equal(only("---").kind, "rule");
  assert.equal(only("> a\n> b").blocks[0].kind, "paragraph");
  const list = only("3. a\n4. b\n   - c");
  assert.deepEqual([list.kind, list.isOrdered, list.start, list.items.length], ["list", true, 3, 2]);
  assert.equal(list.items[1][1].kind, "list");
  const table = only("| a | b |\n|---|:-:|\n| 1 | `2` |");
  assert.deepEqual([table.kind, table.head.length, table.rows.length], ["table", 2, 1]);
});

test("texts that were made to be slow are not", () => {
  const hostile = ["*", "**", "_a ", "`", "``` ", "[", "[a](", "> ", "- ", "#", "|", "| ", "\\", "~~", "*a **b ",
    "http://", "![", "- - ", "1. ", "`a``b", "  - x\n", "|-\n", ":-|", "<", "((", "[](https://a.example)"];
  for (const each of hostile) {
    const began = performance.now();
    const text = each.repeat(Math.ceil(100000 / each.length));
    for (const chunk of chunksOf(text)) if (chunk.kind === "text") blocksOf(chunk.text);
    blocksOf(text.slice(0, 8000));
    const took = performance.now() - began;
    assert.ok(took < 1500, `${each} took ${took} ms`);
  }
});

const marked = (before, after) =>
  compare(before, after).map(({ kind, text }) => ({ same: text, old: `-${text}-`, new: `+${text}+` })[kind]).join("|");

test("what a correction changes is found by characters in Chinese, by words elsewhere", () => {
  assert.equal(marked("每日三剂，长期服用。", "每日一剂，先服七天。"), "每日|-三-|+一+|剂，|-长期服用-|+先服七天+|。");
  assert.equal(marked("Drink more cold water", "Drink much water"), "Drink |-more cold-|+much+| water");
  assert.equal(marked("服3天 twice", "服7天 once"), "服|-3-|+7+|天 |-twice-|+once+");
  assert.equal(marked("", "新"), "+新+");
  assert.equal(marked("a🙂b", "a🙃b"), "a|-🙂-|+🙃+|b");
  assert.deepEqual(compare("", ""), []);
  assert.equal(marked("same", "same"), "same");
});

test("both texts can be read off what is compared, and long ones take no time", () => {
  const texts = ["", "多休息。", "多休息，早睡。\n\n少喝茶。", "Rest well. 早睡。 And drink.", "早睡。".repeat(30000),
    "晚睡。".repeat(30000), `${"word. ".repeat(20000)}end`, "x".repeat(300000), "a\n".repeat(99999)];
  const began = performance.now();
  for (const before of texts) {
    for (const after of texts) {
      const parts = compare(before, after);
      const of = (kind) => parts.filter((each) => each.kind !== kind).map((each) => each.text).join("");
      assert.ok(of("new") === before && of("old") === after);
      parts.forEach(({ kind }, at) => assert.notEqual(kind, parts[at + 1]?.kind));
    }
  }
  assert.ok(performance.now() - began < 20000);
});

test("metrics are read as Prometheus writes them", () => {
  const text = [
    "# HELP a_total What {is} counted",
    "# TYPE a_total counter",
    'a_total{model="tcm",finish="stop"} 2.0',
    'a_total{model="a \\"b\\" \\\\ c\\n} 7",finish="length"} 1e3',
    "a_total_more 9.0",
    'b_bucket{le="+Inf"} +Inf',
    "c NaN 1700000000",
    "",
  ].join("\n");
  const samples = samplesOf(text);
  assert.deepEqual(samples.map(({ name }) => name), ["a_total", "a_total", "a_total_more", "b_bucket", "c"]);
  assert.deepEqual(samples[1].labels, { model: 'a "b" \\ c\n} 7', finish: "length" });
  assert.equal(sumOf(samples, "a_total"), 1002);
  assert.equal(sumOf(samples, "b_bucket"), Infinity);
  assert.equal(sumOf(samples, "nothing"), null);
});
