// Colours of the map. map.css names them, so that dark mode and forced colours apply.

import { NO_PLACE } from "./map_data.js";

/** @import { MapData } from "./map_data.js" */
/** @typedef {[number, number, number]} Rgb each 0 to 255 */
/**
 * @typedef {object} Theme
 * @property {Rgb} paper
 * @property {string} ink
 * @property {string} soft
 * @property {string} halo around letters
 * @property {string} own colour of the current user
 * @property {string} other colour of another person
 * @property {string} serif font family
 * @property {string} sans font family
 * @property {Rgb[]} palette [PALETTE_SIZE]: HUES colours, and one for everything else
 */

export const HUES = 12;
/** Position in the palette of what has no colour of its own. */
export const OTHERS = HUES;
export const PALETTE_SIZE = HUES + 1;
/** In place of a position in the palette: not drawn. */
export const HIDDEN = 255;

/** Read the colours that apply to an element of class `map-stage`. @param {Element} stage @returns {Theme} */
export function readTheme(stage) {
  const probe = document.createElement("span");
  stage.append(probe);
  const read = (/** @type {string} */ name) => {
    probe.style.color = `var(--map-${name})`;
    return getComputedStyle(probe).color;
  };
  const styles = getComputedStyle(stage);
  const theme = {
    paper: rgbOf(read("paper")),
    ...{ ink: read("ink"), soft: read("soft"), halo: read("paper"), own: read("own"), other: read("other") },
    ...{ serif: styles.getPropertyValue("--serif"), sans: styles.getPropertyValue("--sans") },
    palette: [...Array.from({ length: HUES }, (_, i) => rgbOf(read(String(i)))), rgbOf(read("others"))],
  };
  probe.remove();
  return theme;
}

/**
 * Call `redraw` whenever other colours apply: chosen on the page or in the system.
 * @param {() => void} redraw
 * @param {AbortSignal} signal aborted when nothing is drawn any more
 */
export function onThemeChange(redraw, signal) {
  addEventListener("themechange", redraw, { signal }); // by ../color_scheme.js
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"])
    matchMedia(query).addEventListener("change", redraw, { signal });
}

/** A computed colour, rgb(1, 2, 3), as numbers. @param {string} colour @returns {Rgb} */
function rgbOf(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return [red, green, blue];
}

/**
 * Position in the palette of each row, HIDDEN for those without a place.
 * @param {MapData} map
 * @param {(row: number) => number} codeOf position in the palette, or HIDDEN
 */
export function colourRows({ m, clusters: [clusters] }, codeOf) {
  const codes = new Uint8Array(m);
  for (let row = 0; row < m; row++) codes[row] = clusters[row] === NO_PLACE ? HIDDEN : codeOf(row);
  return codes;
}

/**
 * A hue for each cluster of the first level: clusters with the same one lie as far from each other as can be.
 * @param {MapData} map
 * @returns {Uint8Array}
 */
export function clusterHues({ levels: [clusters] }) {
  const hues = new Uint8Array(clusters.length).fill(OTHERS);
  const largestFirst = [...clusters.keys()].sort((a, b) => clusters[b].size - clusters[a].size || a - b);
  for (const cluster of largestFirst) {
    const distances = new Array(HUES).fill(Infinity);
    for (const [other, hue] of hues.entries()) {
      if (hue === OTHERS) continue;
      const away = Math.hypot(clusters[other].x - clusters[cluster].x, clusters[other].y - clusters[cluster].y);
      distances[hue] = Math.min(distances[hue], away);
    }
    hues[cluster] = distances.indexOf(Math.max(...distances));
  }
  return hues;
}
