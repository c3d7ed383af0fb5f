// The map as an element: draws it, and moves it by mouse, fingers and keys.

import { h } from "../dom.js";
import { Camera, flight } from "./camera.js";
import { boxOf, clusterLabels, labelsInView, overlap } from "./labels.js";
import { drawOverlay, measurer } from "./overlay.js";
import { MAX_PIXEL_RATIO } from "./point_size.js";
import { nearestRow, placeOfRow, rowsInBox } from "./points.js";
import { CanvasRenderer } from "./renderer_canvas.js";
import { WebglRenderer } from "./renderer_webgl.js";
import { onThemeChange, readTheme } from "./theme.js";

/** @import { Place } from "./camera.js" */
/** @import { Label } from "./labels.js" */
/** @import { MapData } from "./map_data.js" */
/** @import { LitRows } from "./overlay.js" */
/** @import { Theme } from "./theme.js" */
/**
 * @typedef {object} StageOptions
 * @property {AbortSignal} signal aborted when the map is left
 * @property {string} label what the map is, for those who do not see it
 * @property {(row: number) => string} nameOf
 * @property {() => void} onMove called when another part is in view
 * @property {(row: number) => void} onSelect called with the repository that was tapped, -1 for none
 * @property {(label: Label) => void} onCluster called with the label of a cluster that was tapped
 * @property {(row: number) => Promise<Node[]>} describe content of the note beside the repository under the mouse
 */

const KEY_PAN = 0.2; // of the shorter side
const KEY_ZOOM = 0.5;
const WHEEL_ZOOM = 0.002; // a pixel of the wheel
const PINCH_ZOOM = 0.01; // the same on a touchpad, with two fingers
const WHEEL_LINE = 16; // pixels, where the wheel counts lines
const TAP = { pixels: 6, ms: 400, doubleMs: 320, doublePixels: 30 };
const REACH = { mouse: 8, touch: 20 }; // pixels from the pointer to a point that it means
const DIMMED = 0.3; // opacity of the points while people's are lit

export class MapStage {
  camera = new Camera();
  /** @type {HTMLElement} */
  element;
  #map;
  #options;
  #overlay;
  #tooltip = h("div", { class: "map-tooltip", hidden: true, "aria-hidden": "true" });
  /** @type {WebglRenderer | CanvasRenderer} */
  #renderer;
  #canvas;
  /** Read when the element is on the page. @type {Theme | null} */
  #theme = null;
  /** @type {Label[]} */
  #labels = [];
  /** Labels drawn last. @type {Label[]} */
  #shown = [];
  /** @type {Uint8Array} */
  #codes;
  /** @type {LitRows[]} */
  #lit = [];
  #selected = -1;
  #hovered = -1;
  #frame = 0;
  #layout = 0;
  /** @type {{start: number, way: ReturnType<typeof flight>} | null} */
  #flight = null;

  /**
   * @param {MapData} map
   * @param {StageOptions} options
   */
  constructor(map, options) {
    this.#map = map;
    this.#codes = new Uint8Array(map.m);
    this.#options = options;
    this.#overlay = /** @type {CanvasRenderingContext2D} */ (h("canvas", { "aria-hidden": "true" }).getContext("2d"));
    this.element = h("div", { class: "map-stage", tabindex: 0, role: "application", "aria-label": options.label });
    [this.#canvas, this.#renderer] = createRenderer(map);
    this.element.append(this.#canvas, this.#overlay.canvas, this.#tooltip);
    this.#listen(options.signal);
  }

  /** Name of the renderer. */
  get renderer() {
    return this.#renderer.name;
  }

  /** Colour of each row, see the renderers. @param {Uint8Array} codes [m] */
  setCodes(codes) {
    this.#codes = codes;
    this.#renderer.setCodes(codes);
    this.redraw();
  }

  /** The rows in view that are not hidden, most starred first; valid until the next call. */
  get rowsInView() {
    return rowsInBox(this.#map, this.camera.box, this.#codes);
  }

  /** Light up the repositories of people, and dim the others. @param {LitRows[]} lit */
  setLit(lit) {
    this.#lit = lit;
    this.redraw();
  }

  /** Put a ring around a repository, -1 for none. @param {number} row */
  select(row) {
    this.#selected = row;
    this.redraw();
  }

  /** Show a place at once. @param {Place} place */
  show(place) {
    this.#flight = null;
    this.camera.show(place);
    this.#moved();
  }

  /** Move to a place; at once where motion is not wanted. @param {Place} place */
  flyTo(place) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.show(place);
    const target = new Camera();
    target.show(place);
    this.#flight = { start: performance.now(), way: flight(this.camera.place, target.place) };
    this.redraw();
  }

  /** Draw in the next frame. */
  redraw() {
    this.#frame ||= requestAnimationFrame((time) => {
      this.#frame = 0;
      this.#draw(time);
    });
  }

