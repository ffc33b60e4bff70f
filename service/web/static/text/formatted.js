// A model's answer with its marks: made of text nodes and known elements alone.
import { Component, html, useState } from "../lib/htm-preact.js";
import { copy } from "../shared/hand.js";
import { language as spoken, t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { blocksOf } from "./blocks.js";
import { chunksOf } from "./chunks.js";
import { Plain } from "./marks.js";

const ELEMENTS = { strong: "strong", emphasis: "em", deleted: "del" };
const FIRST_HEADING = 3; // above are the page's own

export function Formatted({ text }) {
  const chunks = chunksOf(text);
  return html`<div class="formatted">
    ${chunks.map((chunk, index) => html`<${Chunk} key=${index} ...${chunk} />`)}
  </div>`;
}

class Chunk extends Component {
  shouldComponentUpdate(next) {
    return next.text !== this.props.text || next.kind !== this.props.kind;
  }

  render({ kind, text, language }) {
    if (kind === "code") return html`<${Code} text=${text} language=${language} />`;
    if (kind === "plain") return html`<p dir="auto"><${Plain} text=${text} /></p>`;
    return blocksOf(text).map(Block);
  }
}

function Code({ text, language }) {
  useStore(spoken); // a chunk is not drawn again by what is around it
  const [isCopied, setCopied] = useState(false);
  const take = async () => setCopied(await copy(text));
  return html`<figure class="code">
    <figcaption>
      <span><${Plain} text=${language} /></span>
      <button class="plain small" onClick=${take}>${t(isCopied ? "copied" : "copy")}</button>
    </figcaption>
    <pre tabindex="0" aria-label=${t("text.code")} role="region"><code><${Plain} text=${text} /></code></pre>
  </figure>`;
}

function Block(block) {
  switch (block.kind) {
    case "heading": {
      const element = `h${Math.min(6, block.level + FIRST_HEADING - 1)}`;
      return html`<${element} dir="auto">${inlines(block.children)}<//>`;
    }
    case "rule":
      return html`<hr />`;
    case "quote":
      return html`<blockquote>${block.blocks.map(Block)}</blockquote>`;
    case "list":
      return List(block);
    case "table":
      return Table(block);
    default:
      return html`<p dir="auto">${inlines(block.children)}</p>`;
  }
}

function List({ isOrdered, start, items }) {
  const shown = items.map((blocks) => html`<li dir="auto">${blocks.map(Block)}</li>`);
  return isOrdered ? html`<ol start=${start}>${shown}</ol>` : html`<ul>${shown}</ul>`;
}

function Table({ head, rows }) {
  return html`<div class="table" tabindex="0" role="region" aria-label=${t("text.table")}>
    <table>
      <thead><tr>${head.map((cell) => html`<th scope="col" dir="auto">${inlines(cell)}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((row) => html`<tr>${row.map((cell) => html`<td dir="auto">${inlines(cell)}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

function inlines(nodes) {
  return nodes.map((node) => {
    if (typeof node === "string") return html`<${Plain} text=${node} />`;
    if (node.kind === "code") return html`<code><${Plain} text=${node.text} /></code>`;
    if (node.kind === "link") return Link(node);
    return html`<${ELEMENTS[node.kind]}>${inlines(node.children)}<//>`;
  });
}

function Link({ href, children }) {
  return html`<a href=${href} title=${href} target="_blank" rel="noopener noreferrer">${inlines(children)}</a>`;
}
