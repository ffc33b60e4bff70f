// What people say of answers: decided one by one, seen by topic, and made into the next version.
import { html } from "../lib/htm-preact.js";
import { t } from "../shared/i18n.js";
import { route } from "../shared/route.js";
import { useStore } from "../shared/store.js";
import { Improve } from "./improve.js";
import { Desk } from "./desk.js";
import { Topics } from "./topics.js";

const PARTS = { queue: Desk, topics: Topics, improve: Improve };

export function View() {
  const asked = useStore(route)[1];
  const part = Object.hasOwn(PARTS, asked ?? "") ? asked : "queue";
  return html`<section class="review" aria-labelledby="review-title">
    <div class="bar">
      <h1 id="review-title" class="unseen">${t("view.review")}</h1>
      <nav class="tabs" aria-label=${t("view.review")}>
        ${Object.keys(PARTS).map((id) => html`<a href=${`#/review/${id}`} aria-current=${id === part ? "page" : undefined}>${t(`review.${id}`)}</a>`)}
      </nav>
    </div>
    <${PARTS[part]} />
  </section>`;
}
