// The list of conversations: chosen, exported, deleted.
import { html, useState } from "../lib/htm-preact.js";
import { saveFile } from "../shared/hand.js";
import { asDate, t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Dialog, Icon, IconButton } from "../shared/widgets.js";
import { asLines, conversations, current, remove } from "./conversations.js";
import { stop } from "./talk.js";

const LINES = "application/jsonl";

export function History({ onChoose = () => {} }) {
  const all = useStore(conversations);
  const shown = useStore(current);
  const [leaving, setLeaving] = useState(null); // those that are to be deleted, once that is sure
  const choose = (id) => (current.set(id), onChoose());
  const drop = () => {
    leaving.forEach((each) => stop(each.id));
    remove(leaving.map((each) => each.id));
    setLeaving(null);
  };
  return html`<nav class="history" aria-label=${t("history.title")}>
    <button class="wide" onClick=${() => choose(null)}><${Icon} name="add" />${t("history.new")}</button>
    ${all.length === 0 && html`<p class="hint">${t("history.empty")}</p>`}
    <ul>
      ${all.map((each) => html`<li key=${each.id}>
        <button class="plain title" aria-current=${each.id === shown ? "true" : undefined} onClick=${() => choose(each.id)}>
          <span>${each.title || t("history.untitled")}</span><small>${asDate(each.changed)}</small>
        </button>
        <${IconButton} icon="save" name=${t("history.export_one", { title: each.title })} onClick=${() => exportAs(each.title, [each])} />
        <${IconButton} icon="remove" name=${t("history.delete_one", { title: each.title })} onClick=${() => setLeaving([each])} />
      </li>`)}
    </ul>
    ${all.length > 0 && html`<div class="ends">
      <button class="plain small" onClick=${() => exportAs("lora-chat", all)}>${t("history.export_all")}</button>
      <button class="plain small" onClick=${() => setLeaving(all)}>${t("history.delete_all")}</button>
    </div>
    <p class="hint">${t("history.kept")}</p>`}
    ${leaving && html`<${Dialog} title=${t("history.sure", { count: leaving.length })} onClose=${() => setLeaving(null)}>
      <p>${t("history.sure_hint")}</p>
      <div class="actions">
        <button onClick=${() => setLeaving(null)}>${t("cancel")}</button>
        <button class="main danger" onClick=${drop}>${t("delete")}</button>
      </div>
    <//>`}
  </nav>`;
}

function exportAs(title, chosen) {
  const name = title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40) || "lora-chat";
  saveFile(`${name}.jsonl`, asLines(chosen), LINES);
}
