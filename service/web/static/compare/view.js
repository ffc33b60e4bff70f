// The same question to two, three or four models, side by side.
import { html, useState } from "../lib/htm-preact.js";
import { Composer } from "../chat/composer.js";
import { Answer } from "../chat/message.js";
import { ModelPicker, useDisclaimer } from "../chat/model_picker.js";
import { Options } from "../chat/settings.js";
import { models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { label } from "../shared/models.js";
import { useStore } from "../shared/store.js";
import { Dialog, Icon, IconButton } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { changeAnswer, compare, comparison, FEWEST, isBetter, isComparing, MOST, prefer, usualColumns } from "./rounds.js";

export function View() {
  const { columns: chosen, options, round } = useStore(comparison);
  const running = useStore(isComparing);
  useStore(models);
  const columns = chosen ?? usualColumns();
  const [open, setOpen] = useState(null); // the column whose model is chosen, or "options"
  const set = (changes) => comparison.set((now) => ({ ...now, ...changes }));
  const setColumns = (changed) => set({ columns: changed });
  const replace = (at, picks) => setColumns(columns.map((each, index) => (index === at ? picks : each)));
  return html`<section class="compare" aria-label=${t("view.compare")}>
    <div class="bar">
      <h1>${t("view.compare")}</h1>
      <button class="plain" onClick=${() => setOpen("options")}><${Icon} name="settings" />${t("settings.title")}</button>
      <button class="plain" disabled=${columns.length >= MOST || running} onClick=${() => setColumns([...columns, columns.at(-1)])}>
        <${Icon} name="add" />${t("compare.add")}
      </button>
    </div>
    <div class="scroll" tabindex="0" role="region" aria-label=${t("compare.answers")}>
      ${round && html`<p class="asked bubble" dir="auto" tabindex="0"><${Plain} text=${round.question} /></p>
        <p class="hint asked">${t("compare.seed", { seed: round.seed })}</p>`}
      ${!round && html`<p class="hint asked">${t("compare.hint")}</p>`}
      <div class="columns" data-count=${columns.length}>
        ${columns.map((picks, at) => html`<${Column} key=${at} at=${at} picks=${picks} round=${round} running=${running}
          onChoose=${() => setOpen(at)}
          onRemove=${columns.length > FEWEST && !running ? () => removeColumn(at, columns) : null} />`)}
      </div>
    </div>
    <div class="foot">
      <${Composer} label=${t("compare.write")} isRunning=${Boolean(running)} focusOn="compare"
        onSend=${(text) => compare(text, columns, options)} onStop=${() => running.abort()} />
    </div>
    ${open === "options" && html`<${Dialog} title=${t("settings.title")} kind="sheet right" onClose=${() => setOpen(null)}>
      <div class="settings"><${Options} picks=${columns[0]} options=${options}
        onChange=${(changed) => set({ options: { ...options, ...changed } })} /></div>
    <//>`}
    ${typeof open === "number" && html`<${Dialog} title=${t("compare.model", { number: open + 1 })} kind="sheet right" onClose=${() => setOpen(null)}>
      <div class="settings"><${ModelPicker} picks=${columns[open]} onChange=${(picks) => replace(open, picks)} /></div>
    <//>`}
  </section>`;
}

function removeColumn(at, columns) {
  const others = (list) => list.filter((_, index) => index !== at);
  comparison.set((now) => ({
    ...now,
    columns: others(columns),
    round: now.round && { ...now.round, answers: others(now.round.answers) },
  }));
}

function Column({ at, picks, round, running, onChoose, onRemove }) {
  const { base } = models.get();
  const disclaimer = useDisclaimer(picks);
  const answer = round?.answers[at];
  const again = () => compare(round.question, comparison.get().columns ?? usualColumns(), comparison.get().options);
  return html`<div class=${`column ${answer && isBetter(answer) ? "better" : ""}`}>
    <div class="head">
      <button class="wide" disabled=${Boolean(running)} onClick=${onChoose}>
        <span class="unseen">${t("compare.model", { number: at + 1 })}: </span>${label(picks, base)}
      </button>
      ${onRemove && html`<${IconButton} icon="close" name=${t("compare.remove", { number: at + 1 })} onClick=${onRemove} />`}
    </div>
    ${answer && html`<ol><${Answer} message=${answer} isRunning=${Boolean(running)} shownDisclaimer=${disclaimer}
      onAgain=${answer.error && !running ? again : null} onFeedback=${(feedback) => changeAnswer(at, { feedback })}>
      ${(attempt) => html`<${Better} at=${at} answer=${answer} isRunning=${Boolean(running)} attempt=${attempt} />`}
    <//></ol>`}
    ${disclaimer && html`<p class="disclaimer">${disclaimer}</p>`}
  </div>`;
}

function Better({ at, answer, isRunning, attempt }) {
  return html`<button class="small pick-this" aria-pressed=${isBetter(answer)} disabled=${isRunning} onClick=${() => attempt(() => prefer(at))}>
    <${Icon} name="check" />${t(isBetter(answer) ? "compare.picked" : "compare.pick")}
  </button>`;
}
