// The report of what was made, inside the page: its elements are made anew from those that are
// known here, so that nothing in it can run or load anything.
import { h, html, useEffect, useState } from "../lib/htm-preact.js";
import { callForPage } from "../shared/api.js";
import { language, t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";

// What each element is here: headings stand below the page's own, landmarks are the page's alone.
const HERE = { h1: "h2", h2: "h3", main: "div", header: "div", article: "div", section: "div" };
const SAME = "b strong small p div span table thead tbody tr th td figure figcaption blockquote code dl dt dd svg line text polyline circle";
const KNOWN = { ...HERE, ...Object.fromEntries(SAME.split(" ").map((name) => [name, name])) };
const KEPT = "lang scope role aria-label data-of viewBox x y x1 x2 y1 y2 cx cy r points transform".split(" ");

export function Report({ model }) {
  const spoken = useStore(language);
  const [page, setPage] = useState(null);
  const [problem, setProblem] = useState(null);
  const [name, version] = model.split("@");
  const path = `v1/adapters/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/report?style=false`;
  const load = () => {
    setProblem(null);
    callForPage(path).then(setPage, setProblem);
  };
  useEffect(() => {
    if (page) load(); // told in another language now
  }, [spoken]);
  if (problem) return html`<${Problem} error=${problem} onRetry=${load} />`;
  if (!page) return html`<div class="actions"><button onClick=${load}>${t("train.report")}</button></div>`;
  return html`<section class="train-part train-report" aria-label=${t("train.report_title")} lang=${page.documentElement.lang || "en"}>
    ${[...page.body.childNodes].map(shown)}
  </section>`;
}

function shown(node) {
  if (node.nodeType === Node.TEXT_NODE) return html`<${Plain} text=${node.data} />`;
  const name = node.nodeType === Node.ELEMENT_NODE && KNOWN[node.localName];
  if (!name) return null;
  const kept = KEPT.filter((each) => node.hasAttribute(each)).map((each) => [each, node.getAttribute(each)]);
  const names = [...node.classList].map((each) => `r-${each}`).join(" ");
  return h(name, { ...Object.fromEntries(kept), class: names || undefined }, [...node.childNodes].map(shown));
}
