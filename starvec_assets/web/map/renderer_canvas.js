// Draws the points pixel by pixel on a 2D canvas, where there is no WebGL 2.

import { widened } from "./camera.js";
import { SIDE } from "./map_data.js";
import { fameFactor, middleDiameter, OPACITY } from "./point_size.js";
import { rowsInBox } from "./points.js";

/** @import { Camera } from "./camera.js" */
/** @import { MapData } from "./map_data.js" */
/** @import { Theme } from "./theme.js" */
/** @typedef {{offsets: Int32Array, weights: Uint8Array}} Stamp pixels of a disc, and how much of each it covers */

const PADDING = 64; // pixels around the canvas, twice the largest radius, where points at its edge are drawn

export class CanvasRenderer {
  name = "Canvas2D";
  #context;
  #map;
  /** @type {Uint8Array} */
  #codes;
  /** @type {Uint32Array<ArrayBuffer>} */
  #pixels = new Uint32Array(0);

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {MapData} map
   */
  constructor(canvas, map) {
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.#map = map;
    this.#codes = new Uint8Array(map.m);
  }

  /** Colour of each row: position in the palette, or HIDDEN. @param {Uint8Array} codes [m] */
  setCodes(codes) {
    this.#codes = codes;
  }

  /**
   * Draw the part of the map that the camera shows, on all of the canvas.
   * @param {Camera} camera
   * @param {Theme} theme
   * @param {number} opacity in units of the usual one
   */
  draw(camera, { paper, palette }, opacity) {
    const { m, places } = this.#map;
    const { width, height } = this.#context.canvas;
    const stride = width + 2 * PADDING;
    const size = stride * (height + 2 * PADDING);
    if (this.#pixels.length !== size) this.#pixels = new Uint32Array(size);
    const pixels = this.#pixels;
    pixels.fill(packed(paper));
    const colours = Uint32Array.from(palette, packed);
    const codes = this.#codes;
    const ratio = width / camera.width;
    const scale = (ratio * camera.scale) / SIDE;
    const left = PADDING + width / 2 - ratio * camera.scale * camera.x + 0.5;
    const top = PADDING + height / 2 - ratio * camera.scale * camera.y + 0.5;
    const diameter = ratio * middleDiameter(camera, m);
    const rows = rowsInBox(this.#map, widened(camera.box, PADDING / (2 * ratio * camera.scale)), codes);
    // The most starred last, above the others; a stamp serves all rows until the diameter is another half pixel.
    for (let end = rows.length; end > 0; ) {
      const halves = (/** @type {number} */ i) => Math.round(2 * diameter * fameFactor(rows[i], m));
      const start = firstIndex(halves, end);
      const { offsets, weights } = stamp(halves(end - 1) / 2, 256 * opacity * OPACITY, stride);
      for (let i = end - 1; i >= start; i--) {
        const row = rows[i];
        const colour = colours[codes[row]];
        const at = ((top + scale * places[2 * row + 1]) | 0) * stride + ((left + scale * places[2 * row]) | 0);
        for (let j = 0; j < offsets.length; j++)
          pixels[at + offsets[j]] = blend(pixels[at + offsets[j]], colour, weights[j]);
      }
      end = start;
    }
    const image = new ImageData(new Uint8ClampedArray(pixels.buffer), stride);
    this.#context.putImageData(image, -PADDING, -PADDING, PADDING, PADDING, width, height);
  }

  dispose() {}
}

/**
 * Index at which the run of equal sizes begins that ends before `end`; sizes fall with the index.
 * @param {(i: number) => number} sizeAt
 * @param {number} end
 */
function firstIndex(sizeAt, end) {
  const size = sizeAt(end - 1);
  let low = 0;
  let high = end - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sizeAt(middle) > size) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Pixels that a disc covers, around its centre.
 * @param {number} diameter in pixels
 * @param {number} alpha 0 to 256
 * @param {number} stride pixels of a line
 * @returns {Stamp}
 */
function stamp(diameter, alpha, stride) {
  const [offsets, weights] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  const reach = Math.ceil(diameter / 2);
  for (let y = -reach; y <= reach; y++)
    for (let x = -reach; x <= reach; x++) {
      const covered = Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(x, y)));
      if (covered < 0.05) continue;
      offsets.push(y * stride + x);
      weights.push(Math.min(255, Math.round(alpha * covered)));
    }
  return { offsets: Int32Array.from(offsets), weights: Uint8Array.from(weights) };
}

/** A colour as the bytes of an opaque pixel, red first. @param {number[]} colour */
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/**
 * A colour laid over another, red and blue at once.
 * @param {number} below
 * @param {number} above
 * @param {number} weight of `above`, 0 to 255
 */
function blend(below, above, weight) {
  const redBlue = below & 0xff00ff;
  const green = below & 0x00ff00;
  const mixed = (redBlue + (Math.imul((above & 0xff00ff) - redBlue, weight) >> 8)) & 0xff00ff;
  return 0xff000000 | mixed | ((green + (Math.imul((above & 0x00ff00) - green, weight) >> 8)) & 0x00ff00);
}
