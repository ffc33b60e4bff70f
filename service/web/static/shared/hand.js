// What goes out of the page by the person's hand: copies and files.

/** Whether it is in the clipboard now; browsers have no other way outside of secure contexts. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const area = document.createElement("textarea");
  const before = document.activeElement;
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

export function saveFile(name, text, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Whether Enter in a text field is for sending: not while an input method composes characters. */
export function isSending(event) {
  return event.key === "Enter" && !event.shiftKey && !isComposing(event);
}

/** Whether a key belongs to an input method that composes characters. */
export function isComposing(event) {
  return event.isComposing || event.keyCode === 229;
}
