// Which labels are shown at which zoom, so that none overlaps another. A cluster's label appears at one zoom and stays,
// whatever part of the map is in view: labels do not flicker while the map moves.

import { widened } from "./camera.js";
import { SIDE } from "./map_data.js";
import { pointRadius } from "./point_size.js";
import { rowsInBox } from "./points.js";

/** @import { Camera } from "./camera.js" */
/** @import { MapData } from "./map_data.js" */

/**
 * @typedef {object} Label
 * @property {string} text
 * @property {number} level of clusters; the number of levels for the name of a repository
 * @property {number} index cluster in its level, or row
 * @property {number} x
 * @property {number} y
 * @property {number} beside CSS pixels between its place and its centre, where the edge of the view would cut it
 * @property {number} below CSS pixels between its place and its middle
 * @property {number} width of the text in CSS pixels
 * @property {number} height
 * @property {number} from zoom at which it appears
 * @property {number} until zoom at which it disappears
 */

/** Font size in CSS pixels, and zooms from which and until which labels are shown, by level of clusters. */
const STYLES = [
  { size: 16, from: 0, until: 4 },
  { size: 14, from: 1, until: 6 },
  { size: 13, from: 2.2, until: Infinity },
];
const NAME_STYLE = { size: 12, from: 2.6, until: Infinity };
const MARGIN = 120; // pixels around the view in which labels are laid out, so that they do not change at its edge
const GAP = { across: 8, down: 12 }; // pixels between two labels
const TILE = { width: 170, height: 60 }; // pixels, of each of which the most starred repository may be named
const MAX_NAME_LENGTH = 30;
const TERMS = 2; // of a cluster's label, of which the map shows so many

/** @param {number} level */
export const fontSize = (level) => (STYLES[level] ?? NAME_STYLE).size;

/** Beginning of a cluster's label: terms separated by commas. @param {string} label */
export const shortLabel = (label) => label.split(", ").slice(0, TERMS).join(", ");

/** Finest level whose labels are shown at a zoom. @param {MapData} map @param {number} zoom */
export const levelAt = ({ levels }, zoom) =>
  Math.max(0, Math.min(levels.length, STYLES.length) - 1 - [...STYLES].reverse().findIndex(({ from }) => zoom >= from));

/**
 * Labels of all clusters with the zoom at which each appears: where it overlaps no label of a larger cluster that is
 * shown then. Places move apart as the scale doubles, so two labels that have parted never overlap again.
 * @param {MapData} map
 * @param {number} fit CSS pixels that the side of the map takes at a zoom of 0
 * @param {(text: string, level: number) => number} measure width of a text in CSS pixels
 * @returns {Label[]} larger clusters first
 */
export function clusterLabels({ levels }, fit, measure) {
  const labels = levels.slice(0, STYLES.length).flatMap((clusters, level) =>
    clusters
      .map(({ label, x, y, size }, index) => {
        const text = shortLabel(label);
        const { size: height, from, until } = STYLES[level];
        return {
          text,
          level,
          index,
          x,
          y,
          beside: 0,
          below: 0,
          width: measure(text, level),
          height,
          from,
          until,
          size,
        };
      })
      .filter(({ text, size }) => text && size)
      .sort((a, b) => b.size - a.size || a.index - b.index),
  );
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    let scale = fit * 2 ** label.from;
    for (let j = 0; j < i; j++) {
      if (labels[j].until <= label.from || haveParted(label, labels[j], scale)) continue;
      label.from = Math.min(partingZoom(label, labels[j], fit), labels[j].until);
      scale = fit * 2 ** label.from;
    }
  }
  return labels.filter(({ from, until }) => from < until);
}

/**
 * Whether two labels do not overlap.
 * @param {Label} a
 * @param {Label} b
 * @param {number} scale CSS pixels that the side of the map takes
 */
const haveParted = (a, b, scale) =>
  scale * Math.abs(a.x - b.x) >= (a.width + b.width) / 2 + GAP.across ||
  scale * Math.abs(a.y - b.y) >= (a.height + b.height) / 2 + GAP.down;

/**
 * Zoom from which two labels do not overlap.
 * @param {Label} a
 * @param {Label} b
 * @param {number} fit
 */
function partingZoom(a, b, fit) {
  const apart = (/** @type {number} */ needed, /** @type {number} */ distance) =>
    distance ? Math.log2(needed / (fit * distance)) : Infinity;
  return Math.min(
    apart((a.width + b.width) / 2 + GAP.across, Math.abs(a.x - b.x)),
    apart((a.height + b.height) / 2 + GAP.down, Math.abs(a.y - b.y)),
  );
}

/**
 * Labels to draw: of clusters, and names of repositories beneath them.
 * @param {MapData} map
 * @param {Camera} camera
 * @param {Uint8Array} codes [m]
 * @param {Label[]} labels of all clusters
 * @param {(row: number) => string} nameOf
 * @param {(text: string, level: number) => number} measure
 * @returns {Label[]}
 */
