// Actions: what runs, what went wrong, and whether somebody is sure.
import { html, useState } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { announce } from "../shared/live.js";
import { Dialog, Field, Problem } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";

/** `run` does something once at a time, and says `done` when it has; whether it has is returned. */
export function useAction() {
  const [state, setState] = useState({ isRunning: false, error: null });
  const run = async (action, done) => {
    setState({ isRunning: true, error: null });
    try {
      await action();
      setState({ isRunning: false, error: null });
      if (done) announce(done);
      return true;
    } catch (error) {
      setState({ isRunning: false, error: error.name === "AbortError" ? null : error });
      return false;
    }
  };
  return { ...state, run };
}

/** Asks before something is lost for good; where it is much, `word` has to be written. */
export function Sure({ title, text, word, done, onDo, onClose }) {
  const { isRunning, error, run } = useAction();
  const [written, setWritten] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    if (await run(onDo, done)) onClose();
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="sure" onSubmit=${submit}>
      <p><${Plain} text=${text} /></p>
      ${word && html`<${Field} name=${t("system.write", { word })}>
        ${(id) => html`<input id=${id} autocomplete="off" spellcheck=${false} value=${written} onInput=${(event) => setWritten(event.target.value)} />`}
      <//>`}
      ${error && html`<${Problem} error=${error} />`}
      <div class="actions">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="main danger" disabled=${isRunning || Boolean(word && written.trim() !== word)}>${t("delete")}</button>
      </div>
    </form>
  <//>`;
}
