// What a visitor asked this device to remember: their login and stars. Nothing is stored unasked, nothing is sent.

import { formatDay, h } from "./dom.js";
import { LOGIN_PATTERN, REPOSITORY_PATTERN } from "./github_names.js";

/** @import { StarList } from "./github.js" */
/** @import { Person } from "./scoring.js" */

/**
 * @typedef {object} Remembered
 * @property {string} login
 * @property {string} day when the stars were fetched, YYYY-MM-DD
 * @property {StarList} list
 */

const KEY = "starvec remembered";
const MAX_STARS = 20_000; // that a look-up reads

/** Whether the visitor wants to be remembered. */
let wanted = readRemembered() !== null;

/** What is remembered; null for nothing, and where it cannot be read. @returns {Remembered | null} */
export function readRemembered() {
  try {
    const { login, day, stars, pages, pagesRead } = JSON.parse(localStorage.getItem(KEY) ?? "null");
    const list = stars.map((/** @type {[number, string]} */ [id, name]) => ({ id, name }));
    const isValid =
      LOGIN_PATTERN.test(login) &&
      /^\d{4}-\d\d-\d\d$/.test(day) &&
      [pages, pagesRead].every(Number.isSafeInteger) &&
      list.length <= MAX_STARS &&
      list.every(
        (/** @type {{id: number, name: string}} */ { id, name }) =>
          Number.isSafeInteger(id) && REPOSITORY_PATTERN.test(name),
      );
    return isValid ? { login, day, list: { stars: list, pages, pagesRead } } : null;
  } catch {
    return null;
  }
}

/** Remember the current user if that is wanted. @param {Person} person */
export function rememberIfWanted({ login, stars }) {
  if (!wanted || !stars) return;
  const { pages, pagesRead } = stars;
  const day = new Date().toISOString().slice(0, 10);
  const content = { login, day, stars: stars.stars.map(({ id, name }) => [id, name]), pages, pagesRead };
  try {
    localStorage.setItem(KEY, JSON.stringify(content));
  } catch {} // a browser that stores nothing: the next visit asks again
}

/** Forget the login and the stars on this device. */
function forget() {
  wanted = false;
  try {
    localStorage.removeItem(KEY);
  } catch {} // nothing can be stored, so nothing was
}

/**
 * Let a checkbox say whether the visitor wants to be remembered; clearing it forgets at once.
 * @param {HTMLInputElement} checkbox
 */
export function connectCheckbox(checkbox) {
  checkbox.checked = wanted;
  checkbox.addEventListener("change", () => {
    if (checkbox.checked) wanted = true;
    else forget();
  });
}

/**
 * That a login is remembered, with a button that forgets it; null if none is.
 * @param {() => void} onForget
 */
export function rememberedNote(onForget) {
  const known = readRemembered();
  if (!known) return null;
  const onclick = () => {
    forget();
    onForget();
  };
  return h(
    "p",
    { class: "hint remembered" },
    `This device remembers ${known.login} and the stars of ${formatDay(known.day)}. `,
    h("button", { type: "button", class: "quiet", onclick }, "Forget them"),
  );
}
