// Which repositories lie where. Rows are most starred first, and a pass over all of 300,000 takes a millisecond or two:
// the first rows that pass are the most starred ones, and there is no index to build. (No destructuring in loops over
// rows: it makes them ten times slower.)

import { SIDE } from "./map_data.js";
import { HIDDEN } from "./theme.js";

/** @import { Box } from "./camera.js" */
/** @import { MapData } from "./map_data.js" */

let scratch = new Uint32Array(0);

/**
 * The rows in a box that are not hidden, most starred first; valid until the next call.
 * @param {MapData} map
 * @param {Box} box
 * @param {Uint8Array} codes [m]
 */
export function rowsInBox({ m, places }, { left, top, right, bottom }, codes) {
  if (scratch.length <= m) scratch = new Uint32Array(m + 1);
  const x0 = SIDE * left;
  const x1 = SIDE * right;
  const y0 = SIDE * top;
  const y1 = SIDE * bottom;
  let count = 0;
  for (let row = 0; row < m; row++) {
    const x = places[2 * row];
    const y = places[2 * row + 1];
    scratch[count] = row;
    if (x >= x0 && x <= x1 && y >= y0 && y <= y1 && codes[row] !== HIDDEN) count++;
  }
  return scratch.subarray(0, count);
}

/**
 * How many of the rows belong to each cluster of a level.
 * @param {MapData} map
 * @param {Uint32Array} rows
 * @param {number} level
 */
export function countClusters(map, rows, level) {
  const counts = new Uint32Array(map.levels[level].length);
  const clusters = map.clusters[level];
  for (let i = 0; i < rows.length; i++) counts[clusters[rows[i]]]++;
  return counts;
}

/**
 * The row nearest to a point within a distance, -1 if there is none; of equally near ones the most starred.
 * @param {MapData} map
 * @param {Uint8Array} codes [m]
 * @param {number} x
 * @param {number} y
 * @param {number} distance in units of the map
 */
export function nearestRow(map, codes, x, y, distance) {
  const squared = (/** @type {number} */ row) =>
    (map.places[2 * row] - SIDE * x) ** 2 + (map.places[2 * row + 1] - SIDE * y) ** 2;
  let nearest = -1;
  let least = (SIDE * distance) ** 2;
  for (const row of rowsInBox(map, boxAround(x, y, distance), codes))
    if (squared(row) < least) [nearest, least] = [row, squared(row)];
  return nearest;
}

/** @param {number} x @param {number} y @param {number} distance @returns {Box} */
const boxAround = (x, y, distance) => ({
  left: x - distance,
  right: x + distance,
  top: y - distance,
  bottom: y + distance,
});

/** Place of a row, 0 to 1. @param {MapData} map @param {number} row */
export const placeOfRow = ({ places }, row) => ({ x: places[2 * row] / SIDE, y: places[2 * row + 1] / SIDE });

/**
 * Box around most of the given rows: nine in ten of them on each axis.
 * @param {MapData} map
 * @param {ArrayLike<number>} rows at least one
 * @returns {Box}
 */
export function boxOf(map, rows) {
  const quantiles = (/** @type {number} */ axis) => {
    const values = Uint16Array.from(rows, (row) => map.places[2 * row + axis]).sort();
    const at = (/** @type {number} */ share) => values[Math.round(share * (values.length - 1))] / SIDE;
    return [at(0.05), at(0.95)];
  };
  const [[left, right], [top, bottom]] = [quantiles(0), quantiles(1)];
  return { left, top, right, bottom };
}
