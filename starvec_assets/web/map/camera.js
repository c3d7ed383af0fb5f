// The part of the map that is shown, and ways from one part to another. The map is a square whose sides are 1 long.

/** @typedef {{x: number, y: number, zoom: number}} Place centre of a view, and how often its scale is doubled */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box in units of the map */

const MAX_ZOOM = 9;
const MARGIN = 0.94; // share of the shorter side that the whole map takes
const RHO = Math.SQRT2; // how much a flight rises for the way that it goes; 1.42 was preferred in the paper
const FLIGHT_MS = [300, 380, 1600]; // least, for each unit of the way, most

/** A view of the map in an element of `width` x `height` CSS pixels. */
export class Camera {
  x = 0.5;
  y = 0.5;
  zoom = 0;
  width = 1;
  height = 1;

  /** CSS pixels at a zoom of 0 that the side of the map takes. */
  get fit() {
    return MARGIN * Math.min(this.width, this.height);
  }

  /** CSS pixels that the side of the map takes. */
  get scale() {
    return this.fit * 2 ** this.zoom;
  }

  /** @returns {Place} */
  get place() {
    return { x: this.x, y: this.y, zoom: this.zoom };
  }

  /** Part of the map that is in view. @returns {Box} */
  get box() {
    const [halfWidth, halfHeight] = [this.width / this.scale / 2, this.height / this.scale / 2];
    return {
      left: this.x - halfWidth,
      top: this.y - halfHeight,
      right: this.x + halfWidth,
      bottom: this.y + halfHeight,
    };
  }

  /** Show a place; what lies outside the map or its zooms is moved into them. @param {Place} place */
  show({ x, y, zoom }) {
    const clamp = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(0, Math.min(value, most));
    [this.x, this.y, this.zoom] = [clamp(x, 1), clamp(y, 1), clamp(zoom, MAX_ZOOM)];
  }

  /** Pixel at which a point of the map is drawn. @param {number} x @param {number} y */
  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (y - this.y) * this.scale + this.height / 2];
  }

  /** Point of the map at a pixel. @param {number} left @param {number} top */
  toMap(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y + (top - this.height / 2) / this.scale];
  }

  /** Move the map by pixels, as a finger on it does. @param {number} right @param {number} down */
  pan(right, down) {
    this.show({ x: this.x - right / this.scale, y: this.y - down / this.scale, zoom: this.zoom });
  }

  /**
   * Zoom so that the point at a pixel stays there.
   * @param {number} steps doublings of the scale
   * @param {number} left
   * @param {number} top
   */
  zoomAt(steps, left = this.width / 2, top = this.height / 2) {
    const [x, y] = this.toMap(left, top);
    this.show({ ...this.place, zoom: this.zoom + steps });
    const [nowX, nowY] = this.toMap(left, top);
    this.show({ x: this.x + x - nowX, y: this.y + y - nowY, zoom: this.zoom });
  }

  /** Place that shows all of a box. @param {Box} box @returns {Place} */
  placeOf({ left, top, right, bottom }) {
    const scale = Math.min(this.width / Math.max(right - left, 1e-6), this.height / Math.max(bottom - top, 1e-6));
    return { x: (left + right) / 2, y: (top + bottom) / 2, zoom: Math.log2((0.9 * scale) / this.fit) };
  }
}

/** Zoom at which the surroundings of one of `m` points are in view, some eighty points. @param {number} m */
export const surroundingsZoom = (m) => Math.max(0, Math.min(0.5 * Math.log2(m / 30), MAX_ZOOM));

/** A box with a margin on all sides. @param {Box} box @param {number} margin @returns {Box} */
export const widened = ({ left, top, right, bottom }, margin) => ({
  left: left - margin,
  top: top - margin,
  right: right + margin,
  bottom: bottom + margin,
});

/**
 * The way from one place to another that looks shortest: far ways rise and descend (van Wijk and Nuij, Smooth and
 * efficient zooming and panning, 2003).
 * @param {Place} from
 * @param {Place} to
 * @returns {{duration: number, at: (part: number) => Place}} milliseconds, and the place after a part of them, 0 to 1
 */
export function flight(from, to) {
  const [w0, w1] = [2 ** -from.zoom, 2 ** -to.zoom];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const distance = Math.hypot(dx, dy);
  const near = distance < 1e-3 * Math.min(w0, w1); // zooms in place; the formula divides by the distance
  const r = (/** @type {number} */ w, /** @type {number} */ sign) => {
    const b = (w1 ** 2 - w0 ** 2 + sign * RHO ** 4 * distance ** 2) / (2 * w * RHO ** 2 * distance);
    return Math.log(Math.sqrt(b ** 2 + 1) - b);
  };
  const r0 = near ? 0 : r(w0, 1);
  const length = near ? Math.abs(Math.log(w1 / w0)) / RHO : (r(w1, -1) - r0) / RHO;
  const at = (/** @type {number} */ part) => {
    if (part >= 1) return to;
    if (near) return { x: from.x + part * dx, y: from.y + part * dy, zoom: from.zoom + part * (to.zoom - from.zoom) };
    const s = RHO * length * part + r0;
    const gone = ((w0 / RHO ** 2) * (Math.cosh(r0) * Math.tanh(s) - Math.sinh(r0))) / distance;
    return { x: from.x + gone * dx, y: from.y + gone * dy, zoom: -Math.log2((w0 * Math.cosh(r0)) / Math.cosh(s)) };
  };
  const [least, each, most] = FLIGHT_MS;
  return { duration: Math.min(most, least + each * length), at };
}
