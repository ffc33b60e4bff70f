// The page's frame: who is here, the views that they may see, language and scheme.
import { html, render, useEffect, useState } from "./lib/htm-preact.js";
import { KeyForm } from "./key.js";
import { keyIsMissing } from "./shared/api.js";
import { caller, loadCaller, loadModels, may } from "./shared/caller.js";
import { language, LANGUAGES, learn, speak, t } from "./shared/i18n.js";
import { route } from "./shared/route.js";
import { scheme, SCHEMES } from "./shared/scheme.js";
import { createStore, savedKey, useStore } from "./shared/store.js";
import { IconButton, Problem } from "./shared/widgets.js";
import { openView, VIEWS } from "./views.js";

const opened = createStore({}); // the views' components, by id

function App() {
  const known = useStore(caller);
  const isMissing = useStore(keyIsMissing);
  useStore(language);
  const [problem, setProblem] = useState(null); // the error, and what can be done about it
  const load = () => {
    setProblem(null);
    if (isMissing) return;
    loadCaller().catch((error) => error.status !== 401 && setProblem({ error, onRetry: load }));
  };
  const fail = (failure) => {
    console.error(failure); // a part of the page itself could not be loaded
    setProblem({ error: { status: 0 }, onRetry: () => location.reload() });
  };
  useEffect(load, [isMissing]);
  useEffect(() => {
    // Adapters come and go while the page is open.
    const look = () => document.visibilityState === "visible" && may("chat") && loadModels().catch(() => {});
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  let main = html`<${Loading} />`;
  if (isMissing) main = html`<${KeyForm} />`;
  else if (problem) main = html`<div class="alone"><${Problem} ...${problem} /></div>`;
  else if (known) main = html`<${Main} onFail=${fail} />`;
  const views = known && !isMissing ? allowed() : [];
  return html`<${Header} views=${views} onFail=${fail} /><main id="main">${main}</main>`;
}

function allowed() {
  return VIEWS.filter(({ scope }) => may(scope));
}

function chosenView() {
  const views = allowed();
  return views.find(({ id }) => id === route.get()[0]) ?? views[0];
}

function Loading() {
  return html`<p class="alone" role="status">${t("loading")}</p>`;
}

function Main({ onFail }) {
  useStore(route);
  const chosen = chosenView();
  const View = useStore(opened)[chosen?.id];
  const title = chosen ? `${t(`view.${chosen.id}`)} – lora-chat` : "lora-chat";
  useEffect(() => {
    document.title = title;
    document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [title]);
  useEffect(() => {
    const keep = (component) => opened.set((all) => ({ ...all, [chosen.id]: component }));
    if (chosen && !View) openView(chosen).then(keep).catch(onFail);
  }, [chosen]);
  if (!chosen) return html`<p class="alone">${t("nothing_allowed")}</p>`;
  return View ? html`<${View} />` : html`<${Loading} />`;
}

function Header({ views, onFail }) {
  useStore(route);
  const shown = views.length ? chosenView() : null;
  return html`<header class="top">
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <span class="brand">lora-chat</span>
    <nav aria-label=${t("views")}>
      ${views.map(({ id }) => html`<a href=${`#/${id}`} aria-current=${shown?.id === id ? "page" : undefined}>${t(`view.${id}`)}</a>`)}
    </nav>
    <${Switches} hasKey=${Boolean(savedKey.get()) && views.length > 0} onFail=${onFail} />
  </header>`;
}

function skip(event) {
  event.preventDefault(); // the part behind # is the view's
  document.querySelector("main").querySelector("button, a, input, textarea, select, [tabindex]")?.focus();
}

function Switches({ hasKey, onFail }) {
  const spoken = useStore(language);
  const chosen = useStore(scheme);
  const next = SCHEMES[(SCHEMES.indexOf(chosen) + 1) % SCHEMES.length];
  const leave = () => {
    savedKey.forget();
    caller.set(null);
    keyIsMissing.set(true);
  };
  return html`<div class="switches">
    <select aria-label=${t("language")} value=${spoken} onChange=${(event) => speak(event.target.value).catch(onFail)}>
      ${Object.entries(LANGUAGES).map(([id, name]) => html`<option value=${id} lang=${id}>${name}</option>`)}
    </select>
    <${IconButton} icon=${chosen} name=${t(`scheme.${chosen}`)} onClick=${() => scheme.set(next)} />
    ${hasKey && html`<button class="plain small" title=${caller.get()?.name ?? ""} onClick=${leave}>${t("key.forget")}</button>`}
  </div>`;
}

await learn("shared");
render(html`<${App} />`, document.getElementById("app"));
