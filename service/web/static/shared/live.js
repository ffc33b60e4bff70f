// What screen readers are told: whole pieces of a text that comes, not too many at once.

const EVERY = 2500; // [milliseconds]
const MOST = 400; // [characters] at once
const ENDS = /[\s\S]*[.!?;:,\n。！？；：，、]/;

let waiting = "";
let timer = null;

export function announce(text) {
  waiting = `${waiting} ${text}`.trim();
  timer ??= setTimeout(speak, 50);
}

function speak() {
  const region = document.getElementById("announcer");
  region.textContent = waiting.slice(0, MOST);
  waiting = waiting.slice(MOST);
  timer = setTimeout(() => {
    timer = null;
    if (waiting) speak();
  }, EVERY);
}

/** Follows a growing text; says what is new up to the last pause in it. */
export function createReader() {
  let said = 0;
  let last = performance.now();
  return {
    follow(text) {
      if (performance.now() - last < EVERY) return;
      last = performance.now();
      const found = ENDS.exec(text.slice(said, said + MOST));
      if (!found) return;
      said += found[0].length;
      announce(found[0]);
    },
    finish(text) {
      announce(text.slice(said, said + MOST));
    },
  };
}
