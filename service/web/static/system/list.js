// The adapters: what each name means, its versions, and what a whole name can be told.
import { html, useEffect, useState } from "../lib/htm-preact.js";
import { may } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";
import { IconButton, Problem, useId } from "../shared/widgets.js";
import { Plain } from "../text/marks.js";
import { adapters, endShare, load, refresh, remove } from "./adapters.js";
import { Sure, useAction } from "./asking.js";
import { trainedOn } from "./card.js";
import { Version } from "./version.js";

export function Adapters() {
  const { listed, known, error } = useStore(adapters);
  useEffect(() => {
    const look = () => document.visibilityState === "visible" && refresh();
    look();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return html`<div class="adapters">
    ${error && html`<${Problem} error=${error} onRetry=${refresh} />`}
    ${!listed && !error && html`<p role="status">${t("loading")}</p>`}
    ${listed?.length === 0 && html`<p class="hint">${t("system.none")}</p>`}
    ${listed?.map((each) => html`<${Adapter} key=${each.id} adapter=${each} known=${known[each.id]} />`)}
  </div>`;
}

function Adapter({ adapter, known }) {
  const { id: name, promoted, share, in_memory: isLoaded, card, versions } = adapter;
  const [isLeaving, setLeaving] = useState(false);
  const { isRunning, error, run } = useAction();
  const title = useId("adapter");
  const isAdmin = may("admin");
  return html`<article class="adapter" aria-labelledby=${title}>
    <header>
      <h2 id=${title} dir="auto"><${Plain} text=${name} /></h2>
      ${isAdmin && !isLoaded && html`<button class="small" disabled=${isRunning}
        onClick=${() => run(() => load(name), t("system.loaded", { name }))}>${t("system.load")}</button>`}
      ${isAdmin && html`<${IconButton} icon="remove" name=${t("system.delete_all", { name })} onClick=${() => setLeaving(true)} />`}
    </header>
    <p class="hint" dir="auto"><${Plain} text=${trainedOn(card) ?? t("system.no_card")} /></p>
    ${share && html`<div class="share">
      <p>${t("system.share", { version: share.version, percent: share.percent, promoted })}</p>
      ${isAdmin && html`<button class="small" disabled=${isRunning}
        onClick=${() => run(() => endShare(name), t("system.share_ended"))}>${t("system.end_share")}</button>`}
    </div>`}
    ${error && html`<${Problem} error=${error} />`}
    <ul>
      ${[...versions].reverse().map((each) => html`<li key=${each.version}>
        <${Version} name=${name} version=${each} isPromoted=${each.version === promoted} share=${share}
          known=${known?.versions.find(({ version }) => version === each.version)} />
      </li>`)}
    </ul>
    ${isLeaving && html`<${Sure} title=${t("system.delete_all", { name })} word=${name} done=${t("system.deleted", { name })}
      text=${t("system.delete_all_hint", { name, count: versions.length })}
      onDo=${() => remove(name)} onClose=${() => setLeaving(false)} />`}
  </article>`;
}
