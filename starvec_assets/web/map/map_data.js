// Loads and validates data/map.gz: the place of each repository on the map, its cluster, and the clusters' labels.

import { lazyFile } from "../engine/data_file.js";
import { MAP_FILE } from "../engine/model.js";
import { asArray, asInteger, asObject, asString, assert, readHeader } from "../engine/validate.js";

/** @import { Model } from "../engine/model.js" */

/**
 * @typedef {object} Cluster
 * @property {number} id stable from month to month, unique within its level
 * @property {string} label
 * @property {number} x place of the label, 0 to 1, to the right
 * @property {number} y 0 to 1, downwards
 * @property {number} parent position in the level above, -1 in the first level
 * @property {number} size repositories
 *
 * @typedef {object} MapData
 * @property {number} m repositories: the rows 0 to m - 1, most starred first
 * @property {number} placed how many of them have a place
 * @property {Uint16Array} places [2 * m]: x and y of each row, 0 to 65535
 * @property {Cluster[][]} levels from few large clusters to many small ones
 * @property {Uint16Array[]} clusters by level, [m]: position of each row's cluster in the level, NO_PLACE for a row that
 *   has no place
 */

export const SIDE = 65535; // largest coordinate
export const NO_PLACE = 65535;
const MAX_LEVELS = 5;
const MAX_CLUSTERS = 5000; // of a level
const MAX_LABEL_LENGTH = 80;

/** Load the map at the first call. */
export const loadMap = lazyFile(MAP_FILE, parseMap);

/**
 * Parse the inflated file: the JSON of `readHeader`, places as pairs of uint16, clusters of the finest level as uint16. All
 * numbers are little-endian.
 * @param {ArrayBuffer} bytes
 * @param {Model} model
 * @returns {MapData}
 * @throws {BundleError}
 */
export function parseMap(bytes, { n }) {
  const { content, end: start } = readHeader(bytes, MAP_FILE);
  const m = asInteger(content.repositories, 1, n, "map.gz: repositories");
  assert(bytes.byteLength === start + 6 * m, `map.gz holds ${bytes.byteLength} bytes, not ${start + 6 * m}.`);
  const levels = asArray(content.levels, MAX_LEVELS, "map.gz: levels").map((level) => asObject(level, "map.gz: level"));
  assert(levels.length > 0, "map.gz has no clusters.");
  /** @type {Cluster[][]} */
  const parsed = [];
  for (const level of levels) parsed.push(parseLevel(level, parsed.at(-1)?.length ?? 0, m));
  const finest = new Uint16Array(bytes, start + 4 * m, m);
  const count = parsed[parsed.length - 1].length;
  let placed = 0;
  let unplaced = 0;
  for (let row = 0; row < m; row++) {
    if (finest[row] < count) placed++;
    else if (finest[row] === NO_PLACE) unplaced++;
  }
  assert(placed + unplaced === m, "map.gz names a cluster that is not listed.");
  const places = new Uint16Array(bytes, start, 2 * m);
  return { m, placed, places, levels: parsed, clusters: clustersByLevel(parsed, finest) };
}

/**
 * @param {Record<string, unknown>} level lists of equal length, by name
 * @param {number} parents how many clusters the level above has, 0 for the first level
 * @param {number} m
 * @returns {Cluster[]}
 */
function parseLevel(level, parents, m) {
  const ids = asArray(level.ids, MAX_CLUSTERS, "map.gz: ids");
  const column = (/** @type {string} */ name) => {
    const values = asArray(level[name], MAX_CLUSTERS, `map.gz: ${name}`);
    assert(values.length === ids.length, `map.gz: ${name} are not ${ids.length}.`);
    return values;
  };
  const [labels, x, y, sizes] = [column("labels"), column("x"), column("y"), column("sizes")];
  const parentOf = parents ? column("parents") : [];
  return ids.map((id, i) => ({
    id: asInteger(id, 0, 2 ** 31, "map.gz: id of a cluster"),
    label: asString(labels[i], MAX_LABEL_LENGTH, "map.gz: a label"),
    x: asInteger(x[i], 0, SIDE, "map.gz: place of a label") / SIDE,
    y: asInteger(y[i], 0, SIDE, "map.gz: place of a label") / SIDE,
    parent: parents ? asInteger(parentOf[i], 0, parents - 1, "map.gz: parent of a cluster") : -1,
    size: asInteger(sizes[i], 0, m, "map.gz: size of a cluster"),
  }));
}

/**
 * Cluster of each row on every level.
 * @param {Cluster[][]} levels
 * @param {Uint16Array} finest cluster of each row on the last level
 */
function clustersByLevel(levels, finest) {
  const clusters = [finest];
  for (let level = levels.length - 1; level > 0; level--) {
    const parents = new Uint16Array(NO_PLACE + 1).fill(NO_PLACE);
    for (const [cluster, { parent }] of levels[level].entries()) parents[cluster] = parent;
    const [below] = clusters;
    const above = new Uint16Array(below.length);
    for (let row = 0; row < above.length; row++) above[row] = parents[below[row]];
    clusters.unshift(above);
  }
  return clusters;
}
