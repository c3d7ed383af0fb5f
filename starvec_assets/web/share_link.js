// Encodes a profile or a card as "<format>.<model id>.<Base64url>" for a link. docs/page.md describes the formats by bytes.

import { PROTOTYPES } from "./engine/prototypes.js";
import { unitVector } from "./engine/vectors.js";
import { LOGIN_PATTERN } from "./github_names.js";

/** @import { Prototypes } from "./engine/prototypes.js" */
/** @import { Person } from "./scoring.js" */
/**
 * @typedef {object} SharedProfile
 * @property {string} login "" where it is left out
 * @property {Float32Array} vector unit vector
 * @property {number | null} starsUsed how many stars `vector` is the mean of; null in links of format 1, which do not say
 * @property {Prototypes | null} prototypes of a card, which is format 3
 */

const [WITHOUT_STARS, WITH_STARS, CARD] = [1, 2, 3]; // formats
const MAX_LENGTH = 16_384; // characters; enough for a card of 1,024 dimensions
const MODEL_ID_PATTERN = /^[0-9a-f]{16}$/;
const PROFILES_PATTERN = /#\/compare\/([^?]*)/;

/** A link that cannot be shown; the message is one sentence for the reader. */
export class LinkError extends Error {}

/** The profiles that an address of the page holds; null if it is none. @param {string} address */
export const findProfiles = (address) => PROFILES_PATTERN.exec(address)?.[1].split("/") ?? null;

/**
 * Encode where a person's stars point as text that is safe in an address; without their number where it is unknown.
 * @param {Pick<Person, "vector" | "starsUsed" | "starsUnknown">} person
 * @param {string} login of that person, "" to leave it out
 * @param {string} modelId
 */
export const encodeProfile = ({ vector, starsUsed, starsUnknown }, login, modelId) =>
  encode({ login, vector, starsUsed: starsUnknown ? null : starsUsed, prototypes: null }, modelId);

/**
 * Encode a person's card: the profile and the prototypes.
 * @param {Pick<Person, "vector" | "starsUsed">} person
 * @param {Prototypes} prototypes
 * @param {string} login of that person, "" to leave it out
 * @param {string} modelId
 */
export const encodeCard = ({ vector, starsUsed }, prototypes, login, modelId) =>
  encode({ login, vector, starsUsed, prototypes }, modelId);

/**
 * @param {SharedProfile} profile
 * @param {string} modelId
 */
function encode({ login, vector, starsUsed, prototypes }, modelId) {
  const d = vector.length;
  const used = prototypes ? prototypes.weights.findLastIndex((weight) => weight > 0) + 1 : 0;
  const bytes = new Uint8Array(2 + 2 * d + 4 + 1 + login.length + 1 + used * (4 + d) + 4);
  const view = new DataView(bytes.buffer);
  const largest = vector.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  view.setUint16(0, d, true);
  for (let i = 0; i < d; i++) view.setInt16(2 + 2 * i, Math.round((vector[i] / largest) * 32767), true);
  let end = 2 + 2 * d;
  if (starsUsed !== null) {
    view.setUint32(end, starsUsed, true);
    end += 4;
  }
  bytes[end++] = login.length;
  for (let i = 0; i < login.length; i++) bytes[end++] = login.charCodeAt(i);
  if (prototypes) {
    bytes[end++] = used;
    for (let i = 0; i < used; i++) view.setFloat32(end + 4 * i, prototypes.weights[i], true);
    end += 4 * used;
    for (let i = 0; i < used * d; i++) view.setInt8(end + i, prototypes.vectors[i]);
    end += used * d;
  }
  view.setUint32(end, crc32(bytes.subarray(0, end)), true);
  const format = prototypes ? CARD : starsUsed === null ? WITHOUT_STARS : WITH_STARS;
  return `${format}.${modelId}.${toBase64url(bytes.subarray(0, end + 4))}`;
}

/**
 * Decode and validate `text`, which anybody may have written.
 * @param {string} text
 * @param {{id: string, d: number}} model
 * @returns {SharedProfile}
 * @throws {LinkError}
 */
export function decodeProfile(text, model) {
  if (text.length > MAX_LENGTH)
    throw new LinkError(
      `This link is no profile: it is ${text.length.toLocaleString("en-US")} characters long, a profile has a few hundred and a card under 2,000.`,
    );
  const [version, id, payload, ...rest] = text.split(".");
  const format = Number(version);
  if (!/^\d{1,4}$/.test(version) || !id || !payload || rest.length)
    throw new LinkError("This link is no profile: it is cut short, or something was added to it. Ask for it again.");
  if (format < WITHOUT_STARS || format > CARD)
    throw new LinkError(
      `This link has format ${format}, this page reads formats ${WITHOUT_STARS} to ${CARD}: it was made by another version of the page. Ask for a new link made here.`,
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
  const starsAt = 2 + 2 * d;
  const loginAt = starsAt + (format === WITHOUT_STARS ? 0 : 4);
  const prototypesAt = loginAt + 1 + bytes[loginAt];
  const count = format === CARD ? bytes[prototypesAt] : 0;
  const end = prototypesAt + (format === CARD ? 1 + count * (4 + d) : 0);
  if (bytes.length !== end + 4)
    throw new LinkError("This link is no profile: its parts do not have the lengths they say. Ask for it again.");
  const vector = Float32Array.from({ length: d }, (_, i) => view.getInt16(2 + 2 * i, true));
  if (!vector.some(Boolean)) throw new LinkError("This link holds an empty profile: every number in it is zero.");
  const starsUsed = format === WITHOUT_STARS ? null : view.getUint32(starsAt, true);
  if (starsUsed === 0) throw new LinkError("This link holds an empty profile: it is made of no stars.");
  const login = String.fromCharCode(...bytes.subarray(loginAt + 1, prototypesAt));
  if (login && !LOGIN_PATTERN.test(login))
    throw new LinkError("This link names nobody who could have a GitHub login: it is damaged. Ask for it again.");
  const prototypes = format === CARD ? readPrototypes(new DataView(bytes.buffer, prototypesAt + 1), count, d) : null;
  return { login, vector: unitVector(vector), starsUsed, prototypes };
}

/**
 * The directions of a card.
 * @param {DataView} view that begins with their weights
 * @param {number} count
 * @param {number} d
 * @returns {Prototypes}
 * @throws {LinkError}
 */
function readPrototypes(view, count, d) {
  const weights = Float32Array.from({ length: PROTOTYPES }, (_, i) => (i < count ? view.getFloat32(4 * i, true) : 0));
  const vectors = Int8Array.from({ length: PROTOTYPES * d }, (_, i) =>
    i < count * d ? view.getInt8(4 * count + i) : 0,
  );
  const isUsed = weights.map((weight, i) => Number(weight > 0 && vectors.subarray(i * d, (i + 1) * d).some(Boolean)));
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  if (
    !count ||
    count > PROTOTYPES ||
    !(whole > 0 && whole < 1.001) ||
    weights.some((weight, i) => weight !== 0 && !isUsed[i])
  )
    throw new LinkError("This card holds directions that no stars have: it is damaged. Ask for it again.");
  return { vectors, weights };
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
