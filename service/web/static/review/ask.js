// A question before something is done that everybody notices.
import { html, useState } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { Dialog, Problem } from "../shared/widgets.js";

/** `name` says what is done; `children` are what is said of it, and fields. */
export function Ask({ title, name, isReady = true, onDo, onClose, children }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy || !isReady) return;
    setBusy(true);
    setError(null);
    try {
      await onDo();
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <form class="ask" onSubmit=${submit}>
      ${children}
      ${error && html`<${Problem} error=${error} />`}
      <div class="actions">
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
        <button class="main" disabled=${isBusy || !isReady}>${name}</button>
      </div>
    </form>
  <//>`;
}
