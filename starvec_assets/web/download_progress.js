// Size of the download before it starts, and its progress while it runs.

import { announce, formatMegabytes, h, replace } from "./dom.js";
import { loadModel } from "./engine/model.js";
import { downloadSize, WORDS_INDEX } from "./state.js";

/** @import { Progress } from "./engine/engine.js" */
/** @import { App } from "./state.js" */

/**
 * What the first search will download, or that nothing is left to download.
 * @param {App} app
 * @param {boolean} [withWords] whether it is a search by words
 */
export function downloadSizeNote(app, withWords = false) {
  const first = downloadSize(app, ["vectors.hi", "descriptions.gz", ...(withWords ? [WORDS_INDEX] : [])]);
  const all = first + downloadSize(app, ["vectors.lo"]);
  const note = h(
    "p",
    { class: "hint size-note" },
    `The first answer downloads ${formatMegabytes(first)}, ${formatMegabytes(all)} in all, once: it is kept on this device.`,
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
 * A progress bar while vectors are downloaded, and an error with a button to try again when that fails.
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function downloadProgress(app, signal) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Vectors loaded" });
  const text = h("span", {});
  const box = h("div", { class: "download", hidden: true }, bar, text);
  const showProgress = () => {
    if (!app.engine.progress) return; // the second plane loads while the first answers are read
    const { loaded, total } = app.engine.progress;
    if (bar.parentElement !== box) replace(box, bar, text);
    box.hidden = false;
    bar.max = total;
    bar.value = loaded;
    text.textContent = loaded
      ? `Downloading vectors: ${formatMegabytes(loaded)} of ${formatMegabytes(total)}`
      : `Downloading ${formatMegabytes(total)} of vectors …`;
  };
  const retry = async () => {
    replace(box, bar, text);
    text.textContent = "Trying again …";
    const newest = await loadModel(new URL("data/", document.baseURI)).catch(() => app.model);
    if (newest.id !== app.model.id) return location.reload(); // the model that this page was opened with was replaced
    app.engine.download();
  };
  const showFailure = (/** @type {Event} */ event) => {
    const { message } = /** @type {CustomEvent} */ (event).detail;
    const button = h("button", { type: "button", onclick: retry }, "Try again");
    box.hidden = false;
    replace(box, h("p", { class: "error", role: "alert" }, message, " ", button));
  };
  const hide = () => {
    if (!box.hidden) announce("Vectors loaded");
    box.hidden = true;
  };
  showProgress();
  app.engine.addEventListener("progress", showProgress, { signal });
  app.engine.addEventListener("failed", showFailure, { signal });
  app.engine.ready.then(hide);
  app.engine.exact.then(hide); // where the second plane failed first and was retried
  return box;
}
