// data/first.gz: names, columns and vectors of the most starred repositories, which answer before all others are here.
// The writer is starvec_assets/export/first_rows.py.

import { fetchInflated } from "./data_file.js";
import { assert } from "./validate.js";

/** @import { Model } from "./model.js" */

/**
 * @typedef {object} FirstRows
 * @property {ArrayBuffer} columns those of columns.gz
 * @property {Uint8Array<ArrayBuffer>} vectors int8, the beginning of vectors.hi
 * @property {Uint8Array} names lines of UTF-8
 */

const COLUMN_BYTES = 16; // of a row

/**
 * @param {URL} base address of data/
 * @param {Pick<Model, "files" | "firstRows" | "d">} model
 * @returns {Promise<FirstRows>}
 * @throws {BundleError}
 */
export async function loadFirstRows(base, model) {
  const bytes = await fetchInflated(base, "first.gz", model, { priority: "high" });
  const vectorsAt = COLUMN_BYTES * model.firstRows;
  const namesAt = vectorsAt + model.d * model.firstRows;
  assert(bytes.byteLength >= namesAt, "first.gz is cut off: reload the page.");
  return {
    columns: bytes.slice(0, vectorsAt),
    vectors: new Uint8Array(bytes, vectorsAt, model.d * model.firstRows),
    names: new Uint8Array(bytes, namesAt),
  };
}
