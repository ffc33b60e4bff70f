// Up, down with reasons, and the right answer: beside every answer.
import { html, useState } from "../lib/htm-preact.js";
import { canRate } from "../shared/caller.js";
import { t } from "../shared/i18n.js";
import { announce } from "../shared/live.js";
import { IconButton, Problem } from "../shared/widgets.js";
import { CorrectionForm } from "./correction.js";
import { say, takeBack } from "./feedback.js";

/** Why nothing can be said of an answer, as a key of the words; null: it can. */
function whyNot({ completion, finish }) {
  if (completion) return null;
  if (!canRate()) return "rating.off";
  return finish === "stopped" || finish === "error" ? "rating.unfinished" : "rating.not_stored";
}

/** `children` draws more buttons, with what says something of the answer. */
export function Rating({ answer, onFeedback, children }) {
  const [open, setOpen] = useState(null); // "down" or "correction": the form; "why": why not
  const [error, setError] = useState(null);
  const given = answer.feedback;
  const attempt = async (action) => {
    if (whyNot(answer)) return setOpen("why");
    setError(null);
    try {
      onFeedback(await action());
      announce(t("rating.kept"));
      return true;
    } catch (failure) {
      return setError(failure);
    }
  };
  const rate = (rating) =>
    attempt(() => {
      setOpen(rating < 0 && given?.rating !== rating ? "down" : null);
      if (given?.rating === rating) return takeBack(answer);
      return say(answer, rating > 0 ? { rating, reasons: [], critical: false } : { rating });
    });
  const correct = () => setOpen(whyNot(answer) ? "why" : open === "correction" ? null : "correction");
  return html`
    <${IconButton} icon="up" name=${t("rating.up")} isPressed=${given?.rating === 1} onClick=${() => rate(1)} />
    <${IconButton} icon="down" name=${t("rating.down")} isPressed=${given?.rating === -1} onClick=${() => rate(-1)} />
    <button class="plain small" aria-expanded=${open === "correction"} onClick=${correct}>
      ${t(given?.correction ? "rating.corrected" : "rating.correct")}
    </button>
    ${children?.(attempt)}
    ${error && html`<${Problem} error=${error} />`}
    ${open === "why" && html`<${Why} reason=${whyNot(answer)} onClose=${() => setOpen(null)} />`}
    ${(open === "down" || open === "correction") && html`<${CorrectionForm} key=${open} answer=${answer}
      isWritten=${open === "correction"} onClose=${() => setOpen(null)}
      onSay=${async (said) => (await attempt(() => say(answer, said))) && setOpen(null)} />`}`;
}

function Why({ reason, onClose }) {
  return html`<div class="note" role="status">
    <p>${t(reason)}</p>
    ${reason === "rating.off" && html`<p>${t("rating.turn_on")}</p>
      <pre tabindex="0"><code>store_answers: asked</code></pre>
      <p>${t("rating.turn_on_key")}</p>
      <pre tabindex="0"><code>lora-chat keys create NAME --store-answers asked</code></pre>`}
    <button onClick=${onClose}>${t("close")}</button>
  </div>`;
}
