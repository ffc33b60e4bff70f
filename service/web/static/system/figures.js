// How the server is doing: asked every few seconds while somebody looks at it.
import { useEffect } from "../lib/htm-preact.js";
import { call, callForText } from "../shared/api.js";
import { createStore, useStore } from "../shared/store.js";
import { samplesOf, sumOf } from "./prometheus.js";

const EVERY = 3000; // [milliseconds]
const WINDOW = 60000; // [milliseconds] over which tokens a second are counted
const OURS = "lora_chat_";
const NAMES = {
  running: "requests_running",
  waiting: "requests_waiting",
  blocks: "kv_blocks",
  usedBlocks: "kv_blocks_used",
  adapters: "resident_adapters",
  adapterBytes: "resident_adapter_bytes",
  promptTokens: "engine_prompt_tokens_total",
  cachedTokens: "prefix_cached_tokens_total",
  tokens: "completion_tokens_total",
  answers: "answers_total",
  firstCount: "time_to_first_token_seconds_count",
  firstSeconds: "time_to_first_token_seconds_sum",
};

/** `values` by the names above; `away` is why no requests are let in; `error`: nobody answers. */
export const figures = createStore({ health: null, values: null, rate: null, away: null, error: null });

let counted = []; // {at, tokens} of the last minute, the oldest first

/** The figures, kept fresh while the component is there and the page can be seen. */
export function useFigures() {
  useEffect(() => {
    let asking = null;
    let timer = null;
    const stop = () => (asking?.abort(), clearTimeout(timer));
    const look = async () => {
      const { signal } = (asking = new AbortController());
      await ask(signal);
      if (!signal.aborted) timer = setTimeout(look, EVERY);
    };
    const turn = () => {
      stop();
      if (document.visibilityState === "visible") look();
    };
    document.addEventListener("visibilitychange", turn);
    turn();
    return () => {
      stop();
      document.removeEventListener("visibilitychange", turn);
    };
  }, []);
  return useStore(figures);
}

async function ask(signal) {
  try {
    const [health, text, away] = await Promise.all([
      call("health", { signal }),
      callForText("metrics", { signal }),
      call("ready", { signal }).then(() => null, whyAway),
    ]);
    const samples = samplesOf(text);
    const read = ([key, name]) => [key, sumOf(samples, OURS + name)];
    const values = Object.fromEntries(Object.entries(NAMES).map(read));
    figures.set({ health, values, rate: rateOf(values.tokens ?? 0), away, error: null });
  } catch (error) {
    if (error.name !== "AbortError") figures.set((last) => ({ ...last, error }));
  }
}

function whyAway(error) {
  if (error.status === 503) return error;
  throw error;
}

/** Tokens a second of the answers that ended within the window; null: it has just begun. */
function rateOf(tokens) {
  const at = performance.now();
  if (tokens < (counted.at(-1)?.tokens ?? 0)) counted = []; // the server has started anew
  counted = [...counted.filter((each) => at - each.at <= WINDOW), { at, tokens }];
  const [first] = counted;
  return at > first.at ? (1000 * (tokens - first.tokens)) / (at - first.at) : null;
}
