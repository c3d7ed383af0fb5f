// Vector operations that the page and the worker share. The Python counterpart is starvec_assets/vectors.py.

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
 * A copy of `vector` with length one; a zero vector stays zero.
 * @param {ArrayLike<number>} vector
 */
export function unitVector(vector) {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return Float32Array.from(vector, (x) => x / length);
}

/**
 * Vector of a person or a basket: the unit weighted mean of unit rows.
 * @param {Float32Array} rows [m * d], as Engine.vectors returns them
 * @param {ArrayLike<number> | null} weights [m]; null for equal weights; a negative weight subtracts
 * @param {number} d
 */
export function userVector(rows, weights, d) {
  const sum = new Float64Array(d);
  for (let i = 0; i < rows.length; i++) sum[i % d] += weights ? weights[Math.floor(i / d)] * rows[i] : rows[i];
  return unitVector(sum);
}

/**
 * Weights of starred repositories in the mean of a person: stars ** -famePower.
 * @param {ArrayLike<number>} stars
 * @param {number} famePower
 */
export function fameWeights(stars, famePower) {
  return Float64Array.from(stars, (s) => Math.max(s, 1) ** -famePower);
}
