// Validation of everything that comes over the network. A failed check is a BundleError with one sentence to show.

/** An error whose message is shown to the reader. */
export class BundleError extends Error {}

/**
 * @param {boolean} condition
 * @param {string} message
 * @returns {asserts condition}
 * @throws {BundleError}
 */
export function assert(condition, message) {
  if (!condition) throw new BundleError(message);
}

/**
 * @param {unknown} value
 * @param {string} what name of the value in the message
 * @returns {number}
 */
export function asFiniteNumber(value, what) {
  assert(typeof value === "number" && Number.isFinite(value), `${what} is not a number.`);
  return /** @type {number} */ (value);
}

/**
 * @param {unknown} value
 * @param {number} min
 * @param {number} max
 * @param {string} what
 * @returns {number}
 */
export function asInteger(value, min, max, what) {
  const number = asFiniteNumber(value, what);
  assert(Number.isInteger(number) && number >= min && number <= max, `${what} is not from ${min} to ${max}.`);
  return number;
}

/**
 * @param {unknown} value
 * @param {number} maxLength
 * @param {string} what
 * @returns {string}
 */
export function asString(value, maxLength, what) {
  assert(
    typeof value === "string" && value.length <= maxLength,
    `${what} is not a text of at most ${maxLength} characters.`,
  );
  return /** @type {string} */ (value);
}

/**
 * @param {unknown} value
 * @param {number} maxLength
 * @param {string} what
 * @returns {unknown[]}
 */
export function asArray(value, maxLength, what) {
  assert(Array.isArray(value) && value.length <= maxLength, `${what} is not a list of at most ${maxLength}.`);
  return /** @type {unknown[]} */ (value);
}

/**
 * @param {unknown} value
 * @param {string} what
 * @returns {Record<string, unknown>}
 */
export function asObject(value, what) {
  assert(typeof value === "object" && value !== null && !Array.isArray(value), `${what} is not an object.`);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * Decode Base64 of little-endian float32.
 * @param {unknown} value
 * @param {number} length how many numbers it must hold
 * @param {string} what
 */
export function asFloats(value, length, what) {
  const bytes = decodeNumbers(value, length, 4, what);
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++) numbers[i] = bytes.getFloat32(4 * i, true);
  assert(numbers.every(Number.isFinite), `${what} holds numbers that are not finite.`);
  return numbers;
}

/**
 * Decode Base64 of int8.
 * @param {unknown} value
 * @param {number} length how many numbers it must hold
 * @param {string} what
 */
export function asInt8s(value, length, what) {
  const bytes = decodeNumbers(value, length, 1, what);
  return new Int8Array(bytes.buffer);
}

/**
 * Decode Base64 of little-endian int16.
 * @param {unknown} value
 * @param {number} length how many numbers it must hold
 * @param {string} what
 */
export function asInt16s(value, length, what) {
  const bytes = decodeNumbers(value, length, 2, what);
  const numbers = new Int16Array(length);
  for (let i = 0; i < length; i++) numbers[i] = bytes.getInt16(2 * i, true);
  return numbers;
}

/**
 * @param {unknown} value Base64
 * @param {number} length how many numbers it must hold
 * @param {number} size bytes of a number
 * @param {string} what
 */
function decodeNumbers(value, length, size, what) {
  const encoded = asString(value, Math.ceil((size * length) / 3) * 4 + 4, what);
  let decoded;
  try {
    decoded = atob(encoded);
  } catch {
    throw new BundleError(`${what} is not Base64.`);
  }
  assert(decoded.length === size * length, `${what} is not ${length} numbers.`);
  const bytes = new Uint8Array(decoded.length); // by loops, as in the functions above: ten times as quick as `from`
  for (let i = 0; i < decoded.length; i++) bytes[i] = decoded.charCodeAt(i);
  return new DataView(bytes.buffer);
}

/**
 * Read the JSON that a binary file begins with: its length as little-endian uint32, then the JSON, padded to whole words.
 * @param {ArrayBuffer} bytes
 * @param {string} name of the file in the message
 * @returns {{content: Record<string, unknown>, end: number}} `end`: where the rest begins
 * @throws {BundleError}
 */
export function readHeader(bytes, name) {
  assert(bytes.byteLength >= 8, `${name} is cut off.`);
  const end = 4 + new DataView(bytes).getUint32(0, true);
  assert(end % 4 === 0 && end <= bytes.byteLength, `${name} is cut off or is of another format.`);
  let content;
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes, 4, end - 4)));
  } catch {
    throw new BundleError(`${name} holds no JSON at its beginning.`);
  }
  return { content: asObject(content, name), end };
}

/**
 * Fetch a file of the bundle.
 * @param {URL} url
 * @param {RequestInit} [options]
 * @param {number[]} [statuses] that are an answer, too, beside those of success
 * @throws {BundleError}
 */
export async function fetchFile(url, options, statuses = []) {
  const name = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new BundleError(`${name} could not be fetched: is there a network?`);
  }
  assert(
    response.ok || statuses.includes(response.status),
    `${name} could not be fetched: the server answered ${response.status}.`,
  );
  return response;
}

/**
 * The whole body of a response.
 * @param {Response} response
 * @param {string} name of the file in the message
 * @throws {BundleError} when the connection ends before it does
 */
export async function readBody(response, name) {
  try {
    return await response.arrayBuffer();
  } catch {
    throw new BundleError(`The download of ${name} was cut off: try again.`);
  }
}

/**
 * @param {BufferSource} bytes
 * @param {string} expected SHA-256 in hexadecimal
 * @param {string} name of the file in the message
 * @throws {BundleError} when they are others, as they may be while a host is updated
 */
export async function assertIntact(bytes, expected, name) {
  assert(await isIntact(bytes, expected), `${name} is not what model.json says it is (SHA-256): reload the page.`);
}

/**
 * SHA-256 in hexadecimal, or null where the browser cannot compute it. A page served over HTTP from another machine has
 * no crypto.subtle; a digest that came the same way would not protect it either.
 * @param {BufferSource} bytes
 */
export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Whether bytes are those of a file of the bundle; true where the browser cannot tell.
 * @param {BufferSource} bytes
 * @param {string} expected their SHA-256 in hexadecimal
 */
export async function isIntact(bytes, expected) {
  const digest = await sha256(bytes);
  return digest === null || digest === expected;
}
