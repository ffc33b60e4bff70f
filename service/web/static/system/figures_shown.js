// The figures, and what the machine is on which the server runs.
import { html, useEffect } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { t } from "../shared/i18n.js";
import { createStore, useStore } from "../shared/store.js";
import { Problem } from "../shared/widgets.js";
import { asBytes, asNumber, Facts } from "./facts.js";
import { useFigures } from "./figures.js";

const BLOCK = 16; // [tokens]
const machine = createStore(null); // asked once: it is timed for that

export function Figures() {
  const { health, values, rate, away, error } = useFigures();
  return html`<section class="figures" aria-label=${t("system.now")}>
    <h2>${t("system.now")}</h2>
    ${error && html`<${Problem} error=${error} />`}
    ${values && html`
      ${away ? html`<${Problem} error=${away} />` : html`<p class="hint">${t("system.ready")}</p>`}
      <ul class="tiles">
        <${Tile} name=${t("system.running")} value=${asNumber(values.running)} />
        <${Tile} name=${t("system.waiting")} value=${asNumber(values.waiting)} />
        <${Tile} name=${t("system.rate")} value=${rate === null ? "–" : asNumber(rate, 1)} hint=${t("system.rate_hint")} />
        <${Tile} name=${t("system.first")} value=${firstToken(values)} />
      </ul>
      <${Blocks} used=${values.usedBlocks} all=${values.blocks} />
      <${Facts} rows=${[
        [t("system.in_memory_now"), `${asNumber(values.adapters)} (${asBytes(values.adapterBytes)})`],
        [t("system.answers"), asNumber(values.answers ?? 0)],
        [t("system.tokens"), asNumber(values.tokens ?? 0)],
        [t("system.cached"), values.promptTokens ? `${asNumber((100 * values.cachedTokens) / values.promptTokens)} %` : null],
      ]} />`}
    <h2>${t("system.machine")}</h2>
    ${health && html`<${Facts} rows=${engineRows(health)} />`}
    <${Machine} />
  </section>`;
}

function Tile({ name, value, hint }) {
  return html`<li><b>${value}</b><span>${name}</span>${hint && html`<small>${hint}</small>`}</li>`;
}

function Blocks({ used, all }) {
  if (!all) return null;
  const tokens = (blocks) => asNumber(BLOCK * blocks);
  return html`<div class="blocks">
    <p>${t("system.memory", { used: tokens(used), all: tokens(all) })}</p>
    <meter min="0" max=${all} value=${used} aria-label=${t("system.ram")}></meter>
  </div>`;
}

function firstToken({ firstCount, firstSeconds }) {
  const milliseconds = (1000 * firstSeconds) / firstCount;
  return firstCount ? `${asNumber(milliseconds, milliseconds < 10 ? 1 : 0)} ms` : "–";
}

function engineRows({ model, version, engine, precision, kernel, compiled, compiling }) {
  const code = compiling ? "system.compiling" : compiled ? "system.compiled" : "system.not_compiled";
  return [
    [t("system.base"), model],
    [t("system.engine"), [engine, precision, kernel].filter(Boolean).join(", ")],
    [t("system.code"), t(code)],
    ["lora-chat", version],
  ];
}

function Machine() {
  const known = useStore(machine);
  useEffect(() => {
    if (!known?.cpu) call("v1/machine").then(machine.set, (error) => machine.set({ error }));
  }, []);
  if (known === null) return html`<p role="status">${t("loading")}</p>`;
  if (known.error) return html`<${Problem} error=${known.error} />`;
  return html`<${Facts} rows=${[
    [t("system.cpu"), known.cpu],
    [t("system.cores"), known.num_cores],
    [t("system.instructions"), known.cpu_features.join(", ")],
    [t("system.ram"), asBytes(known.memory_bytes)],
    [t("system.gpu"), known.gpu && `${known.gpu}, ${asBytes(known.gpu_memory_bytes)}`],
    [t("system.disk"), asBytes(known.free_disk_bytes)],
    ["torch", known.versions.torch],
    ["Python", known.versions.python],
  ]} />`;
}
