// Gzipped files of data/: fetched whole, inflated, at most MAX_INFLATED_BYTES of them.

import { free } from "./memory.js";
import { dataUrl } from "./model.js";
import { assert, assertIntact, BundleError, fetchFile, readBody } from "./validate.js";

/** @import { Model } from "./model.js" */

const MAX_INFLATED_BYTES = 2 ** 29;
const GZIP_FRAME = 18; // bytes of a gzipped file without content
const SLICE_BYTES = 2 ** 16; // inflated at a time, which takes about a millisecond

/**
 * A function that loads a gzipped file at its first call for a model; after a failure the next call tries again.
 * @template T
 * @param {string} name of the file, which the model must list
 * @param {(bytes: ArrayBuffer, model: Model) => T} parse
 * @returns {(model: Model, base?: URL | string) => Promise<T>} `base`: address of data/
 */
export function lazyFile(name, parse) {
  /** @type {WeakMap<Model, Promise<T>>} */
  const loading = new WeakMap();
  return (model, base = new URL("data/", document.baseURI)) => {
    const content = loading.get(model) ?? fetchInflated(base, name, model).then((bytes) => parse(bytes, model));
    loading.set(model, content);
    content.catch(() => loading.delete(model));
    return content;
  };
}

/**
 * Fetch a gzipped file of data/, inflate it, and check what was in it.
 * @param {URL | string} base address of data/
 * @param {string} name
 * @param {Pick<Model, "files">} model
 * @param {RequestInit} [options]
 * @throws {BundleError}
 */
export async function fetchInflated(base, name, model, options) {
  const file = model.files[name];
  const bytes = await readBody(await fetchFile(dataUrl(base, name, model), options), name);
  // Some hosts send .gz files with Content-Encoding: gzip, so that the browser has inflated them already.
  const content = bytes.byteLength === file.bytes ? await inflate(bytes, name) : bytes;
  await assertIntact(content, file.inflatedSha256, name);
  return content;
}

/**
 * Inflate a gzipped file, to MAX_INFLATED_BYTES at most, slice by slice into one buffer: every copy of it would stay in
 * memory for a while. What was packed is freed.
 * @param {ArrayBuffer} packed
 * @param {string} name
 * @returns {Promise<ArrayBuffer>}
 * @throws {BundleError}
 */
export async function inflate(packed, name) {
  const damaged = `${name} is damaged: reload the page.`;
  assert(packed.byteLength >= GZIP_FRAME, damaged);
  const size = new DataView(packed).getUint32(packed.byteLength - 4, true); // RFC 1952: a file ends with it
  assert(size <= MAX_INFLATED_BYTES, damaged);
  const content = new Uint8Array(size);
  let filled = 0;
  try {
    const reader = slicesOf(packed).pipeThrough(new DecompressionStream("gzip")).getReader();
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      content.set(chunk.value, filled); // throws where there is more than the file says
      filled += chunk.value.length;
      free(chunk.value.buffer);
    }
  } catch {
    throw new BundleError(damaged);
  }
  assert(filled === size, damaged);
  free(packed);
  return content.buffer;
}

/** @param {ArrayBuffer} bytes @returns {ReadableStream<Uint8Array<ArrayBuffer>>} */
function slicesOf(bytes) {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      controller.enqueue(new Uint8Array(bytes, at, Math.min(SLICE_BYTES, bytes.byteLength - at)));
      at += SLICE_BYTES;
    },
  });
}
