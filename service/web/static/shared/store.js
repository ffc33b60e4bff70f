// Values that several parts of the page look at, and what the browser keeps of them.
import { useEffect, useReducer } from "../lib/htm-preact.js";

// Servers below different paths of one host share the browser's storage.
const PREFIX = `lora-chat${new URL(".", document.baseURI).pathname}`;

export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = typeof next === "function" ? next(value) : next;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value; the component is drawn again when it changes. */
export function useStore(store) {
  const value = store.get();
  const [, redraw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    if (store.get() !== value) redraw();
    return store.subscribe(redraw);
  }, [store]);
  return value;
}

/** A store whose value outlives the page, in this browser. */
export function createKeptStore(name, usual) {
  const store = createStore(readKept(name) ?? usual);
  store.subscribe((value) => writeKept(name, value));
  return store;
}

// Browsers may forbid storage altogether, and what is there may be anybody's: nothing here throws.
function attempt(action, otherwise) {
  try {
    return action();
  } catch {
    return otherwise;
  }
}

export function readKept(name) {
  return attempt(() => JSON.parse(localStorage.getItem(PREFIX + name)), null);
}

/** Whether it could be kept. */
export function writeKept(name, value) {
  return attempt(() => {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  }, false);
}

export function removeKept(name) {
  attempt(() => localStorage.removeItem(PREFIX + name));
}

/** The names that are kept and begin so. */
export function keptNames(start) {
  const all = attempt(() => Object.keys(localStorage), []);
  const whole = PREFIX + start;
  return all.filter((name) => name.startsWith(whole)).map((name) => name.slice(PREFIX.length));
}

/** Calls back when another tab has changed what is kept. */
export function onKeptElsewhere(listener) {
  addEventListener("storage", (event) => {
    if (event.key?.startsWith(PREFIX)) listener(event.key.slice(PREFIX.length));
  });
}

let keyWithoutStorage = null;

// The key is gone when the tab is closed, and is never part of an address.
export const savedKey = {
  get: () => attempt(() => sessionStorage.getItem(`${PREFIX}key`), null) ?? keyWithoutStorage,
  set(key) {
    keyWithoutStorage = key;
    attempt(() => sessionStorage.setItem(`${PREFIX}key`, key));
  },
  forget() {
    keyWithoutStorage = null;
    attempt(() => sessionStorage.removeItem(`${PREFIX}key`));
  },
};

/** An id that also exists where the page is no secure context. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
