// The style of a folder, linked when something of it is first shown.
const linked = new Map(); // promises, by folder

/** Wait until it applies. Raises where the server cannot be asked. */
export function dress(folder) {
  if (!linked.has(folder)) linked.set(folder, link(folder));
  return linked.get(folder);
}

function link(folder) {
  const element = document.createElement("link");
  element.rel = "stylesheet";
  element.href = new URL(`../${folder}/style.css`, import.meta.url).href;
  return new Promise((done, fail) => {
    element.onload = done;
    element.onerror = () => fail(new Error(`No style: ${element.href}`));
    document.head.append(element);
  });
}
