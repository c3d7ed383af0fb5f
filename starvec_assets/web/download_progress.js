// Size of the download before it starts, its progress while it runs, and what failed of it.

import { announce, formatMegabytes, h, replace } from "./dom.js";
import { isReplaced, reloadToNewest } from "./offline.js";
import { downloadSize, WORDS_INDEX } from "./state.js";

/** @import { Progress } from "./engine/engine.js" */
/** @import { App } from "./state.js" */

const SLOW_KERNEL =
  "This browser allows no WebAssembly here, or could not load it: the search runs in JavaScript. It finds the same and takes longer.";

/**
 * What the first search will download, or that nothing is left to download.
 * @param {App} app
 * @param {boolean} [withWords] whether it is a search by words
 */
export function downloadSizeNote(app, withWords = false) {
  const files = ["vectors.hi", "vectors.lo", "descriptions.gz", ...(withWords ? [WORDS_INDEX] : [])];
  const size = formatMegabytes(downloadSize(app, files));
  const note = h(
    "p",
    { class: "hint size-note" },
    `The first search downloads ${size}, once, and answers from what has come: it is kept on this device.`,
  );
  const showNothingLeft = () => {
    note.textContent = "Everything is on this device already: nothing to download.";
  };
  const update = async () => (!withWords || (await hasWords(app))) && showNothingLeft();
  app.engine.cached.then((cached) => cached && update());
  app.engine.exact.then(update);
  return note;
}

/**
 * Whether everything that a search needs is loaded or stored on this device.
 * @param {App} app
 * @param {boolean} withWords whether it is a search by words
 */
export const isOnDevice = async (app, withWords) => (await app.engine.cached) && (!withWords || (await hasWords(app)));

/** Whether the index of words is loaded or stored on this device. @param {App} app */
const hasWords = async ({ engine }) => engine.wordsLoaded || (await engine.wordsCached);

/**
 * A progress bar while the index of words is downloaded.
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function wordsProgress({ engine }, signal) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Index of words loaded" });
  const text = h("span", {});
  const box = h("div", { class: "download", hidden: true }, bar, text);
  engine.addEventListener(
    "progress",
    (event) => {
      const { plane, source, loaded, total } = /** @type {CustomEvent<Progress>} */ (event).detail;
      if (plane !== "words" || source !== "network") return;
      [bar.max, bar.value] = [total, loaded];
      text.textContent = `Downloading the index of words: ${formatMegabytes(loaded)} of ${formatMegabytes(total)}`;
      box.hidden = loaded === total;
    },
    { signal },
  );
  return box;
}

/**
 * A progress bar while vectors are downloaded, and what runs where WebAssembly does not.
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function downloadProgress(app, signal) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Vectors loaded" });
  const text = h("span", {});
  const box = h("div", { class: "download", hidden: true }, bar, text);
  const slow = h("p", { class: "hint", hidden: true }, SLOW_KERNEL);
  const { engine, model } = app;
  const show = () => {
    slow.hidden = engine.kernel !== "javascript" || model.wasm === "";
    if (!engine.progress) {
      if (!box.hidden && engine.rows === model.n) announce("Vectors loaded");
      box.hidden = true;
      return; // the second plane loads while the first answers are read
    }
    const { loaded, total } = engine.progress;
    box.hidden = false;
    [bar.max, bar.value] = [total, loaded];
    text.textContent = loaded
      ? `Downloading vectors: ${formatMegabytes(loaded)} of ${formatMegabytes(total)}`
      : `Downloading ${formatMegabytes(total)} of vectors …`;
  };
  show();
  for (const event of ["progress", "refined", "failed"]) engine.addEventListener(event, show, { signal });
  return h("div", {}, box, slow);
}

/**
 * What failed of the search and its downloads, with a button that goes on: for the whole page, because every view may
 * have asked.
 * @param {App} app
 */
export function failureNotice({ engine }) {
  const notice = h("div", { class: "failure-notice", hidden: true });
  const goOn = async () => {
    notice.hidden = true;
    if (await isReplaced()) return reloadToNewest(); // the model that this page was opened with
    engine.retry();
  };
  engine.addEventListener("failed", (event) => {
    const { message } = /** @type {CustomEvent<{message: string}>} */ (event).detail;
    const button = h("button", { type: "button", onclick: goOn }, "Try again");
    replace(notice, h("p", { class: "error", role: "alert" }, message, " ", button));
    notice.hidden = false;
  });
  return notice;
}
