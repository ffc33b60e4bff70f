// The file to train on: dropped or chosen, sent to the server, or one that it has already.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { call, upload } from "../shared/api.js";
import { t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { Field, Problem, useId } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { Check } from "./check.js";
import { chooseFile, wish } from "./wish.js";

const MOST = 100; // files that are offered

export function FilePart() {
  const { file } = useStore(wish);
  const [sending, setSending] = useState(null); // {name, share}
  const [problem, setProblem] = useState(null);
  const [files, setFiles] = useState([]); // on the server, newest first
  const controller = useRef(null);
  const list = () =>
    call(`v1/files?purpose=fine-tune&limit=${MOST}`).then(({ data }) => setFiles(data)).catch(setProblem);
  useEffect(() => {
    list();
    return () => controller.current?.abort();
  }, []);
  const send = async (chosen) => {
    controller.current?.abort();
    const mine = (controller.current = new AbortController());
    const tell = (share) => setSending({ name: chosen.name, share });
    setProblem(null);
    tell(0);
    try {
      const form = { purpose: "fine-tune", file: chosen };
      chooseFile(await upload("v1/files", form, { signal: mine.signal, onProgress: tell }));
      await list();
    } catch (error) {
      if (error.name !== "AbortError") setProblem(error);
    }
    if (controller.current === mine) setSending(null);
  };
  const choose = (id) => chooseFile(files.find((each) => each.id === id) ?? null);
  const remove = async () => {
    try {
      await call(`v1/files/${file}`, { method: "DELETE" });
      chooseFile(null);
    } catch (error) {
      setProblem(error);
    }
    await list();
  };
  return html`<h2>${t("train.file")}</h2>
    <${Drop} onFile=${send} isBusy=${Boolean(sending)} />
    ${sending && html`<${Sending} ...${sending} onStop=${() => controller.current.abort()} />`}
    ${problem && html`<${Problem} error=${problem} />`}
    ${files.length > 0 && html`<div class="train-row">
      <${Field} name=${t("train.on_server")}>
        ${(id) => html`<select id=${id} value=${file ?? ""} onChange=${(event) => choose(event.target.value)}>
          <option value="">${t("train.none")}</option>
          ${files.map((each) => html`<option value=${each.id}>${each.filename}</option>`)}
        </select>`}
      <//>
      ${file && html`<button onClick=${remove}>${t("train.remove_file")}</button>`}
    </div>`}
    ${file && html`<${Check} key=${file} id=${file} />`}`;
}

function Drop({ onFile, isBusy }) {
  const id = useId("file");
  const [isOver, setOver] = useState(false);
  const over = (event) => {
    event.preventDefault();
    setOver(true);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    const [first] = event.dataTransfer.files;
    if (first) onFile(first);
  };
  const change = ({ target }) => {
    if (target.files[0]) onFile(target.files[0]);
    target.value = ""; // so that the same one, mended, can be chosen again
  };
  return html`<div class=${`train-drop ${isOver ? "over" : ""}`} onDragOver=${over} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <input id=${id} type="file" aria-describedby=${`${id}-hint`} disabled=${isBusy} onChange=${change} class="unseen" />
    <label for=${id}>${t("train.choose")}</label>
    <p class="hint" id=${`${id}-hint`}>${t("train.choose_hint")}</p>
  </div>`;
}

function Sending({ name, share, onStop }) {
  return html`<div class="train-row">
    <div class="field">
      <span><${Plain} text=${name} /></span>
      <progress value=${share} max="1" aria-label=${t("train.sending")} />
    </div>
    <button onClick=${onStop}>${t("cancel")}</button>
  </div>`;
}
