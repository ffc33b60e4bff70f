// What the server has found in a file: counts, faults by line, and what would be trained of it.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { language, t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { chooseFile, wish, wishFor } from "./wish.js";

const AGAIN = 2000; // [milliseconds] until a file that is being checked is looked at again
const FEWEST = 10; // conversations that a job needs

export function Check({ id }) {
  const spoken = useStore(language); // the check is told in it
  const { filename } = useStore(wish);
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    look(id, signal, setFound).catch((error) => {
      if (error.name === "AbortError") return;
      if (error.status === 404) chooseFile(null);
      else setProblem(error);
    });
    return () => controller.abort();
  }, [id, spoken]);
  if (problem) return html`<${Problem} error=${problem} />`;
  if (!found) return html`<p role="status">${t("train.checking")}</p>`;
  const { num_conversations: count, num_faults: faults } = found;
  return html`<div class="train-check">
    <h3><${Plain} text=${filename} /></h3>
    ${faults > 0 && html`<${Faults} found=${found} filename=${filename} />`}
    ${!faults && html`<p class="train-good" role="status">${t("train.fine", { count })}</p>`}
    ${!faults && count < FEWEST && html`<p class="problem" role="alert">${t("train.too_few", { count: FEWEST })}</p>`}
    ${found.findings.filter((each) => each.severity !== "error").map((each) => html`<${Finding} ...${each} filename=${filename} />`)}
    ${found.preview.length > 0 && html`<${Preview} conversations=${found.preview} />`}
    ${found.preview_left_out && html`<p class="hint">${t("train.preview_left_out")}</p>`}
  </div>`;
}

async function look(id, signal, onFound) {
  const path = `v1/files/${encodeURIComponent(id)}`;
  let file = await call(path, { signal });
  while (file.status === "uploaded") {
    await new Promise((done) => setTimeout(done, AGAIN));
    file = await call(path, { signal });
  }
  const found = await call(`${path}/check`, { signal });
  if (wish.get().file === id) wishFor({ filename: file.filename, count: found.num_faults ? 0 : found.num_conversations });
  onFound(found);
}

function Faults({ found, filename }) {
  const more = found.num_faults - found.faults.length;
  return html`<div class="problem" role="alert">
    <p>${t("train.faulty", { count: found.num_faults })}</p>
    <ol class="train-faults" tabindex="0" aria-label=${t("train.faults")}>
      ${found.faults.map((each) => html`<${Fault} ...${each} filename=${filename} />`)}
    </ol>
    ${more > 0 && html`<p class="detail">${t("train.more_faults", { count: more })}</p>`}
  </div>`;
}

function Fault({ source, line, field, message, filename }) {
  const place = [source === filename ? "" : source, line === null ? "" : t("train.line", { line })];
  return html`<li><b><${Plain} text=${[...place.filter(Boolean), field].join(", ")} /></b>: <${Plain} text=${message} /></li>`;
}

function Finding({ title, count, examples, filename }) {
  return html`<details class="train-finding">
    <summary><${Plain} text=${title} />: ${count}</summary>
    <ul>${examples.map((each) => html`<${Fault} ...${each} filename=${filename} />`)}</ul>
  </details>`;
}

function Preview({ conversations }) {
  return html`<details class="train-preview">
    <summary>${t("train.preview", { count: conversations.length })}</summary>
    <p class="hint">${t("train.preview_hint")}</p>
    ${conversations.map(({ line, messages }) => html`<ol aria-label=${t("train.line", { line })}>
      ${messages.map((each) => html`<li class=${each.trained ? "trained" : ""}>
        <b>${t(`train.role.${each.role}`)}${each.trained && html` <span class="hint">${t("train.trained")}</span>`}</b>
        <p dir="auto"><${Plain} text=${each.content} /></p>
        ${each.tool_calls.length > 0 && html`<code><${Plain} text=${JSON.stringify(each.tool_calls)} /></code>`}
      </li>`)}
    </ol>`)}
  </details>`;
}
