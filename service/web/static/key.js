// Asks for the key that the server wants.
import { html, useState } from "./lib/htm-preact.js";
import { keyIsMissing } from "./shared/api.js";
import { loadCaller } from "./shared/caller.js";
import { t } from "./shared/i18n.js";
import { savedKey } from "./shared/store.js";
import { Field, Problem } from "./shared/widgets.js";

const PRINTABLE = /^[!-~]+$/; // others cannot be sent

export function KeyForm() {
  const [key, setKey] = useState("");
  const [error, setError] = useState(null);
  const [isTrying, setTrying] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setError(null);
    if (!PRINTABLE.test(key.trim())) return setError({ status: 401 });
    setTrying(true);
    savedKey.set(key.trim());
    try {
      await loadCaller();
      keyIsMissing.set(false);
    } catch (failure) {
      savedKey.forget();
      setError(failure);
      setTrying(false);
    }
    return undefined;
  };
  return html`<form class="alone card" onSubmit=${submit}>
    <h1>${t("key.title")}</h1>
    <p>${t("key.hint")}</p>
    <${Field} name=${t("key.name")}>
      ${(id) => html`<input id=${id} type="password" autocomplete="off" spellcheck=${false} required value=${key}
        placeholder="lc-…" onInput=${(event) => setKey(event.target.value)} />`}
    <//>
    ${error && html`<${Problem} error=${error} />`}
    <button class="main wide" disabled=${isTrying || !key.trim()}>${t("key.use")}</button>
  </form>`;
}