  #moved() {
    this.redraw();
    this.#options.onMove();
  }

  /** @param {number} time */
  #draw(time) {
    if (this.#options.signal.aborted || !this.#resize()) return;
    if (this.#flight) this.#fly(this.#flight, time);
    const { camera } = this;
    this.#theme ??= readTheme(this.element);
    const theme = this.#theme;
    this.#renderer.draw(camera, theme, this.#lit.length ? DIMMED : 1);
    const { nameOf } = this.#options;
    const measure = measurer(this.#overlay, theme);
    this.#shown = labelsInView(this.#map, camera, this.#codes, this.#labels, nameOf, measure);
    const rings = [this.#selected, this.#hovered].filter((row) => row >= 0);
    drawOverlay(this.#overlay, this.#map, camera, theme, { labels: this.#shown, lit: this.#lit, rings });
  }

  /**
   * @param {{start: number, way: ReturnType<typeof flight>}} current
   * @param {number} time
   */
  #fly({ start, way }, time) {
    const part = Math.min(1, Math.max(0, time - start) / way.duration);
    this.camera.show(way.at(part * part * (3 - 2 * part)));
    if (part === 1) this.#flight = null;
    this.#moved();
  }

  /** Fit the canvases to the element; false while it has no size. */
  #resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return false;
    const ratio = Math.min(MAX_PIXEL_RATIO, devicePixelRatio || 1);
    const [pixelsWide, pixelsHigh] = [Math.round(width * ratio), Math.round(height * ratio)];
    for (const canvas of [this.#canvas, this.#overlay.canvas])
      if (canvas.width !== pixelsWide || canvas.height !== pixelsHigh)
        [canvas.width, canvas.height] = [pixelsWide, pixelsHigh];
    this.#overlay.setTransform(pixelsWide / width, 0, 0, pixelsHigh / height, 0, 0);
    if (this.camera.width !== width || this.camera.height !== height) {
      [this.camera.width, this.camera.height] = [width, height];
      clearTimeout(this.#layout);
      this.#layout = setTimeout(() => this.#layOutLabels()); // a task of its own, after the points are there
    }
    return true;
  }

  #layOutLabels() {
    if (!this.#theme) return;
    this.#labels = clusterLabels(this.#map, this.camera.fit, measurer(this.#overlay, this.#theme));
    this.redraw();
  }

  /** @param {AbortSignal} signal */
  #listen(signal) {
    const { element } = this;
    const observer = new ResizeObserver(() => this.#moved());
    observer.observe(element);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      this.#renderer.dispose();
    });
    onThemeChange(() => this.#restyle(), signal);
    this.#canvas.addEventListener("webglcontextlost", () => signal.aborted || this.#useCanvas2d());
    element.addEventListener("keydown", (event) => this.#onKey(event));
    element.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.#listenToPointers();
  }

  #restyle() {
    this.#theme = null;
    this.redraw();
  }

  #useCanvas2d() {
    const canvas = h("canvas", { "aria-hidden": "true" });
    this.#canvas.replaceWith(canvas);
    [this.#canvas, this.#renderer] = [canvas, new CanvasRenderer(canvas, this.#map)];
    this.#renderer.setCodes(this.#codes);
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== this.element) return;
    const { camera } = this;
    const step = KEY_PAN * Math.min(camera.width, camera.height);
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => camera.pan(step, 0),
      ArrowRight: () => camera.pan(-step, 0),
      ArrowUp: () => camera.pan(0, step),
      ArrowDown: () => camera.pan(0, -step),
      "+": () => camera.zoomAt(KEY_ZOOM),
      "=": () => camera.zoomAt(KEY_ZOOM), // the key of + without Shift
      "-": () => camera.zoomAt(-KEY_ZOOM),
      Home: () => camera.show({ x: 0.5, y: 0.5, zoom: 0 }),
      Enter: () => this.#options.onSelect(nearestRow(this.#map, this.#codes, camera.x, camera.y, 0.5)),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    this.#flight = null;
    actions[event.key]();
    this.#moved();
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? WHEEL_LINE : 1);
    const steps = -pixels * (event.ctrlKey ? PINCH_ZOOM : WHEEL_ZOOM);
    this.#flight = null;
    this.camera.zoomAt(Math.max(-1, Math.min(steps, 1)), ...this.#position(event));
    this.#moved();
  }

  /** Pixel of an event in the element. @param {MouseEvent} event @returns {[number, number]} */
  #position(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  #listenToPointers() {
    const { element, camera } = this;
    /** @type {Map<number, [number, number]>} */
    const pointers = new Map();
    let tap = { left: 0, top: 0, time: -Infinity, possible: false };
    let lastTap = { left: 0, top: 0, time: -Infinity };
    const onMap = (/** @type {Event} */ { target }) =>
      target === element || target === this.#canvas || target === this.#overlay.canvas;

    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !onMap(event)) return;
      element.setPointerCapture(event.pointerId);
      const [left, top] = this.#position(event);
      pointers.set(event.pointerId, [left, top]);
      tap = { left, top, time: event.timeStamp, possible: pointers.size === 1 };
      this.#flight = null;
      this.#hover(-1);
    });
    element.addEventListener("pointermove", (event) => {
      const [left, top] = this.#position(event);
      const before = pointers.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse") this.#hover(onMap(event) ? this.#rowAt(left, top, "mouse") : -1);
        return;
      }
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      pointers.set(event.pointerId, [left, top]);
      if (tap.possible && Math.hypot(left - tap.left, top - tap.top) < TAP.pixels) return;
      tap.possible = false;
      camera.pan((left - before[0]) / pointers.size, (top - before[1]) / pointers.size);
      if (other) {
        const apart = ([x, y] = before) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
        camera.zoomAt(Math.log2(apart([left, top]) / apart()), (left + other[0]) / 2, (top + other[1]) / 2);
      }
      this.#moved();
    });
    const release = (/** @type {PointerEvent} */ event) => {
      if (!pointers.delete(event.pointerId) || event.type !== "pointerup") return;
      if (!tap.possible || event.timeStamp - tap.time > TAP.ms) return;
      const { left, top } = tap;
      const isDouble =
        event.timeStamp - lastTap.time < TAP.doubleMs &&
        Math.hypot(left - lastTap.left, top - lastTap.top) < TAP.doublePixels;
      lastTap = { left, top, time: isDouble ? -Infinity : event.timeStamp };
      if (isDouble) return this.#zoomIn(left, top);
      const row = this.#rowAt(left, top, event.pointerType);
      const label = row < 0 && this.#labelAt(left, top);
      if (label) this.#options.onCluster(label);
      else this.#options.onSelect(row);
    };
    for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) element.addEventListener(type, release);
    element.addEventListener("pointerleave", () => this.#hover(-1));
  }

  /** @param {number} left @param {number} top */
  #zoomIn(left, top) {
    const target = new Camera();
    [target.width, target.height] = [this.camera.width, this.camera.height];
    target.show(this.camera.place);
    target.zoomAt(1, left, top);
    this.flyTo(target.place);
  }

  /**
   * Repository at a pixel, -1 if there is none.
   * @param {number} left
   * @param {number} top
   * @param {string} pointerType
   */
  #rowAt(left, top, pointerType) {
    const reach = pointerType === "mouse" ? REACH.mouse : REACH.touch;
    const [x, y] = this.camera.toMap(left, top);
    return nearestRow(this.#map, this.#codes, x, y, reach / this.camera.scale);
  }

  /** Label of a cluster at a pixel. @param {number} left @param {number} top */
  #labelAt(left, top) {
    const at = { left, right: left, top, bottom: top };
    return this.#shown.find((label) => label.level < this.#map.levels.length && overlap(at, boxOf(label, this.camera)));
  }

  /** Name the repository under the mouse. @param {number} row */
  #hover(row) {
    if (row === this.#hovered) return;
    this.#hovered = row;
    this.#tooltip.hidden = true;
    this.element.classList.toggle("is-pointing", row >= 0);
    if (row >= 0) {
      const { x, y } = placeOfRow(this.#map, row);
      const [left, top] = this.camera.toScreen(x, y);
      this.#describe(row).catch(() => {}); // without a note
      this.#tooltip.classList.toggle("to-the-left", left > this.camera.width / 2);
      this.#tooltip.classList.toggle("above", top > this.camera.height / 2);
      this.#tooltip.style.translate = `${left}px ${top}px`;
    }
    this.redraw();
  }

  /** Fill the note, unless the mouse has moved on. @param {number} row */
  async #describe(row) {
    const content = await this.#options.describe(row);
    if (row !== this.#hovered) return;
    this.#tooltip.replaceChildren(...content);
    this.#tooltip.hidden = false;
  }
}

/**
 * A canvas and what draws on it: WebGL if a graphics chip does it, else pixels, which are drawn faster than a processor
 * plays graphics chip.
 * @param {MapData} map
 * @returns {[HTMLCanvasElement, WebglRenderer | CanvasRenderer]}
 */
function createRenderer(map) {
  const canvas = () => h("canvas", { "aria-hidden": "true" });
  try {
    const webgl = canvas();
    return [webgl, new WebglRenderer(webgl, map)];
  } catch {
    const flat = canvas();
    return [flat, new CanvasRenderer(flat, map)];
  }
}
