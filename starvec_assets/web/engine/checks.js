// @ts-check
/** Whatever comes over the network is checked before it is used; what is wrong is said in one sentence. */

/** An error whose message is meant to be shown. */
export class BundleError extends Error {}

/**
 * @param {boolean} condition
 * @param {string} message
 * @returns {asserts condition}
 */
export function check(condition, message) {
  if (!condition) throw new BundleError(message);
}

/** @param {unknown} value @param {string} what @returns {number} */
export function finite(value, what) {
  check(typeof value === "number" && Number.isFinite(value), `${what} is not a number.`);
  return /** @type {number} */ (value);
}

/** @param {unknown} value @param {number} least @param {number} most @param {string} what @returns {number} */
export function whole(value, least, most, what) {
  const number = finite(value, what);
  check(Number.isInteger(number) && number >= least && number <= most, `${what} is not from ${least} to ${most}.`);
  return number;
}

/** @param {unknown} value @param {number} longest @param {string} what @returns {string} */
export function text(value, longest, what) {
  check(typeof value === "string" && value.length <= longest, `${what} is not a text of at most ${longest} characters.`);
  return /** @type {string} */ (value);
}

/** @param {unknown} value @param {number} longest @param {string} what @returns {unknown[]} */
export function list(value, longest, what) {
  check(Array.isArray(value) && value.length <= longest, `${what} is not a list of at most ${longest}.`);
  return /** @type {unknown[]} */ (value);
}

/** @param {unknown} value @param {string} what @returns {Record<string, unknown>} */
export function record(value, what) {
  check(typeof value === "object" && value !== null && !Array.isArray(value), `${what} is not an object.`);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {unknown} value Base64 of little-endian float32
 * @param {number} d how many numbers it must be
 * @param {string} what
 */
export function floats(value, d, what) {
  const encoded = text(value, Math.ceil((4 * d) / 3) * 4 + 4, what);
  let decoded;
  try {
    decoded = atob(encoded);
  } catch {
    throw new BundleError(`${what} is not Base64.`);
  }
  check(decoded.length === 4 * d, `${what} is not ${d} numbers.`);
  const bytes = new DataView(Uint8Array.from(decoded, (c) => c.charCodeAt(0)).buffer);
  const numbers = Float32Array.from({ length: d }, (_, i) => bytes.getFloat32(4 * i, true));
  check(numbers.every(Number.isFinite), `${what} holds numbers that are not finite.`);
  return numbers;
}

/**
 * A file of the bundle.
 * @param {URL} url
 * @param {RequestInit} [options]
 */
export async function get(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new BundleError(`${nameOf(url)} could not be fetched: is there a network?`);
  }
  check(response.ok, `${nameOf(url)} could not be fetched: the server answered ${response.status}.`);
  return response;
}

/** @param {URL} url */
const nameOf = (url) => url.pathname.slice(url.pathname.lastIndexOf("/") + 1);

/**
 * SHA-256 in hexadecimal, or null where the browser has none: a page that came over plain HTTP from another machine
 * has neither crypto.subtle nor any protection that a digest, come the same way, could add.
 * @param {BufferSource} bytes
 */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
