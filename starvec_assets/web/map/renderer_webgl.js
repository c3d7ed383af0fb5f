// Draws the points with WebGL 2.

import { middleDiameter, NICHE, OPACITY, PER_DOUBLING } from "./point_size.js";
import { HIDDEN, PALETTE_SIZE } from "./theme.js";

/** @import { Camera } from "./camera.js" */
/** @import { MapData } from "./map_data.js" */
/** @import { Theme } from "./theme.js" */

// Rows are stored in reverse, so that the most starred are drawn last, above the others.
const VERTEX_SHADER = `#version 300 es
in vec2 place;
in float code;
uniform vec4 view;
uniform float diameter, pixelRatio, m;
uniform vec3 palette[${PALETTE_SIZE}];
flat out vec3 tint;
flat out float size;
void main() {
  size = diameter * pixelRatio * (${NICHE.toFixed(3)} + ${PER_DOUBLING.toFixed(3)} * log2(m / (m - float(gl_VertexID))));
  tint = palette[min(int(code), ${PALETTE_SIZE - 1})];
  gl_PointSize = size + 1.0;
  gl_Position = vec4((place - view.xy) * view.zw, 0.0, 1.0);
  if (code == ${HIDDEN.toFixed(1)}) gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
}`;
const FRAGMENT_SHADER = `#version 300 es
precision mediump float;
flat in vec3 tint;
flat in float size;
uniform float opacity;
out vec4 colour;
void main() {
  float inside = clamp(0.5 * (size + 1.0) - (size + 1.0) * length(gl_PointCoord - 0.5), 0.0, 1.0) * opacity;
  colour = vec4(tint * inside, inside);
}`;

export class WebglRenderer {
  name = "WebGL";
  /** @type {WebGL2RenderingContext} */
  #gl;
  #uniforms;
  #m;
  #codes;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {MapData} map
   * @throws {Error} if the browser has no WebGL 2, or no graphics chip for it
   */
  constructor(canvas, { m, places }) {
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false });
    if (!gl) throw new Error("This browser has no WebGL 2.");
    if (isSoftware(gl)) throw new Error("This browser has no graphics chip for WebGL 2.");
    const program = createProgram(gl);
    this.#gl = gl;
    this.#m = m;
    const uniform = (/** @type {string} */ name) => gl.getUniformLocation(program, name);
    this.#uniforms = {
      ...{ view: uniform("view"), diameter: uniform("diameter"), pixelRatio: uniform("pixelRatio") },
      ...{ palette: uniform("palette"), opacity: uniform("opacity"), m: uniform("m") },
    };
    const reversed = new Uint32Array(places.slice().buffer).reverse(); // a pair of uint16 is one uint32
    this.#attribute(program, "place", reversed, 2, gl.UNSIGNED_SHORT, true);
    this.#codes = this.#attribute(program, "code", new Uint8Array(m), 1, gl.UNSIGNED_BYTE, false);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /**
   * @param {WebGLProgram} program
   * @param {string} name
   * @param {Uint32Array | Uint8Array} values
   * @param {number} size
   * @param {number} type
   * @param {boolean} normalized
   */
  #attribute(program, name, values, size, type, normalized) {
    const gl = this.#gl;
    const buffer = gl.createBuffer();
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, size, type, normalized, 0, 0);
    return buffer;
  }

  /** Colour of each row: position in the palette, or HIDDEN. @param {Uint8Array} codes [m] */
  setCodes(codes) {
    const gl = this.#gl;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#codes);
    gl.bufferData(gl.ARRAY_BUFFER, codes.slice().reverse(), gl.STATIC_DRAW);
  }

  /**
   * Draw the part of the map that the camera shows, on all of the canvas.
   * @param {Camera} camera
   * @param {Theme} theme
   * @param {number} opacity in units of the usual one
   */
  draw(camera, { paper, palette }, opacity) {
    const gl = this.#gl;
    const { drawingBufferWidth: width, drawingBufferHeight: height } = gl;
    gl.viewport(0, 0, width, height);
    gl.clearColor(paper[0] / 255, paper[1] / 255, paper[2] / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const { view, diameter, pixelRatio, palette: tints, opacity: alpha, m } = this.#uniforms;
    gl.uniform4f(view, camera.x, camera.y, (2 * camera.scale) / camera.width, (-2 * camera.scale) / camera.height);
    gl.uniform1f(diameter, middleDiameter(camera, this.#m));
    gl.uniform1f(pixelRatio, width / camera.width);
    gl.uniform1f(m, this.#m);
    gl.uniform1f(alpha, opacity * OPACITY);
    gl.uniform3fv(
      tints,
      Float32Array.from(palette.flat(), (x) => x / 255),
    );
    gl.drawArrays(gl.POINTS, 0, this.#m);
  }

  /** Free the graphics memory now; browsers allow few contexts at a time. */
  dispose() {
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Whether a processor plays graphics chip, which draws slower than our own pixels. @param {WebGL2RenderingContext} gl */
function isSoftware(gl) {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(String(renderer));
}

/** @param {WebGL2RenderingContext} gl */
function createProgram(gl) {
  const program = gl.createProgram();
  for (const [type, source] of /** @type {const} */ ([
    [gl.VERTEX_SHADER, VERTEX_SHADER],
    [gl.FRAGMENT_SHADER, FRAGMENT_SHADER],
  ])) {
    const shader = /** @type {WebGLShader} */ (gl.createShader(type));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS))
    throw new Error(`WebGL: ${gl.getProgramInfoLog(program) || "the program was not linked"}`);
  gl.useProgram(program);
  return program;
}
