// An adapter's rounds of improvement as the server tells of them, looked at while one goes on.
import { useEffect, useRef, useState } from "../lib/htm-preact.js";
import { call } from "../shared/api.js";
import { announce } from "../shared/live.js";
import { language, t } from "../shared/i18n.js";
import { useStore } from "../shared/store.js";

const EVERY = 2000; // [milliseconds]

export function pathOf(name, action = "") {
  return `v1/adapters/${encodeURIComponent(name)}${action && `/${action}`}`;
}

/** What is known: {state, ledger, step, error}; `look` asks again; `onEnd` is told the adapter. */
export function useRounds(name, onEnd) {
  const [known, setKnown] = useState({ state: null, ledger: [], step: null, error: null });
  const spoken = useStore(language); // reasons are told in it
  const wasRunning = useRef(false);
  const isGone = useRef(false);
  const timer = useRef(null);
  const look = async () => {
    clearTimeout(timer.current);
    const asked = language.get();
    const isOver = () => isGone.current || asked !== language.get(); // somebody else looks
    const add = (found) => !isOver() && setKnown((now) => ({ ...now, error: null, ...found }));
    try {
      const state = await call(pathOf(name, "improve"));
      add({ state, step: state.job ? await stepOf(state.job) : null });
      if (!state.running) await rest(add);
      wasRunning.current = state.running;
      if (state.running && !isOver()) timer.current = setTimeout(look, EVERY);
    } catch (error) {
      add({ error });
    }
  };
  const rest = async (add) => {
    const ledger = await call(pathOf(name, "ledger?limit=100"));
    add({ ledger: ledger.data });
    if (!wasRunning.current) return;
    announce(`${name}: ${t("improve.ended")}`);
    onEnd(await call(pathOf(name)));
  };
  useEffect(() => {
    isGone.current = false;
    look();
    return () => {
      isGone.current = true;
      clearTimeout(timer.current);
    };
  }, [name, spoken]);
  return { ...known, look };
}

/** How far its training is, [step, steps]; null where nothing is told of one. */
async function stepOf(job) {
  try {
    const { data } = await call(`v1/fine_tuning/jobs/${job}/events?limit=20`);
    const told = data.find((each) => each.type === "metrics")?.data;
    return told ? [told.step, told.total_steps] : null;
  } catch {
    return null; // this server tells of no jobs
  }
}
