// One conversation with one model or blend.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib/htm-preact.js";
import { models } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { label } from "../shared/models.js";
import { Side, useIsWide } from "../shared/side.js";
import { useStore } from "../shared/store.js";
import { Icon, IconButton } from "../shared/widgets.js";
import { Composer } from "./composer.js";
import { changeMessage, conversations, current, storageIsFull } from "./conversations.js";
import { askedWith, askWith, draft } from "./draft.js";
import { History } from "./history.js";
import { Answer, Question } from "./message.js";
import { useDisclaimer } from "./model_picker.js";
import { Settings } from "./settings.js";
import { regenerate, resend, running, send, stop } from "./talk.js";

const NEAR = 80; // [pixels] from the end, where the newest text is followed

export function View() {
  const all = useStore(conversations);
  const id = useStore(current);
  const { base } = useStore(models);
  useStore(draft);
  const isRunning = useStore(running).has(id);
  const [open, setOpen] = useState(null); // "history" or "settings", where they do not fit beside
  const conversation = all.find((each) => each.id === id) ?? null;
  const { picks, options } = askedWith(conversation);
  const disclaimer = useDisclaimer(picks);
  const close = () => setOpen(null);
  return html`<div class="chat">
    <${Side} kind="left" title=${t("history.title")} isOpen=${open === "history"} widest="60rem" onClose=${close}>
      <${History} onChoose=${close} />
    <//>
    <section class="talk" aria-label=${t("view.chat")}>
      <div class="bar">
        <${Opener} widest="60rem"><${IconButton} icon="menu" name=${t("history.title")} onClick=${() => setOpen("history")} /><//>
        <h1>${label(picks, base) || t("view.chat")}</h1>
        <${Opener} widest="80rem">
          <button class="plain" onClick=${() => setOpen("settings")}><${Icon} name="settings" />${t("settings.title")}</button>
        <//>
      </div>
      <${Messages} conversation=${conversation} isRunning=${isRunning} disclaimer=${disclaimer} />
      <div class="foot">
        ${useStore(storageIsFull) && html`<p class="problem" role="alert">${t("history.full")}</p>`}
        <${Composer} label=${t("chat.write")} isRunning=${isRunning} focusOn=${id}
          onSend=${(text) => send(text, { picks, options })} onStop=${() => stop(id)} />
        <p class="disclaimer">${disclaimer ?? t("chat.caution")}</p>
      </div>
    </section>
    <${Side} kind="right" title=${t("settings.title")} isOpen=${open === "settings"} widest="80rem" onClose=${close}>
      <${Settings} picks=${picks} options=${options} onChange=${askWith} />
    <//>
  </div>`;
}

function Opener({ widest, children }) {
  return useIsWide(widest) ? null : children;
}

function Messages({ conversation, isRunning, disclaimer }) {
  const box = useRef(null);
  const follows = useRef(true);
  const id = conversation?.id;
  const scroll = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
    follows.current = scrollHeight - scrollTop - clientHeight < NEAR;
  };
  useEffect(() => {
    follows.current = true;
  }, [id]);
  useLayoutEffect(() => {
    if (follows.current) box.current.scrollTop = box.current.scrollHeight;
  });
  if (!conversation) return html`<div class="messages" ref=${box}><${Welcome} /></div>`;
  const { messages } = conversation;
  return html`<div class="messages" ref=${box} onScroll=${scroll} tabindex="0" role="region" aria-label=${t("chat.messages")}>
    <ol>
      ${messages.map((each, at) => {
        const isLast = at === messages.length - 1;
        if (each.role === "user") {
          const again = (text) => resend(id, each.id, text);
          return html`<${Question} key=${each.id} message=${each} isRunning=${isRunning} onResend=${again} />`;
        }
        return html`<${Answer} key=${each.id} message=${each} isRunning=${isRunning && isLast} shownDisclaimer=${disclaimer}
          onAgain=${isLast && !isRunning ? () => regenerate(id) : null}
          onFeedback=${(feedback) => changeMessage(id, each.id, () => ({ feedback }))} />`;
      })}
    </ol>
  </div>`;
}

function Welcome() {
  const { adapters } = useStore(models);
  return html`<div class="welcome">
    <h2>${t("chat.welcome")}</h2>
    <p>${t(adapters.length ? "chat.welcome_hint" : "chat.no_adapters")}</p>
  </div>`;
}
