// The page's frame: who is here, the views that they may see, language and scheme.
import { html, render, useEffect, useState } from "./lib/htm-preact.js";
import { KeyForm } from "./key.js";
import { keyIsMissing } from "./shared/api.js";
import { caller, loadCaller, loadModels, may } from "./shared/caller.js";
import { language, LANGUAGES, t } from "./shared/i18n.js";
import { route } from "./shared/route.js";
import { scheme, SCHEMES } from "./shared/scheme.js";
import { savedKey, useStore } from "./shared/store.js";
import { IconButton, Problem } from "./shared/widgets.js";
import { VIEWS } from "./views.js";

function App() {
  const known = useStore(caller);
  const isMissing = useStore(keyIsMissing);
  useStore(language);
  const [error, setError] = useState(null);
  const load = () => {
    setError(null);
    if (isMissing) return;
    loadCaller().catch((failure) => failure.status !== 401 && setError(failure));
  };
  useEffect(load, [isMissing]);
  useEffect(() => {
    // Adapters come and go while the page is open.
    const look = () => document.visibilityState === "visible" && caller.get() && loadModels().catch(() => {});
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  let main = html`<p class="alone" role="status">${t("loading")}</p>`;
  if (isMissing) main = html`<${KeyForm} />`;
  else if (error) main = html`<div class="alone"><${Problem} error=${error} onRetry=${load} /></div>`;
  else if (known) main = html`<${Main} />`;
  return html`<${Header} views=${known && !isMissing ? allowed() : []} /><main id="main">${main}</main>`;
}

function allowed() {
  return VIEWS.filter(({ scope }) => may(scope));
}

function chosenView() {
  const views = allowed();
  return views.find(({ id }) => id === route.get()[0]) ?? views[0];
}

function Main() {
  useStore(route);
  const chosen = chosenView();
  useEffect(() => {
    document.title = chosen ? `${t(`view.${chosen.id}`)} – lora-chat` : "lora-chat";
  }, [chosen]);
  return chosen ? html`<${chosen.view} />` : html`<p class="alone">${t("nothing_allowed")}</p>`;
}

function Header({ views }) {
  useStore(route);
  const shown = views.length ? chosenView() : null;
  return html`<header class="top">
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <span class="brand">lora-chat</span>
    <nav aria-label=${t("views")}>
      ${views.map(({ id }) => html`<a href=${`#/${id}`} aria-current=${shown?.id === id ? "page" : undefined}>${t(`view.${id}`)}</a>`)}
    </nav>
    <${Switches} hasKey=${Boolean(savedKey.get()) && views.length > 0} />
  </header>`;
}

function skip(event) {
  event.preventDefault(); // the part behind # is the view's
  document.querySelector("main").querySelector("button, a, input, textarea, select, [tabindex]")?.focus();
}

function Switches({ hasKey }) {
  const spoken = useStore(language);
  const chosen = useStore(scheme);
  const next = SCHEMES[(SCHEMES.indexOf(chosen) + 1) % SCHEMES.length];
  const leave = () => {
    savedKey.forget();
    caller.set(null);
    keyIsMissing.set(true);
  };
  return html`<div class="switches">
    <select aria-label=${t("language")} value=${spoken} onChange=${(event) => language.set(event.target.value)}>
      ${Object.entries(LANGUAGES).map(([id, name]) => html`<option value=${id} lang=${id}>${name}</option>`)}
    </select>
    <${IconButton} icon=${chosen} name=${t(`scheme.${chosen}`)} onClick=${() => scheme.set(next)} />
    ${hasKey && html`<button class="plain small" title=${caller.get()?.name ?? ""} onClick=${leave}>${t("key.forget")}</button>`}
  </div>`;
}

render(html`<${App} />`, document.getElementById("app"));
