// Draws what lies above the points: people's repositories, the chosen one, and labels.

import { boxOf, fontSize, overlap } from "./labels.js";
import { pointRadius } from "./point_size.js";
import { placeOfRow } from "./points.js";

/** @import { Box, Camera } from "./camera.js" */
/** @import { Label } from "./labels.js" */
/** @import { MapData } from "./map_data.js" */
/** @import { Theme } from "./theme.js" */
/**
 * @typedef {object} LitRows repositories of a person, drawn above all others
 * @property {"own" | "other"} colour
 * @property {string} label of the place where most of them lie
 * @property {ArrayLike<number>} rows
 * @property {{x: number, y: number}} centre where most of them lie
 */

const TURN = 2 * Math.PI;
const LEAST_LIT_RADIUS = 4.5; // CSS pixels

/**
 * Font of a level's labels as CSS.
 * @param {Theme} theme
 * @param {number} level
 */
const font = ({ serif, sans }, level) => `${level < 2 ? 600 : 400} ${fontSize(level)}px ${level ? sans : serif}`;

/**
 * Function that measures the width of a label in CSS pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 */
export const measurer = (context, theme) => (/** @type {string} */ text, /** @type {number} */ level) => {
  context.font = font(theme, level);
  return context.measureText(text).width;
};

/**
 * @param {CanvasRenderingContext2D} context whose unit is the CSS pixel
 * @param {MapData} map
 * @param {Camera} camera
 * @param {Theme} theme
 * @param {{labels: Label[], lit: LitRows[], rings: number[]}} content `rings`: rows with a ring around them, which no
 *   label covers
 */
export function drawOverlay(context, map, camera, theme, { labels, lit, rings }) {
  context.clearRect(0, 0, camera.width, camera.height);
  const radiusOf = (/** @type {number} */ row) => pointRadius(camera, row, map.m);
  for (const { rows, colour } of lit) drawLitRows(context, map, camera, theme, rows, colour, radiusOf);
  const ringed = rings.map((row) => {
    const { x, y } = placeOfRow(map, row);
    return camera.toScreen(x, y);
  });
  for (const [i, [left, top]] of ringed.entries()) {
    context.beginPath();
    context.arc(left, top, radiusOf(rings[i]) + 4, 0, TURN);
    [context.lineWidth, context.strokeStyle] = [5, theme.halo];
    context.stroke();
    [context.lineWidth, context.strokeStyle] = [2.5, theme.ink];
    context.stroke();
  }
  context.font = font(theme, 1);
  const pins = lit.map((one) => placePin(context, camera, one));
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const label of labels) {
    const { text, level } = label;
    const { left, right, top, bottom } = boxOf(label, camera);
    const [centre, middle] = [(left + right) / 2, (top + bottom) / 2];
    const covers = (/** @type {number[]} */ [x, y]) =>
      Math.abs(x - centre) < label.width / 2 && Math.abs(y - middle) < label.height / 2;
    if (ringed.some(covers) || pins.some((pin) => overlap(pin, { left, right, top: middle, bottom: middle }))) continue;
    context.font = font(theme, level);
    drawText(context, text, centre, middle, level === map.levels.length - 1 ? theme.soft : theme.ink, theme.halo);
  }
  context.font = font(theme, 1);
  for (const pin of pins) drawPin(context, pin, theme);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {MapData} map
 * @param {Camera} camera
 * @param {Theme} theme
 * @param {ArrayLike<number>} rows
 * @param {"own" | "other"} colour
 * @param {(row: number) => number} radiusOf
 */
function drawLitRows(context, map, camera, theme, rows, colour, radiusOf) {
  context.beginPath();
  for (let i = 0; i < rows.length; i++) {
    const { x, y } = placeOfRow(map, rows[i]);
    const [left, top] = camera.toScreen(x, y);
    const radius = Math.max(LEAST_LIT_RADIUS, radiusOf(rows[i]) + 1);
    // Two shapes, so that the colours need not be told apart.
    if (colour === "own") {
      context.moveTo(left + radius, top);
      context.arc(left, top, radius, 0, TURN);
    } else {
      context.moveTo(left, top - 1.3 * radius);
      for (const [dx, dy] of [
        [1, 0],
        [0, 1],
        [-1, 0],
      ])
        context.lineTo(left + 1.3 * dx * radius, top + 1.3 * dy * radius);
      context.closePath();
    }
  }
  context.fillStyle = theme[colour];
  [context.lineWidth, context.strokeStyle] = [1.5, theme.halo];
  context.stroke(); // beneath all of the shapes, of which some overlap
  context.fill();
}

/**
 * A person's label and the place that it points to: where most of the person's repositories lie.
 * @typedef {{label: string, colour: "own" | "other", x: number, y: number} & Box} Pin in CSS pixels
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Camera} camera
 * @param {LitRows} person
 * @returns {Pin}
 */
function placePin(context, camera, { label, centre, colour }) {
  const [x, y] = camera.toScreen(centre.x, centre.y);
  const [width, height] = [context.measureText(label).width + 16, 24];
  const isInView = x >= 0 && x <= camera.width;
  const middle = isInView ? Math.max(width / 2, Math.min(x, camera.width - width / 2)) : x; // no label is cut
  const top = y + (colour === "own" ? -34 : 34) - height / 2; // two people at the same place do not cover each other
  return { label, colour, x, y, left: middle - width / 2, right: middle + width / 2, top, bottom: top + height };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Pin} pin
 * @param {Theme} theme
 */
function drawPin(context, { label, colour, x, y, left, right, top, bottom }, theme) {
  const middle = (top + bottom) / 2;
  [context.lineWidth, context.strokeStyle, context.fillStyle] = [2, theme[colour], theme[colour]];
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x, middle);
  context.stroke();
  context.beginPath();
  context.roundRect(left, top, right - left, bottom - top, (bottom - top) / 2);
  context.fill();
  context.fillStyle = theme.halo;
  context.fillText(label, (left + right) / 2, middle);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} left
 * @param {number} top
 * @param {string} colour
 * @param {string} halo
 */
function drawText(context, text, left, top, colour, halo) {
  [context.lineWidth, context.strokeStyle, context.fillStyle] = [4, halo, colour];
  context.strokeText(text, left, top);
  context.fillText(text, left, top);
}
