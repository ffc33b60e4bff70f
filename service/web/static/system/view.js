// The adapters that are there, and how the server is doing.
import { html, useState } from "../lib/htm-preact.js";
import { may } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { Icon } from "../shared/widgets.js";
import { Figures } from "./figures_shown.js";
import { Adapters } from "./list.js";
import { Sending } from "./sending.js";

export function View() {
  const [isSending, setSending] = useState(false);
  return html`<section class="system" aria-label=${t("view.system")}>
    <div class="bar">
      <h1>${t("view.system")}</h1>
      ${may("admin") && html`<button class="plain" onClick=${() => setSending(true)}><${Icon} name="add" />${t("system.upload")}</button>`}
    </div>
    <div class="halves">
      ${may("chat") && html`<${Adapters} />`}
      <${Figures} />
    </div>
    ${isSending && html`<${Sending} onClose=${() => setSending(false)} />`}
  </section>`;
}
