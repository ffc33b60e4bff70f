// Training: a file becomes an adapter. One job, by its id in the address, or a new one and all jobs.
import { html } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { route } from "../shared/route.js";
import { useStore } from "../shared/store.js";
import { FilePart } from "./file.js";
import { Job } from "./job.js";
import { Jobs } from "./jobs.js";
import { Order } from "./order.js";

export function View() {
  const [, id] = useStore(route);
  return html`<div class="train">
    ${id ? html`<${Job} key=${id} id=${id} />` : html`<h1>${t("train.title")}</h1>
      <section class="train-part" aria-label=${t("train.new")}>
        <${FilePart} />
        <${Order} />
      </section>
      <${Jobs} />`}
  </div>`;
}
