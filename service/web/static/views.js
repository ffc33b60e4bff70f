// The page's views, in the order of its navigation. Another one is a line here and a file.
import { Chat } from "./views/chat.js";
import { Compare } from "./views/compare.js";

/** `id` is its address behind #/ and names its words; `scope` is what a key needs to see it. */
export const VIEWS = [
  { id: "chat", scope: "chat", view: Chat },
  { id: "compare", scope: "chat", view: Compare },
];
