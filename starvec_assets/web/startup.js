// Starts the engine, which has most to load, and has the module of the first view loaded, while the router's are still on
// their way.

import { Engine } from "./engine/engine.js";
import { loadModel } from "./engine/model.js";
import { preloadView } from "./routes.js";

/** Addresses of views that show what a search finds. */
const ROUTES_WITH_VECTORS = /^#\/(similar|search|dev|compare)\b.*[/?=]./;

/** Whether the browser asks to save data, so that vectors are downloaded only after a click. */
export const savesData =
  /** @type {{connection?: {saveData?: boolean}}} */ (navigator).connection?.saveData === true ||
  matchMedia("(prefers-reduced-data: reduce)").matches;

/** Address of data/. */
export const base = new URL("data/", document.baseURI);

/** The model and the engine; whoever came by a link is not asked before vectors are downloaded. */
export const opening = open();
opening.catch(() => {}); // the page shows the failure
preloadView(location.hash);

async function open() {
  const model = await loadModel(base);
  const engine = Engine.open(base, model);
  if (!savesData && ROUTES_WITH_VECTORS.test(location.hash)) engine.download();
  return { model, engine };
}
