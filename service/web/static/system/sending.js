// A form that sends an adapter's files to the server.
import { html, useEffect, useRef, useState } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { Check, Dialog, Field, Problem } from "../shared/widgets.js";
import { send } from "./adapters.js";
import { useAction } from "./asking.js";

export function Sending({ onClose }) {
  const [files, setFiles] = useState([]);
  const [name, setName] = useState("");
  const [isPromoted, setPromoted] = useState(true);
  const [isBaseAccepted, setBaseAccepted] = useState(false);
  const [share, setShare] = useState(0); // that has gone out
  const sending = useRef(new AbortController());
  const { isRunning, error, run } = useAction();
  useEffect(() => () => sending.current.abort(), []); // who closes the form stops it
  const submit = async (event) => {
    event.preventDefault();
    const asked = { name: name.trim(), isPromoted, isBaseAccepted };
    const options = { signal: sending.current.signal, onProgress: setShare };
    if (await run(() => send(files, asked, options), t("system.taken", { name }))) onClose();
  };
  return html`<${Dialog} title=${t("system.upload")} onClose=${onClose}>
    <form class="sure" onSubmit=${submit}>
      <${Field} name=${t("system.files")} hint=${t("system.files_hint")}>
        ${(id, hint) => html`<input id=${id} type="file" multiple required aria-describedby=${hint}
          onChange=${({ target }) => setFiles([...target.files])} />`}
      <//>
      <${Field} name=${t("system.name")} hint=${t("system.name_hint")}>
        ${(id, hint) => html`<input id=${id} required autocomplete="off" spellcheck=${false} aria-describedby=${hint}
          value=${name} onInput=${({ target }) => setName(target.value)} />`}
      <//>
      <${Check} name=${t("system.promote_it")} isChecked=${isPromoted} onChange=${setPromoted} />
      <${Check} name=${t("system.accept_base")} isChecked=${isBaseAccepted} onChange=${setBaseAccepted} />
      ${isRunning && html`<progress value=${share} aria-label=${t("system.upload")}></progress>`}
      ${error && html`<${Problem} error=${error} />`}
      <div class="actions">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="main" disabled=${isRunning}>${t("system.send")}</button>
      </div>
    </form>
  <//>`;
}
