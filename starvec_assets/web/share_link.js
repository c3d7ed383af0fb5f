// Encodes a profile as "2.<model id>.<Base64url>" for a link to #/compare. docs/page.md describes the format by bytes.

import { unitVector } from "./engine/vectors.js";
import { LOGIN_PATTERN } from "./github_names.js";

const VERSION = 2;
const MAX_LENGTH = 8192; // characters; enough for 2,048 dimensions
const MODEL_ID_PATTERN = /^[0-9a-f]{16}$/;

/** A link that cannot be shown; the message is one sentence for the reader. */
export class LinkError extends Error {}

/**
 * Encode a profile as text that is safe in an address.
 * @param {{vector: Float32Array, starsUsed: number}} person unit vector, and how many stars it is the mean of
 * @param {string} login of that person, "" to leave it out
 * @param {string} modelId
 */
export function encodeProfile({ vector, starsUsed }, login, modelId) {
  const d = vector.length;
  const end = 2 + 2 * d;
  const bytes = new Uint8Array(end + 4 + 1 + login.length + 4);
  const view = new DataView(bytes.buffer);
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  view.setUint16(0, d, true);
  for (let i = 0; i < d; i++) view.setInt16(2 + 2 * i, Math.round((vector[i] / largest) * 32767), true);
  view.setUint32(end, starsUsed, true);
  bytes[end + 4] = login.length;
  for (let i = 0; i < login.length; i++) bytes[end + 5 + i] = login.charCodeAt(i);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
  return `${VERSION}.${modelId}.${toBase64url(bytes)}`;
}

/**
 * Decode and validate `text`, which anybody may have written.
 * @param {string} text
 * @param {{id: string, d: number}} model
 * @returns {{vector: Float32Array, starsUsed: number, login: string}}
 * @throws {LinkError}
 */
export function decodeProfile(text, model) {
  if (text.length > MAX_LENGTH)
    throw new LinkError(
      `This link is no profile: it is ${text.length.toLocaleString("en-US")} characters long, a profile has a few hundred.`,
    );
  const [version, id, payload, ...rest] = text.split(".");
  if (!/^\d{1,4}$/.test(version) || !id || !payload || rest.length)
    throw new LinkError("This link is no profile: it is cut short, or something was added to it. Ask for it again.");
  if (Number(version) !== VERSION)
    throw new LinkError(
      `This link has format ${version}, this page reads format ${VERSION}: it was made by another version of the page. Ask for a new link made here.`,
    );
  if (!MODEL_ID_PATTERN.test(id)) throw new LinkError("This link names no model: it is damaged. Ask for it again.");
  if (id !== model.id)
    throw new LinkError(
      `This profile was made with another model (${id}); this page has ${model.id}, and vectors of two models cannot be compared. Ask for a new link made here.`,
    );
  const bytes = fromBase64url(payload);
  const view = new DataView(bytes.buffer);
  if (bytes.length < 7 || view.getUint32(bytes.length - 4, true) !== crc32(bytes.subarray(0, -4)))
    throw new LinkError("This link is damaged: its checksum is wrong. Ask for it again.");
  const d = view.getUint16(0, true);
  if (d !== model.d) throw new LinkError(`This link has ${d} dimensions, this model ${model.d}: it cannot be shown.`);
  const end = 2 + 2 * d;
  if (bytes.length < end + 9 || bytes.length !== end + 5 + bytes[end + 4] + 4)
    throw new LinkError("This link is no profile: its parts do not have the lengths they say. Ask for it again.");
  const vector = Float32Array.from({ length: d }, (_, i) => view.getInt16(2 + 2 * i, true));
  if (!vector.some((value) => value !== 0))
    throw new LinkError("This link holds an empty profile: every number in it is zero.");
  const starsUsed = view.getUint32(end, true);
  if (!starsUsed) throw new LinkError("This link holds an empty profile: it is made of no stars.");
  const login = String.fromCharCode(...bytes.subarray(end + 5, -4));
  if (login && !LOGIN_PATTERN.test(login))
    throw new LinkError("This link names nobody who could have a GitHub login: it is damaged. Ask for it again.");
  return { vector: unitVector(vector), starsUsed, login };
}

/** @param {Uint8Array} bytes */
function toBase64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** @param {string} text */
function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1)
    throw new LinkError(
      "This link is damaged: it holds characters that no such link has, or has lost some. Ask for it again.",
    );
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
}

/** CRC-32 as in gzip (polynomial 0xEDB88320). @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
