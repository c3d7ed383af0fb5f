// A still picture of a repository's surroundings on the map, whose files are loaded after the first answer.

import { h } from "../dom.js";
import { hasMap } from "../engine/model.js";

/** @import { Repository } from "../engine/catalogue.js" */
/** @import { App } from "../state.js" */

/**
 * The picture, empty until the map is loaded, which happens once there are vectors: those who have neither are asked
 * before they download. Nothing for a repository without a place.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Repository} repository
 */
export function surroundings(app, signal, repository) {
  const element = h("div", { class: "surroundings" });
  if (!hasMap(app.model) || repository.placed) return element;
  const reserved = h("div", { class: "reserved" }); // a picture that comes later would move what is below it
  element.append(reserved);
  const draw = async () => {
    await app.engine.ready;
    const { surroundingsPicture } = await import("./surroundings_picture.js");
    const picture = await surroundingsPicture(app, signal, repository);
    if (picture) reserved.replaceWith(picture);
    else reserved.remove();
  };
  draw().catch(() => reserved.remove()); // the map's own view says what is wrong with it
  return element;
}
