// Gzipped files of data/: fetched whole, inflated, at most MAX_INFLATED_BYTES of them.

import { dataUrl } from "./model.js";
import { assert, assertIntact, BundleError, fetchFile, readBody } from "./validate.js";

/** @import { Model } from "./model.js" */

const MAX_INFLATED_BYTES = 2 ** 29;

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
 * @throws {BundleError}
 */
export async function fetchInflated(base, name, model) {
  const file = model.files[name];
  let bytes = await readBody(await fetchFile(dataUrl(base, name, model)), name);
  // Some hosts send .gz files with Content-Encoding: gzip, so that the browser has inflated them already.
  if (bytes.byteLength === file.bytes) bytes = await inflate(bytes, name);
  await assertIntact(bytes, file.inflatedSha256, name);
  return bytes;
}

/**
 * Inflate a gzipped file, to MAX_INFLATED_BYTES at most.
 * @param {BlobPart} packed
 * @param {string} name
 * @throws {BundleError}
 */
export async function inflate(packed, name) {
  try {
    return await readBounded(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")), name);
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`${name} is damaged: reload the page.`);
  }
}

/**
 * Read a whole stream, at most MAX_INFLATED_BYTES of it.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {string} name
 */
function readBounded(stream, name) {
  let size = 0;
  const counter = new TransformStream({
    /**
     * @param {Uint8Array} chunk
     * @param {TransformStreamDefaultController<Uint8Array>} controller
     */
    transform(chunk, controller) {
      size += chunk.length;
      assert(size <= MAX_INFLATED_BYTES, `${name} is larger than anything this page has use for.`);
      controller.enqueue(chunk);
    },
  });
  return new Response(stream.pipeThrough(counter)).arrayBuffer();
}
