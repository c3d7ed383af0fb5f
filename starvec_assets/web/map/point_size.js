// How large and how dense points are drawn, the same for both renderers.

/** @import { Camera } from "./camera.js" */

const [LEAST, MOST] = [1, 9]; // diameter of a point of middling fame in CSS pixels
/** Diameter of the least starred repository in units of the middling one, and what each doubling of the rank adds. */
export const [NICHE, PER_DOUBLING] = [0.72, 0.11];
export const OPACITY = 0.82;
export const MAX_PIXEL_RATIO = 2; // more device pixels for each CSS pixel are not seen, but drawn slower

/**
 * Diameter in CSS pixels of a point of middling fame: grows with the distance between points, but slower.
 * @param {Camera} camera
 * @param {number} m points of the map
 */
export const middleDiameter = ({ scale }, m) => Math.max(LEAST, Math.min(1.15 * (scale / Math.sqrt(m)) ** 0.55, MOST));

/**
 * Diameter of a row in units of the middling one. Stars fall as a power of the rank, so this grows with their logarithm.
 * @param {number} row
 * @param {number} m
 */
export const fameFactor = (row, m) => NICHE + PER_DOUBLING * Math.log2(m / (row + 1));

/** Radius of a row's point in CSS pixels. @param {Camera} camera @param {number} row @param {number} m */
export const pointRadius = (camera, row, m) => 0.5 * middleDiameter(camera, m) * fameFactor(row, m);
