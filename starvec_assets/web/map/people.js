// Where people's repositories lie on the map.

import { NO_PLACE, SIDE } from "./map_data.js";
import { countClusters, placeOfRow } from "./points.js";

/** @import { Developer } from "../engine/model.js" */
/** @import { App } from "../state.js" */
/** @import { MapData } from "./map_data.js" */
/** @import { LitRows } from "./overlay.js" */

const NEAREST = 48; // repositories that stand for a developer, whose stars are not known
const NEIGHBOURHOOD = 0.03; // of the map's side, within which rows lie together
const MAX_COMPARED = 600; // rows among which the densest place is looked for

/** Those of some rows that have a place. @param {MapData} map @param {ArrayLike<number>} rows */
export const placedRows = ({ m, clusters: [clusters] }, rows) =>
  Uint32Array.from(rows).filter((row) => row < m && clusters[row] !== NO_PLACE);

/**
 * The repositories nearest to a developer's prototypes, which stand for the stars; each has as many as its weight.
 * @param {App} app
 * @param {Developer} developer
 * @returns {Promise<number[]>} rows
 */
export async function rowsNearDeveloper({ engine, model }, { prototypes }) {
  const rows = new Set();
  for (const [i, weight] of prototypes.weights.entries()) {
    const k = Math.round(weight * NEAREST);
    if (!k) continue;
    const query = Float32Array.from(prototypes.vectors.subarray(i * model.d, (i + 1) * model.d));
    for (const row of (await engine.search(query, { k })).indices) rows.add(row);
  }
  return [...rows];
}

/**
 * A person's rows with the place where most of them lie together.
 * @param {MapData} map
 * @param {Uint32Array} rows at least one, each with a place
 * @param {LitRows["colour"]} colour
 * @param {string} label
 * @returns {LitRows}
 */
export function litRows(map, rows, colour, label) {
  const compared = rows.slice(0, MAX_COMPARED);
  const distance = (/** @type {number} */ a, /** @type {number} */ b) =>
    Math.hypot(map.places[2 * a] - map.places[2 * b], map.places[2 * a + 1] - map.places[2 * b + 1]);
  let densest = compared[0];
  let most = 0;
  for (const row of compared) {
    const count = compared.filter((other) => distance(row, other) < SIDE * NEIGHBOURHOOD).length;
    if (count > most) [most, densest] = [count, row];
  }
  return { colour, label, rows, centre: placeOfRow(map, densest) };
}

/**
 * The clusters of a level to which most of the rows belong.
 * @param {MapData} map
 * @param {Uint32Array} rows
 * @param {number} level
 * @param {number} most at most so many clusters
 * @returns {{cluster: number, count: number}[]} position in the level; most rows first
 */
export function topClusters(map, rows, level, most) {
  return Array.from(countClusters(map, rows, level), (count, cluster) => ({ cluster, count }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || a.cluster - b.cluster)
    .slice(0, most);
}
