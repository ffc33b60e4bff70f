// How a job shall be done, what it would take, and the button that begins it.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { may, models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { createStore, useStore } from "../shared/store.js";
import { Field, Problem } from "../shared/widgets.js";
import { Plan } from "./plan.js";
import { chooseFile, NO_NUMBERS, requestFor, wish, wishFor } from "./wish.js";

const METHODS = ["supervised", "dpo", "kto"];
const PATH = "v1/fine_tuning/jobs";
const served = createStore(null); // the base, where a key may not ask for models

export function Order() {
  const now = useStore(wish);
  const base = useStore(models).base ?? useStore(served);
  const [doing, setDoing] = useState(null); // "order" or "plan"
  const [plan, setPlan] = useState(null);
  const [problem, setProblem] = useState(null);
  const controller = useRef(null);
  const asked = requestFor(now, base);
  const key = JSON.stringify(asked);
  useEffect(() => {
    const known = ({ serving }) => served.set(serving.model);
    if (!may("chat")) call("v1/machine").then(known).catch(setProblem);
    return () => controller.current?.abort();
  }, []);
  useEffect(() => {
    setPlan(null); // it was another job's
    setProblem(null);
  }, [key]);
  const attempt = async (what, action) => {
    const { signal } = (controller.current = new AbortController());
    setDoing(what);
    setProblem(null);
    try {
      await action(signal);
    } catch (error) {
      if (error.name !== "AbortError") setProblem(error);
    }
    setDoing(null);
  };
  const order = () => attempt("order", async (signal) => {
    const job = await call(PATH, { method: "POST", body: asked, signal });
    chooseFile(null);
    location.hash = `#/train/${job.id}`;
  });
  const rehearse = () => attempt("plan", async (signal) => {
    setPlan(await call(PATH, { method: "POST", body: { ...asked, dry_run: true }, signal }));
  });
  const submit = (event) => {
    event.preventDefault();
    order();
  };
  const isReady = Boolean(now.file && now.count && base && !doing);
  return html`<form class="train-order" onSubmit=${submit}>
    <h2>${t("train.how")}</h2>
    <${Beginning} now=${now} base=${base} />
    <${Numbers} now=${now} />
    ${plan && html`<${Plan} plan=${plan} />`}
    ${problem && html`<${Problem} error=${problem} />`}
    <div class="actions">
      <button class="main" disabled=${!isReady}>${t("train.begin")}</button>
      ${doing === "plan"
        ? html`<span role="status">${t("train.planning")}</span><button type="button" onClick=${() => controller.current.abort()}>${t("cancel")}</button>`
        : html`<button type="button" disabled=${!isReady} onClick=${rehearse}>${t("train.plan")}</button>`}
    </div>
    ${!now.file && html`<p class="hint">${t("train.no_file")}</p>`}
  </form>`;
}

function Beginning({ now, base }) {
  const { adapters } = useStore(models);
  const known = adapters.some((each) => each.name === now.model) ? now.model : "";
  useEffect(() => {
    if (known !== now.model) wishFor({ model: known }); // it has been removed since
  }, [known]);
  return html`<div class="train-row">
    <${Field} name=${t("train.from")} hint=${t("train.from_hint")}>
      ${(id, hint) => html`<select id=${id} aria-describedby=${hint} value=${known}
        onChange=${(event) => wishFor({ model: event.target.value })}>
        <option value="">${t("train.base", { base: base ?? "–" })}</option>
        ${adapters.map(({ name }) => html`<option value=${name}>${name}</option>`)}
      </select>`}
    <//>
    <${Field} name=${t("train.name")} hint=${t("train.name_hint")}>
      ${(id, hint) => html`<input id=${id} aria-describedby=${hint} value=${now.name} maxlength="64" autocomplete="off"
        placeholder=${now.model} onInput=${(event) => wishFor({ name: event.target.value })} />`}
    <//>
  </div>`;
}

function Numbers({ now }) {
  const isChanged = Object.keys(NO_NUMBERS).some((name) => now[name] !== NO_NUMBERS[name]);
  return html`<details open=${isChanged}>
    <summary>${t("train.settings")}</summary>
    <div class="train-grid">
      <${Field} name=${t("train.method")} hint=${t("train.method_hint")}>
        ${(id, hint) => html`<select id=${id} aria-describedby=${hint} value=${now.method}
          onChange=${(event) => wishFor({ method: event.target.value })}>
          ${METHODS.map((each) => html`<option value=${each}>${t(`train.method.${each}`)}</option>`)}
        </select>`}
      <//>
      <${Numeric} now=${now} name="epochs" min="1" max="50" step="1" />
      <${Numeric} now=${now} name="rate" min="0.001" max="1000" step="any" />
      ${!now.model && html`<${Numeric} now=${now} name="rank" min="1" max="512" step="1" usual="16" />`}
      <${Numeric} now=${now} name="seed" min="0" max="2147483647" step="1" />
    </div>
  </details>`;
}

function Numeric({ now, name, usual, ...limits }) {
  return html`<${Field} name=${t(`train.${name}`)} hint=${t(`train.${name}_hint`)}>
    ${(id, hint) => html`<input id=${id} type="number" inputmode="decimal" ...${limits} aria-describedby=${hint}
      value=${now[name]} placeholder=${usual ?? t("train.auto")} onInput=${(event) => wishFor({ [name]: event.target.value })} />`}
  <//>`;
}
