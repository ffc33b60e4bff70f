// How a conversation is asked: model, system text, sampling, and whether answers are kept.
import { html } from "../lib/htm-preact.js";
import { canRate, models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Check, Field, SliderAndNumber } from "../shared/widgets.js";
import { NO_OPTIONS } from "./answering.js";
import { ModelPicker } from "./model_picker.js";

const RESTING = 512; // [tokens]

export function Settings({ picks, options, onChange }) {
  return html`<div class="settings">
    <h2>${t("settings.model")}</h2>
    <${ModelPicker} picks=${picks} onChange=${(changed) => onChange({ picks: changed })} />
    <h2>${t("settings.manner")}</h2>
    <${Options} picks=${picks} options=${options} onChange=${(changed) => onChange({ options: { ...options, ...changed } })} />
  </div>`;
}

export function Options({ picks, options, onChange }) {
  const { adapters, longest } = useStore(models);
  const first = adapters.find((each) => each.name === picks[0]?.name);
  const usual = first?.sampling ?? {};
  const set = (name) => (value) => onChange({ [name]: value });
  const setWhole = (name) => (value) => onChange({ [name]: value === null ? null : Math.round(value) });
  const isChanged = Object.keys(NO_OPTIONS).some((name) => options[name] !== NO_OPTIONS[name]);
  return html`<div class="options">
    <${Field} name=${t("settings.system")} hint=${t("settings.system_hint")}>
      ${(id, hint) => html`<textarea id=${id} rows="3" aria-describedby=${hint} value=${options.system}
        placeholder=${first?.system ?? ""} onInput=${(event) => onChange({ system: event.target.value })} />`}
    <//>
    <${SliderAndNumber} name=${t("settings.temperature")} value=${options.temperature}
      usual=${usual.temperature ?? 1} min=${0} max=${2} step=${0.05} onChange=${set("temperature")} />
    <${SliderAndNumber} name=${t("settings.max_tokens")} value=${options.max_tokens}
      usual=${usual.max_tokens} resting=${RESTING} min=${1} max=${Math.min(longest ?? 2048, 2048)} highest=${longest ?? undefined}
      step=${1} onChange=${setWhole("max_tokens")} />
    <details>
      <summary>${t("settings.more")}</summary>
      <${SliderAndNumber} name=${t("settings.top_p")} value=${options.top_p} usual=${usual.top_p ?? 1}
        min=${0.05} max=${1} step=${0.05} lowest=${0} onChange=${set("top_p")} />
      <${SliderAndNumber} name=${t("settings.min_p")} value=${options.min_p} usual=${usual.min_p ?? 0}
        min=${0} max=${1} step=${0.01} onChange=${set("min_p")} />
      <${SliderAndNumber} name=${t("settings.repetition_penalty")} value=${options.repetition_penalty}
        usual=${usual.repetition_penalty ?? 1} min=${0.5} max=${2} step=${0.05} lowest=${0} highest=${10}
        onChange=${set("repetition_penalty")} />
      <${WholeNumber} name=${t("settings.top_k")} value=${options.top_k} usual=${usual.top_k} onChange=${set("top_k")} />
      <${WholeNumber} name=${t("settings.seed")} value=${options.seed} onChange=${set("seed")} />
    </details>
    <${Storing} options=${options} onChange=${onChange} />
    ${isChanged && html`<button class="plain" onClick=${() => onChange(NO_OPTIONS)}>${t("settings.reset")}</button>`}
  </div>`;
}

function WholeNumber({ name, value, usual, onChange }) {
  const read = ({ target }) => onChange(target.value === "" ? null : Math.max(0, Math.round(Number(target.value))));
  return html`<${Field} name=${name}>
    ${(id) => html`<input id=${id} type="number" min="0" step="1" inputmode="numeric"
      value=${value ?? ""} placeholder=${usual ?? ""} onChange=${read} />`}
  <//>`;
}

function Storing({ options, onChange }) {
  if (!canRate()) return null;
  return html`<${Check} name=${t("settings.stored")} hint=${t("settings.stored_hint")} isChecked=${options.isStored}
    onChange=${(isStored) => onChange({ isStored })} />`;
}
