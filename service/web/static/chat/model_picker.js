// Which adapters answer, in which version and how strongly.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { LARGEST_SCALE, MOST_PARTS, notation } from "../shared/models.js";
import { useStore } from "../shared/store.js";
import { Field, Icon, IconButton, Problem, SliderAndNumber } from "../shared/widgets.js";
import { pickOf } from "./draft.js";

const PATIENCE = 250; // [milliseconds] while a slider moves

/** What the server says of a model: its {card} or the {error}; neither while it is asked. */
function useModelCard(model) {
  const [told, setTold] = useState({});
  useEffect(() => {
    if (!model) return undefined;
    let isWanted = true;
    const tell = (found) => isWanted && setTold({ model, ...found });
    const ask = () =>
      call(`v1/models/${encodeURIComponent(model)}`).then(
        (card) => tell({ card }),
        (error) => tell({ error }),
      );
    const timer = setTimeout(ask, PATIENCE);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [model]);
  return told.model === model ? told : {};
}

/** The disclaimer of what is picked: as the adapters' cards have it until the server has told. */
export function useDisclaimer(picks) {
  const { base, adapters } = useStore(models);
  const { card } = useModelCard(notation(picks, base));
  if (card) return card.disclaimer;
  const known = picks.map(({ name }) => adapters.find((each) => each.name === name)?.disclaimer);
  return [...new Set(known.filter(Boolean))].join("\n") || null;
}

export function ModelPicker({ picks, onChange }) {
  const { base, adapters } = useStore(models);
  const model = notation(picks, base);
  const { error } = useModelCard(model);
  const used = picks.map((pick) => pick.name);
  const free = adapters.filter((each) => !used.includes(each.name));
  const replace = (at, pick) => onChange(picks.map((each, index) => (index === at ? pick : each)));
  const rows = picks.length ? picks : [null];
  return html`<div class="picker">
    ${rows.map((pick, at) => html`<${Pick} key=${pick?.name ?? ""} pick=${pick} base=${base} adapters=${adapters}
      used=${used} isOnly=${rows.length === 1}
      onChange=${(changed) => (picks.length ? replace(at, changed) : onChange([changed]))}
      onRemove=${() => onChange(picks.filter((_, index) => index !== at))} />`)}
    ${picks.length > 0 && free.length > 0 && picks.length < MOST_PARTS && html`
      <button class="plain" onClick=${() => onChange([...picks, { ...pickOf(free[0]), scale: 0.5 }])}>
        <${Icon} name="add" />${t("model.blend")}
      </button>`}
    ${error && html`<${Problem} error=${error} />`}
    <p class="hint">${t("model.notation")} <code>${model ?? "–"}</code></p>
  </div>`;
}

function Pick({ pick, base, adapters, used, isOnly, onChange, onRemove }) {
  const offered = adapters.filter((each) => each.name === pick?.name || !used.includes(each.name));
  const choose = (name) => (name ? onChange(pickOf({ name })) : onRemove());
  return html`<div class="pick">
    <div class="row">
      <${Field} name=${t("model.adapter")}>
        ${(id) => html`<select id=${id} value=${pick?.name ?? ""} onChange=${(event) => choose(event.target.value)}>
          ${isOnly && base && html`<option value="">${t("model.base", { base })}</option>`}
          ${isOnly && !base && !pick && html`<option value="">${t("model.choose")}</option>`}
          ${offered.map(({ name }) => html`<option value=${name}>${name}</option>`)}
        </select>`}
      <//>
      ${pick && html`<${Version} pick=${pick} adapter=${adapters.find((each) => each.name === pick.name)} onChange=${onChange} />`}
      ${!isOnly && html`<${IconButton} icon="remove" name=${t("model.remove", { name: pick.name })} onClick=${onRemove} />`}
    </div>
    ${pick && html`<${SliderAndNumber} name=${t("model.strength")} value=${pick.scale} usual=${1}
      min=${0} max=${2} step=${0.05} lowest=${-LARGEST_SCALE} highest=${LARGEST_SCALE}
      onChange=${(scale) => onChange({ ...pick, scale: scale ?? 1 })} />`}
  </div>`;
}

function Version({ pick, adapter, onChange }) {
  const versions = adapter?.versions ?? [];
  const choose = (event) => onChange({ ...pick, version: event.target.value || null });
  return html`<${Field} name=${t("model.version")}>
    ${(id) => html`<select id=${id} value=${pick.version ?? ""} onChange=${choose}>
      <option value="">${t("model.promoted", { version: adapter?.promoted ?? "?" })}</option>
      ${versions.map(({ version, problem }) => html`<option value=${version} disabled=${Boolean(problem)}>${version}</option>`)}
    </select>`}
  <//>`;
}
