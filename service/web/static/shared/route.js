// Which view the address means: #/compare, also with more behind it.
import { createStore } from "./store.js";

export const route = createStore(read());
addEventListener("hashchange", () => route.set(read()));

/** The parts behind #/, the view's name first. */
function read() {
  return location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
}