export function labelsInView(map, camera, codes, labels, nameOf, measure) {
  const near = widened(camera.box, MARGIN / camera.scale);
  const { zoom } = camera;
  const shown = labels.filter(
    ({ x, y, from, until }) =>
      zoom >= from && zoom < until && x > near.left && x < near.right && y > near.top && y < near.bottom,
  );
  if (zoom >= NAME_STYLE.from)
    shown.unshift(...repositoryLabels(map, camera, rowsInBox(map, near, codes), shown, nameOf, measure));
  return shown.flatMap((label) => wholeInView(label, shown, camera));
}

/**
 * The label if the view has all of it; one that the left or right edge would cut is moved inward, if the others leave room
 * and its place is in view. None otherwise.
 * @param {Label} label
 * @param {Label[]} shown all labels
 * @param {Camera} camera
 * @returns {Label[]}
 */
function wholeInView(label, shown, camera) {
  const box = boxOf(label, camera);
  const [centre] = camera.toScreen(label.x, label.y);
  if (centre < 0 || centre > camera.width || box.top < 0 || box.bottom > camera.height) return [];
  const beside = Math.max(0, -box.left) - Math.max(0, box.right - camera.width);
  if (!beside) return [label];
  const moved = { ...label, beside };
  const isFree = shown.every((other) => other === label || !overlap(boxOf(moved, camera), boxOf(other, camera)));
  return isFree ? [moved] : [];
}

/**
 * Names of repositories beside the labels that are shown: of each tile of the map the most starred one, as far as there
 * is room. Tiles belong to the map, not to the view, so that a name stays where it is while the map moves.
 * @param {MapData} map
 * @param {Camera} camera
 * @param {Uint32Array} rows near the view, most starred first
 * @param {Label[]} shown labels of clusters in view
 * @param {(row: number) => string} nameOf
 * @param {(text: string, level: number) => number} measure
 * @returns {Label[]}
 */
function repositoryLabels(map, camera, rows, shown, nameOf, measure) {
  const level = map.levels.length;
  const boxes = shown.map((label) => boxOf(label, camera));
  /** @type {Label[]} */
  const names = [];
  for (const row of firstOfTiles(map, camera, rows)) {
    const full = nameOf(row);
    const text = full.slice(full.indexOf("/") + 1).slice(0, MAX_NAME_LENGTH);
    const { size: height, from, until } = NAME_STYLE;
    const below = pointRadius(camera, row, map.m) + 0.75 * height;
    const place = { x: map.places[2 * row] / SIDE, y: map.places[2 * row + 1] / SIDE, beside: 0, below };
    const label = { text, level, index: row, ...place, width: measure(text, level), height, from, until };
    const box = boxOf(label, camera);
    if (!text || boxes.some((other) => overlap(box, other))) continue;
    boxes.push(box);
    names.push(label);
  }
  return names;
}

/**
 * The first row of each tile.
 * @param {MapData} map
 * @param {Camera} camera
 * @param {Uint32Array} rows near the view
 */
function firstOfTiles({ places }, { box, zoom, fit, scale }, rows) {
  const unit = (fit * 2 ** Math.floor(zoom)) / SIDE; // pixels, by which tiles are counted, for a unit of places
  const [across, down] = [unit / TILE.width, unit / TILE.height];
  const left = Math.floor(SIDE * (box.left - MARGIN / scale) * across);
  const top = Math.floor(SIDE * (box.top - MARGIN / scale) * down);
  const columns = Math.ceil(SIDE * (box.right - box.left + (2 * MARGIN) / scale) * across) + 2;
  const lines = Math.ceil(SIDE * (box.bottom - box.top + (2 * MARGIN) / scale) * down) + 2;
  const taken = new Uint8Array(columns * lines);
  const first = [];
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    const column = Math.floor(places[2 * row] * across) - left;
    const tile = (Math.floor(places[2 * row + 1] * down) - top) * columns + column;
    if (taken[tile]) continue;
    taken[tile] = 1;
    first.push(row);
  }
  return first;
}

/**
 * Pixels that a label takes, with half of the gaps around it.
 * @param {Label} label
 * @param {Camera} camera
 */
export function boxOf({ x, y, beside, below, width, height }, camera) {
  const [centre, middle] = camera.toScreen(x, y);
  const [halfWidth, halfHeight] = [(width + GAP.across) / 2, (height + GAP.down) / 2];
  return {
    left: centre + beside - halfWidth,
    right: centre + beside + halfWidth,
    top: middle + below - halfHeight,
    bottom: middle + below + halfHeight,
  };
}

/**
 * @param {{left: number, right: number, top: number, bottom: number}} a
 * @param {{left: number, right: number, top: number, bottom: number}} b
 */
export const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
