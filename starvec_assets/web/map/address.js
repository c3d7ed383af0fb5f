// Addresses of places on the map.

/** @import { Place } from "./camera.js" */
/**
 * @typedef {object} MapAddress
 * @property {Place | null} place
 * @property {string} at name of the chosen repository, "" for none
 * @property {{level: number, id: number} | null} cluster
 * @property {string} person login of the developer who is shown beside, "" for none
 * @property {"field" | "language"} colouring
 */

/** @param {URLSearchParams} parameters @returns {MapAddress} */
export function parseMapAddress(parameters) {
  const [x, y, zoom] = ["x", "y", "z"].map((key) => Number.parseFloat(parameters.get(key) ?? ""));
  const cluster = /^(\d)-(\d{1,9})$/.exec(parameters.get("cluster") ?? "");
  return {
    place: [x, y, zoom].every(Number.isFinite) ? { x, y, zoom } : null,
    at: (parameters.get("at") ?? "").slice(0, 200),
    cluster: cluster && { level: Number(cluster[1]), id: Number(cluster[2]) },
    person: (parameters.get("with") ?? "").slice(0, 60),
    colouring: parameters.get("colour") === "language" ? "language" : "field",
  };
}

/** @param {Partial<MapAddress>} address */
export function mapHref({ place = null, at = "", cluster = null, person = "", colouring = "field" }) {
  const parts = [
    at && `at=${encodeURIComponent(at).replaceAll("%2F", "/")}`,
    cluster && `cluster=${cluster.level}-${cluster.id}`,
    person && `with=${encodeURIComponent(person)}`,
    place && `x=${place.x.toFixed(4)}&y=${place.y.toFixed(4)}&z=${place.zoom.toFixed(2)}`,
    colouring === "language" && "colour=language",
  ].filter(Boolean);
  return parts.length ? `#/map?${parts.join("&")}` : "#/map";
}
