// Says what is fetched before it is, and how far it is.

import { announce, h, megabytes, replace } from "./dom.js";
import { sizeOf } from "./app.js";
import { loadModel } from "./engine/model.js";

/** @typedef {import('./app.js').App} App */

/**
 * What the first search will fetch, or that nothing more is needed.
 * @param {App} app
 */
export function sizeNote(app) {
  const first = sizeOf(app, ["vectors.hi", "descriptions.gz"]);
  const all = first + sizeOf(app, ["vectors.lo"]);
  const note = h(
    "p",
    { class: "hint size-note" },
    `The first answer downloads ${megabytes(first)}, ${megabytes(all)} in all, once: it is kept on this device.`,
  );
  const there = () => (note.textContent = "Everything is on this device already: nothing to download.");
  app.engine.cached.then((cached) => cached && there());
  app.engine.exact.then(there);
  return note;
}

/**
 * A bar that is there while vectors are on their way, and a sentence with a way out when they fail.
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function downloadBar(app, signal) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": "Vectors loaded" });
  const text = h("span", {});
  const box = h("div", { class: "download", hidden: true }, bar, text);
  const progress = () => {
    if (!app.engine.progress) return; // the rest comes while the first answers are read
    const { loaded, total } = app.engine.progress;
    if (bar.parentElement !== box) replace(box, bar, text);
    box.hidden = false;
    bar.max = total;
    bar.value = loaded;
    text.textContent = loaded
      ? `Downloading vectors: ${megabytes(loaded)} of ${megabytes(total)}`
      : `Downloading ${megabytes(total)} of vectors …`;
  };
  progress();
  app.engine.addEventListener("progress", progress, { signal });
  app.engine.addEventListener(
    "failed",
    (event) => {
      const { message } = /** @type {CustomEvent} */ (event).detail;
      const again = async () => {
        replace(box, bar, text);
        text.textContent = "Trying again …";
        const now = await loadModel(new URL("data/", document.baseURI)).catch(() => app.model);
        if (now.model !== app.model.model) return location.reload(); // what this page was opened with is gone
        app.engine.download();
      };
      box.hidden = false;
      replace(
        box,
        h(
          "p",
          { class: "trouble", role: "alert" },
          message,
          " ",
          h("button", { type: "button", onclick: again }, "Try again"),
        ),
      );
    },
    { signal },
  );
  const done = () => {
    if (!box.hidden) announce("Vectors loaded");
    box.hidden = true;
  };
  app.engine.ready.then(done);
  app.engine.exact.then(done); // where the second plane needed another try
  return box;
}
