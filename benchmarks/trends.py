"""Score what is rising on real series, with the formulas of others beside ours.

    python benchmarks/trends.py [--shared DIR] [--dates chosen|held-out|all]

DIR/trends/ranking.parquet has the running totals of repositories by day. On the 5th of each month since October 2023
the 90 days before are scored, and compared with the 28 days after it: precision at 100 of the largest relative growth,
its Spearman correlation, and precision at 100 of the largest gain. Then 60 bursts are planted into the same series, two
draws a date, 2 to 8 times the usual stars for the last 3 to 21 days, and stars are left out as an archive that loses
them would: the average precision of the bursts with all stars, when the share that is captured falls from 95 to 20 %
thirty or ten days before the end, and when it recovers ten days before. The parameters in trends/scores.py were chosen
on every second date, from the first on; the table is of the others unless --dates says otherwise.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import SHARED

from starvec_assets.trends.scores import HORIZON, Floats, bursts, exposure, growth, recent_rate

FIRST, LAST = date(2023, 6, 1), date(2026, 8, 22)
DATES = [date(2023 + (9 + k) // 12, (9 + k) % 12 + 1, 5) for k in range(34)]
DAYS, TOP, PLANTED, DRAWS, LEAST_SERIES, LEAST_TOTAL = 90, 100, 60, 2, 500, 50
AGO = np.arange(DAYS)[::-1]
CAPTURES = {
    "all stars": np.ones(DAYS),
    "20 % since 30 days": np.where(AGO >= 30, 0.95, 0.2),
    "20 % since 10 days": np.where(AGO >= 10, 0.95, 0.2),
    "20 % until 10 days ago": np.where(AGO >= 10, 0.2, 0.95),
}
Score = Callable[[Floats, Floats], Floats]
"""From stars by day [n, DAYS] and totals [n] to scores [n]; the days of the stars of all are the sum of the rows."""


@dataclass(frozen=True)
class Series:
    """Stars by day up to a date [n, DAYS], totals on it [n], the gain of the 28 days after it [n], NaN if unknown."""

    stars: Floats
    total: Floats
    gain: Floats


def load_series(path: Path) -> Iterator[Series]:
    """Yield the series of each of DATES that enough repositories have; days without a total are interpolated."""
    table = pq.read_table(path, filters=[("date", ">=", FIRST)])
    repos, at_repo = np.unique(table["repo"].to_numpy(zero_copy_only=False), return_inverse=True)
    totals = np.full((len(repos), (LAST - FIRST).days + 1), np.nan, np.float32)
    totals[at_repo, table["date"].cast("int32").to_numpy() - (FIRST - date(1970, 1, 1)).days] = table["stars"]
    known = np.isfinite(totals)
    for day in DATES:
        end = (day - FIRST).days
        if end >= totals.shape[1]:
            continue
        window = slice(end - DAYS, end + 1)
        there = known[:, window]
        enough = there[:, -3:].any(axis=1) & there[:, :14].any(axis=1) & (there.mean(axis=1) > 0.5)
        if enough.sum() < LEAST_SERIES:
            continue
        filled = np.array([_interpolated(row) for row in totals[enough, window].astype(np.float64)])
        after = totals[enough, end + HORIZON - 3 : end + HORIZON + 4]
        whole = end + HORIZON + 7 < totals.shape[1]
        later = np.fmax.reduce(after, axis=1) if whole else np.full(len(filled), np.nan)
        yield Series(np.maximum(np.diff(filled, axis=1), 0), filled[:, -1], later - filled[:, -1])


def _interpolated(totals: Floats) -> Floats:
    known, days = np.isfinite(totals), np.arange(len(totals))
    return np.interp(days, days[known], totals[known])


def average_precision(scores: Floats, relevant: np.ndarray) -> float:
    """Return the average precision of `relevant`, bool [n], in descending order of `scores`."""
    hits = relevant[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def precision(scores: Floats, truth: Floats) -> float:
    """Return the share of the TOP best by `scores` that are among the TOP best by `truth`."""
    return float(np.isin(np.argsort(-scores, kind="stable")[:TOP], np.argsort(-truth, kind="stable")[:TOP]).mean())


def plant(stars: Floats, rng: np.random.Generator) -> tuple[Floats, np.ndarray]:
    """Return the stars with PLANTED bursts that last to the end, and where they are, bool [n]."""
    rows, planted = rng.choice(len(stars), PLANTED, replace=False), stars.copy()
    for row, days, factor in zip(rows, rng.integers(3, 22, PLANTED), rng.uniform(2, 8, PLANTED), strict=True):
        planted[row, -days:] += rng.poisson(max(stars[row].mean(), 0.5) * (factor - 1), days)
    return planted, np.isin(np.arange(len(stars)), rows)


def log_likelihood_ratio(k: Floats, e: float, k0: Floats, e0: float) -> Floats:
    """Return that of two Poisson rates against one, 0 where the last rate is no higher; counts k over exposures e."""
    last, before, common = (k + 1e-9) / e, (k0 + 1e-9) / e0, (k + k0 + 1e-9) / (e + e0)
    return np.where(last > before, k * np.log(last / common) + k0 * np.log(before / common), 0)


def kleinberg(stars: Floats, factor: float = 3.0) -> Floats:
    """Return the weight of the burst that is on at the end, by a two-state automaton on shares of all stars.

    Kleinberg, Bursty and Hierarchical Structure in Streams (2002), section 4: `factor` is its s, its gamma is 1.
    """
    everything = stars.sum(axis=0)
    usual = (stars.sum(axis=1) / everything.sum())[:, None]
    high = np.minimum(usual * factor, 0.9999)
    fit = [stars * np.log(p + 1e-12) + (everything - stars) * np.log1p(-p) for p in (usual, high)]
    up = np.log(stars.shape[1])
    calm, burst, from_burst = -fit[0][:, 0], up - fit[1][:, 0], []
    for day in range(1, stars.shape[1]):
        from_burst.append((burst < calm, burst < calm + up))
        calm, burst = (
            np.minimum(calm, burst) - fit[0][:, day],
            np.minimum(calm + up, burst) - fit[1][:, day],
        )
    on = burst < calm
    weight = np.where(on, (fit[1] - fit[0])[:, -1], 0.0)
    for day in range(stars.shape[1] - 2, -1, -1):
        on = on & from_burst[day][1]
        weight += np.where(on, (fit[1] - fit[0])[:, day], 0.0)
    return weight


def _last_week(stars: Floats) -> tuple[Floats, float, Floats, float]:
    """Return the stars and all stars of the last 7 days, and of those before."""
    everything = stars.sum(axis=0)
    return stars[:, -7:].sum(axis=1), everything[-7:].sum(), stars[:, :-7].sum(axis=1), everything[:-7].sum()


def _week_by_days(stars: Floats, _total: Floats) -> Floats:
    k, _, k0, _ = _last_week(stars)
    return log_likelihood_ratio(k, 7, k0, DAYS - 7)


def _sqrt_gain_ratio(stars: Floats, _total: Floats) -> Floats:
    k, e, k0, e0 = _last_week(stars)
    return np.sqrt(stars[:, -28:].sum(axis=1)) * ((k + 5) / e) / ((k0 + 5) / e0)


def _rate(stars: Floats) -> Floats:
    return recent_rate(stars, exposure(stars.sum(axis=0))).rate


SCORES: dict[str, Score] = {
    "gain of 28 days": lambda stars, _: stars[:, -28:].sum(axis=1),
    "OSSInsight's: 28 days, weight max(2, 3 x age)": lambda stars, _: (
        stars[:, -28:] @ np.maximum(2, 3 * (np.arange(28) + 1) / 28)
    ),
    "exponential mean, 0.3": lambda stars, _: stars @ 0.7**AGO,
    "relative gain of 28 days": lambda stars, total: stars[:, -28:].sum(axis=1) / np.maximum(total, LEAST_TOTAL),
    "log-likelihood ratio of 7 days": _week_by_days,
    "the same on shares of all stars": lambda stars, _: log_likelihood_ratio(*_last_week(stars)),
    "Kleinberg's automaton on shares, s = 3": lambda stars, _: kleinberg(stars),
    "sqrt(gain) x ratio of shares": _sqrt_gain_ratio,
    "starvec: expected gain": lambda stars, _: HORIZON * _rate(stars),
    "starvec: growth": lambda stars, total: growth(_rate(stars), total),
    "starvec: burst": lambda stars, _: bursts(stars, exposure(stars.sum(axis=0))).low,
}


def evaluate(series: list[Series], seed: int) -> dict[str, list[float]]:
    """Return the means over the dates for each of SCORES: growth P@100, Spearman, gain P@100, AP by CAPTURES."""
    rng = np.random.default_rng(seed)
    ahead: dict[str, list[list[float]]] = {name: [] for name in SCORES}
    found: dict[str, list[list[float]]] = {name: [] for name in SCORES}
    for one in series:
        known = np.isfinite(one.gain)
        if known.any():
            relative = one.gain[known] / np.maximum(one.total[known], LEAST_TOTAL)
            for name, score in SCORES.items():
                scores = score(one.stars[known], one.total[known])
                ahead[name].append(
                    [
                        precision(scores, relative),
                        spearmanr(scores, relative).statistic,
                        precision(scores, one.gain[known]),
                    ]
                )
        for _ in range(DRAWS):
            stars, planted = plant(one.stars, rng)
            seen = [
                rng.binomial(np.round(stars).astype(np.int64), capture).astype(np.float64)
                for capture in CAPTURES.values()
            ]
            for name, score in SCORES.items():
                found[name].append([average_precision(score(days, one.total), planted) for days in seen])
    return {name: [*np.mean(ahead[name], axis=0), *np.mean(found[name], axis=0)] for name in SCORES}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--dates", choices=("chosen", "held-out", "all"), default="held-out")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    path = args.shared / "trends" / "ranking.parquet"
    if not path.is_file():
        raise SystemExit(f"{path} is not there: name the folder of the data with --shared")
    series = list(load_series(path))
    series = {"chosen": series[::2], "held-out": series[1::2], "all": series}[args.dates]
    heads = ["growth P@100", "Spearman", "gain P@100", *(f"bursts, {name}" for name in CAPTURES)]
    print(f"{len(series)} dates, {np.mean([len(one.total) for one in series]):,.0f} repositories each\n")
    print("| " + " | ".join(["score", *heads]) + " |\n|---|" + "---:|" * len(heads))
    for name, values in evaluate(series, args.seed).items():
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


if __name__ == "__main__":
    main()
