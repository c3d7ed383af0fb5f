// Curves of a repository and of clusters beside what other views show of them: nothing where there is no curve.

import { formatCount, h, replace } from "./dom.js";
import { hasTrends } from "./engine/model.js";
import { risingHref } from "./state.js";
import { sparkline } from "./trend_chart.js";
import { clusterKey, loadTrends } from "./trends_data.js";

/** @import { App } from "./state.js" */
/** @import { Trends } from "./trends_data.js" */

/** A share as printed, in per cent: 0.0521 %, 8.10 %. @param {number} share */
export const formatShare = (share) => `${share ? (100 * share).toPrecision(3) : 0}\u00a0%`;

/** Curve of a repository's stars by month. @param {Trends} trends @param {number} row */
export function repositorySparkline(trends, row) {
  const series = trends.series(row);
  return series && sparkline(trends.months, series, (stars) => `${formatCount(stars)} stars`);
}

/**
 * A repository's stars by month, empty until the trends are loaded, which happens once there are vectors: those who have
 * neither are asked before they download.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {number} row
 */
export function repositoryTrend(app, signal, row) {
  return whenLoaded(app, signal, app.engine.ready, (trends) => {
    const curve = repositorySparkline(trends, row);
    if (!curve) return null;
    const link = h("a", { href: risingHref() }, "what is rising");
    return h("p", { class: "trend aside" }, curve, h("span", {}, "stars by month in these data"), link);
  });
}

/**
 * Share of all stars of clusters of the map by month, with a link to what is rising if it is one cluster.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {number[]} clusters ids
 */
export function clusterTrend(app, signal, clusters) {
  return whenLoaded(app, signal, Promise.resolve(), (trends) => {
    const share = trends.shareOfClusters(clusters);
    const newest = share?.findLast((value) => value !== null);
    if (!share || typeof newest !== "number") return null;
    return h(
      "p",
      { class: "trend" },
      sparkline(trends.months, share, formatShare),
      h("span", {}, `${formatShare(newest)} of all stars `),
      clusters.length === 1 && h("a", { href: risingHref({ field: clusterKey(clusters[0]) }) }, "what is rising here"),
    );
  });
}

/**
 * An element that is filled once the trends are loaded.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Promise<void>} first what to wait for before they are loaded
 * @param {(trends: Trends) => Node | null} render
 */
function whenLoaded(app, signal, first, render) {
  const element = h("div", {});
  const show = async () => {
    await first;
    const trends = await loadTrends(app.model);
    if (!signal.aborted) replace(element, render(trends));
  };
  if (hasTrends(app.model)) show().catch(() => {}); // the view of what is rising says what is wrong with them
  return element;
}
