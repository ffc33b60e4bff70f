// How often a growing text is drawn: the longer one drawing takes, the less often.

const SOONEST = 50; // [milliseconds]
const LATEST = 3000; // [milliseconds]
const SHARE = 4; // drawing takes a fifth of the time at most

export function createPace(draw) {
  let timer = null;
  let took = 0; // [milliseconds] the last time
  function run() {
    timer = null;
    const began = performance.now();
    draw();
    requestAnimationFrame(() => setTimeout(() => (took = performance.now() - began)));
  }
  return {
    soon() {
      timer ??= setTimeout(run, Math.min(LATEST, Math.max(SOONEST, took * SHARE)));
    },
    stop() {
      clearTimeout(timer);
      timer = null;
    },
  };
}
