// @ts-check
/** The operations on vectors that the page and the worker share. The Python twin is starvec_assets/vectors.py. */

/**
 * Dot product, summed in double precision.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * A copy of length one; a zero vector stays zero.
 * @param {ArrayLike<number>} vector
 */
export function unit(vector) {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return Float32Array.from(vector, (x) => x / length);
}

/**
 * The vector of a person or a basket: the unit weighted mean of unit rows.
 * @param {Float32Array} rows [m * d], as Engine.vectors gives them
 * @param {ArrayLike<number> | null} weights [m]; null weighs all alike, a negative one takes away
 * @param {number} d
 */
export function userVector(rows, weights, d) {
  const sum = new Float64Array(d);
  for (let i = 0; i < rows.length; i++) sum[i % d] += weights ? weights[Math.floor(i / d)] * rows[i] : rows[i];
  return unit(sum);
}

/**
 * Weights by the model's rule for people: stars ** -fame_power.
 * @param {ArrayLike<number>} stars
 * @param {number} famePower
 */
export function fameWeights(stars, famePower) {
  return Float64Array.from(stars, (s) => Math.max(s, 1) ** -famePower);
}
