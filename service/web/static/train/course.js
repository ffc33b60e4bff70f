// One job as it goes on: itself, and its events as they come, whatever happens to the connection.
import { useEffect, useRef, useState } from "../lib/htm-preact.js";
import { call, follow } from "../shared/api.js";
import { language } from "../shared/i18n.js";
import { createPace } from "../shared/pace.js";
import { useStore } from "../shared/store.js";

const AGAIN = 2000; // [milliseconds] until what has failed is tried again
const LOOK = 3000; // [milliseconds] from one look at the job to the next
const FINAL = [401, 403, 404]; // the same the next time
const ENDED = ["succeeded", "failed", "cancelled"];

export function hasEnded({ status }) {
  return ENDED.includes(status);
}

export function pathOf(id) {
  return `v1/fine_tuning/jobs/${encodeURIComponent(id)}`;
}

/** {job, events, error}, each as far as it is known, and `set` for a job that an action returns. */
export function useCourse(id) {
  const [known, setKnown] = useState({ job: null, events: [], error: null });
  const spoken = useStore(language); // events and failures are told in it
  const course = useRef(null);
  useEffect(() => {
    course.current = createCourse(id, setKnown);
    const look = () => (document.visibilityState === "visible" ? course.current.begin() : course.current.stop());
    look();
    document.addEventListener("visibilitychange", look);
    addEventListener("online", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      removeEventListener("online", look);
      course.current.stop();
    };
  }, [id, spoken]);
  return { ...known, set: (job) => course.current.set(job) };
}

/** Follows a job between `begin` and `stop`; tells of all that is known, not too often. */
function createCourse(id, tell) {
  const events = new Map(); // by id, oldest first
  let job = null;
  let error = null;
  let last = null; // the id of the last event that has come
  let running = null; // AbortController
  const pace = createPace(() => tell({ job, events: [...events.values()], error }));
  const know = (changes) => {
    if ("job" in changes) job = changes.job;
    error = changes.error ?? null;
    pace.soon();
  };

  async function run(signal) {
    while (!signal.aborted) {
      try {
        know({ job: await call(pathOf(id), { signal }) });
        const after = last ? `&after=${last}` : "";
        for await (const event of follow(`${pathOf(id)}/events?stream=true${after}`, signal)) {
          events.set(event.id, event);
          last = event.id;
          pace.soon();
        }
        know({ job: await call(pathOf(id), { signal }) });
        if (hasEnded(job)) return;
      } catch (failure) {
        if (failure.name === "AbortError") return;
        know({ error: failure });
        if (FINAL.includes(failure.status)) return;
      }
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }

  // Beside the events: when it ends, and what it has become, is the job's to say.
  async function look(signal) {
    let wasAway = false;
    while (!signal.aborted) {
      await new Promise((done) => setTimeout(done, LOOK));
      if (signal.aborted || !job || hasEnded(job)) continue;
      try {
        know({ job: await call(pathOf(id), { signal }) });
        if (wasAway) begin(); // who knows whether the events still come
      } catch (failure) {
        if (failure.name === "AbortError") return;
        know({ error: failure });
        wasAway = true;
      }
    }
  }

  const stop = () => {
    running?.abort();
    pace.stop();
  };
  const begin = () => {
    stop();
    running = new AbortController();
    run(running.signal);
    look(running.signal);
  };
  return {
    begin,
    stop,
    set(changed) {
      know({ job: changed });
      begin();
    },
  };
}
