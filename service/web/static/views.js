// The page's views, in the order of its navigation. Each is loaded when it is first shown.
import { learn } from "./shared/i18n.js";
import { dress } from "./shared/style.js";

/**
 * `id` is its folder, its address behind #/, and names its title, `view.` and the id among the
 * shared words; `scope` is what a key needs to see it; `uses` are the other views of whose folders
 * it shows something.
 */
export const VIEWS = [
  { id: "chat", scope: "chat", uses: [], load: () => import("./chat/view.js") },
  { id: "compare", scope: "chat", uses: ["chat"], load: () => import("./compare/view.js") },
  { id: "train", scope: "train", uses: ["chat"], load: () => import("./train/view.js") },
  { id: "review", scope: "admin", uses: [], load: () => import("./review/view.js") },
  { id: "system", scope: "train", uses: [], load: () => import("./system/view.js") },
];

/** The component of a view with its words and its style. Raises where the server cannot be asked. */
export async function openView({ id, uses, load }) {
  const folders = [...uses, id];
  const [{ View }] = await Promise.all([load(), ...folders.map(learn), ...folders.map(dress)]);
  return View;
}
