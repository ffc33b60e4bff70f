// What can be done with a job: stop it, pause it, go on, and ask what it has made.
import { html, useState } from "../lib/htm-preact.js";
import { current } from "../chat/conversations.js";
import { askWith } from "../chat/draft.js";
import { call } from "../shared/api.js";
import { loadModels, may } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { Dialog, Problem } from "../shared/widgets.js";
import { pathOf } from "./course.js";

const WAITING = ["validating_files", "queued"];

/** Begin a conversation with a version, name@number. */
async function ask(model) {
  await loadModels();
  const [name, version] = model.split("@");
  current.set(null);
  askWith({ picks: [{ name, version, scale: 1 }] });
  location.hash = "#/chat";
}

export function Actions({ job, isTrained, onChange }) {
  const [problem, setProblem] = useState(null);
  const [isLeaving, setLeaving] = useState(false);
  const [isEnding, setEnding] = useState(false);
  const attempt = (action) => {
    setProblem(null);
    return action().catch(setProblem);
  };
  const act = (what) => () => attempt(async () => onChange(await call(`${pathOf(job.id)}/${what}`, { method: "POST" })));
  const finish = () => attempt(async () => {
    onChange(await call(`${pathOf(job.id)}/finish`, { method: "POST" }));
    setEnding(true);
  });
  const { status, fine_tuned_model: model } = job;
  const isRunning = status === "running";
  const isOpen = isRunning || status === "paused" || WAITING.includes(status);
  return html`<div class="actions train-actions">
      ${model && may("chat") && html`<button class="main" onClick=${() => attempt(() => ask(model))}>${t("train.ask")}</button>`}
      ${isRunning && isTrained && html`<button class="main" disabled=${isEnding} onClick=${finish}>${t(isEnding ? "train.ending" : "train.finish")}</button>`}
      ${(isRunning || WAITING.includes(status)) && html`<button onClick=${act("pause")}>${t("train.pause")}</button>`}
      ${(status === "paused" || status === "failed") && html`<button class=${status === "paused" ? "main" : ""} onClick=${act("resume")}>${t("train.resume")}</button>`}
      ${isOpen && html`<button onClick=${() => setLeaving(true)}>${t("train.cancel")}</button>`}
    </div>
    ${problem && html`<${Problem} error=${problem} />`}
    ${isLeaving && html`<${Dialog} title=${t("train.cancel")} onClose=${() => setLeaving(false)}>
      <p>${t("train.cancel_hint")}</p>
      <div class="actions">
        <button onClick=${() => setLeaving(false)}>${t("train.keep_on")}</button>
        <button class="main danger" onClick=${() => (setLeaving(false), act("cancel")())}>${t("train.cancel_really")}</button>
      </div>
    <//>`}`;
}
