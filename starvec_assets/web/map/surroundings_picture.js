// Draws a repository's surroundings on the map, as a link to its place there.

import { h } from "../dom.js";
import { mapHref } from "./address.js";
import { Camera, surroundingsZoom } from "./camera.js";
import { clusterLabels, labelsInView } from "./labels.js";
import { loadMap } from "./map_data.js";
import { MapNames } from "./map_names.js";
import { drawOverlay, measurer } from "./overlay.js";
import { placedRows } from "./people.js";
import { MAX_PIXEL_RATIO } from "./point_size.js";
import { placeOfRow } from "./points.js";
import { CanvasRenderer } from "./renderer_canvas.js";
import { clusterHues, colourRows, onThemeChange, readTheme } from "./theme.js";

/** @import { Repository } from "../engine/catalogue.js" */
/** @import { App } from "../state.js" */
/** @import { MapData } from "./map_data.js" */

const FURTHER = 0.7; // doublings by which the small picture shows more than the map does

/**
 * The picture, once the map is loaded, drawn at the size that it is given in the page; null for a repository without a
 * place.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Repository} repository
 */
export async function surroundingsPicture(app, signal, repository) {
  const map = await loadMap(app.model);
  await new Promise((resolve) => setTimeout(resolve)); // parsing was a long task, this one begins another
  if (signal.aborted || !placedRows(map, [repository.row]).length) return null;
  const picture = new Picture(map, repository, new MapNames(app.engine, () => picture.draw()));
  onThemeChange(() => picture.draw(), signal);
  const observer = new ResizeObserver(() => picture.draw());
  observer.observe(picture.link);
  signal.addEventListener("abort", () => observer.disconnect());
  return picture.link;
}

class Picture {
  #map;
  #row;
  #names;
  #canvases = [h("canvas", { "aria-hidden": "true" }), h("canvas", { "aria-hidden": "true" })];
  #renderer;
  #codes;

  /**
   * @param {MapData} map
   * @param {Repository} repository that has a place
   * @param {MapNames} names
   */
  constructor(map, { row, name }, names) {
    this.#map = map;
    this.#row = row;
    this.#names = names;
    const label = map.levels.map((clusters, level) => clusters[map.clusters[level][row]].label).at(-1);
    this.link = h(
      "a",
      { class: "map-stage", href: mapHref({ at: name }), "aria-label": `${name} on the map, in ${label}` },
      ...this.#canvases,
    );
    const hues = clusterHues(map);
    this.#codes = colourRows(map, (row) => hues[map.clusters[0][row]]);
    this.#renderer = new CanvasRenderer(this.#canvases[0], map);
    this.#renderer.setCodes(this.#codes);
  }

  /** Draw at the element's size and with its colours. */
  draw() {
    const camera = new Camera();
    [camera.width, camera.height] = [this.link.clientWidth, this.link.clientHeight];
    if (!camera.width || !camera.height) return;
    const ratio = Math.min(MAX_PIXEL_RATIO, devicePixelRatio || 1);
    for (const canvas of this.#canvases)
      [canvas.width, canvas.height] = [Math.round(camera.width * ratio), Math.round(camera.height * ratio)];
    camera.show({ ...placeOfRow(this.#map, this.#row), zoom: surroundingsZoom(this.#map.m) - FURTHER });
    const theme = readTheme(this.link);
    this.#renderer.draw(camera, theme, 1);
    const context = /** @type {CanvasRenderingContext2D} */ (this.#canvases[1].getContext("2d"));
    context.scale(ratio, ratio);
    const measure = measurer(context, theme);
    const nameOf = (/** @type {number} */ row) => this.#names.get(row);
    const allLabels = clusterLabels(this.#map, camera.fit, measure);
    const labels = labelsInView(this.#map, camera, this.#codes, allLabels, nameOf, measure);
    drawOverlay(context, this.#map, camera, theme, { labels, lit: [], rings: [this.#row] });
  }
}
