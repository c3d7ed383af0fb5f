// data/topics.gz: which repositories have a topic. The writer is starvec_assets/export/topics_file.py, which describes it.

import { MAX_TOPIC_LENGTH, TOPIC_PATTERN } from "../github_names.js";
import { TOPICS_FILE } from "./model.js";
import { asArray, asInteger, asString, assert, readHeader } from "./validate.js";
import { Varints } from "./varints.js";

/** @typedef {{topic: string, count: number}} TopicSize how many repositories have a topic */

const MAX_TOPICS = 100_000;

export class Topics {
  /** Most common first. @type {TopicSize[]} */
  #sizes;
  /** Place of each topic among them. @type {Map<string, number>} */
  #numberOf = new Map();
  #varints;
  /** Where those of each topic begin. */
  #starts;

  /**
   * @param {ArrayBuffer} bytes inflated
   * @param {number} n rows of the model
   * @throws {BundleError}
   */
  constructor(bytes, n) {
    const { content, end } = readHeader(bytes, TOPICS_FILE);
    const topics = asArray(content.topics, MAX_TOPICS, "topics.gz: topics");
    const counts = asArray(content.counts, MAX_TOPICS, "topics.gz: counts");
    assert(counts.length === topics.length, `topics.gz: counts are not ${topics.length}.`);
    this.#varints = new Uint8Array(bytes, end);
    this.#starts = new Uint32Array(topics.length);
    const numbers = new Varints(this.#varints, 0);
    this.#sizes = topics.map((value, i) => {
      const topic = asString(value, MAX_TOPIC_LENGTH, "topics.gz: a topic");
      assert(TOPIC_PATTERN.test(topic) && !this.#numberOf.has(topic), "topics.gz: a topic is none, or there twice.");
      const count = asInteger(counts[i], 1, n, `topics.gz: count of ${topic}`);
      this.#numberOf.set(topic, i);
      this.#starts[i] = numbers.at;
      let row = -1;
      for (let j = 0; j < count; j++) row += numbers.next() + 1;
      assert(row < n, "topics.gz names a repository that is not in the bundle.");
      return { topic, count };
    });
    assert(numbers.at === this.#varints.length, "topics.gz has another number of rows than it says.");
  }

  /** How many repositories have a topic, 0 for one that is not known. @param {string} topic */
  count(topic) {
    return this.#sizes[this.#numberOf.get(topic) ?? -1]?.count ?? 0;
  }

  /** Rows that have a topic, ascending; none for one that is not known. @param {string} topic */
  rows(topic) {
    const rows = new Uint32Array(this.count(topic));
    const numbers = new Varints(this.#varints, this.#starts[this.#numberOf.get(topic) ?? 0]);
    for (let i = 0, row = -1; i < rows.length; i++) {
      row += numbers.next() + 1;
      rows[i] = row;
    }
    return rows;
  }

  /**
   * The most common topics that begin with what was typed, then those that contain it.
   * @param {string} typed as a topic is written, "" for any
   * @param {number} k at most so many
   */
  suggest(typed, k) {
    const begins = this.#sizes.filter(({ topic }) => topic.startsWith(typed));
    const contain = this.#sizes.filter(({ topic }) => topic.lastIndexOf(typed) > 0 && !topic.startsWith(typed));
    return [...begins, ...contain].slice(0, k);
  }
}
