// Light or dark: as the system has it, or as it was chosen here.
import { createKeptStore } from "./store.js";

export const SCHEMES = ["system", "light", "dark"];
export const scheme = createKeptStore("scheme", "system");
scheme.subscribe(apply);
apply(scheme.get());

function apply(chosen) {
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.scheme = chosen;
  else delete document.documentElement.dataset.scheme;
}
