// Each adapter's way to its next version.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { t } from "../shared/i18n.js";
import { Problem } from "../shared/widgets.js";
import { Panel } from "./panel.js";

const AT_ONCE = 10; // panels: each asks for itself

export function Improve() {
  const [adapters, setAdapters] = useState(null);
  const [error, setError] = useState(null);
  const [count, setCount] = useState(AT_ONCE);
  const ask = () => {
    setError(null);
    return call("v1/adapters").then((found) => setAdapters(found.data), setError);
  };
  useEffect(() => {
    ask();
  }, []);
  const replace = (changed) => setAdapters((all) => all.map((each) => (each.id === changed.id ? changed : each)));
  return html`<div class="page">
    <p class="hint">${t("improve.hint")}</p>
    ${error && html`<${Problem} error=${error} onRetry=${ask} />`}
    ${!adapters && !error && html`<p role="status">${t("loading")}</p>`}
    ${adapters?.length === 0 && html`<p class="empty">${t("improve.none")}</p>`}
    ${adapters?.slice(0, count).map((each) => html`<${Panel} key=${each.id} adapter=${each} onChange=${replace} />`)}
    ${adapters?.length > count && html`<button onClick=${() => setCount(count + AT_ONCE)}>${t("queue.more")}</button>`}
  </div>`;
}
