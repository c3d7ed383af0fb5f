"""Capture: the share of a month's stars that the log holds, and whether the month counts as one of stars.

GitHub's weekly totals measure it where they were asked for. Elsewhere it is estimated from the log itself: the stars of
a month, divided by the median of the twelve fullest of the earlier months that count. Months that do not count are not
compared with, so that a loss stays visible however long it lasts; the fullest, so that a slow one is seen as well.
Growth makes a month larger than the ones before, so this estimate errs towards counting a month. It needs three months
that count: a log that begins after a loss cannot show it.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.markdown import Metadata, embed_png, markdown_table
from starvec_assets.parquet import column
from starvec_assets.plots import month_chart, sparkline

GITHUB, LOG, NONE = "github", "log", "none"
BASES = {
    GITHUB: "in_log divided by github",
    LOG: "in_log divided by the median of the twelve fullest earlier months that count",
    NONE: "fewer than three earlier months count: nothing to compare with",
}
FULLEST_MONTHS = 12
MIN_EARLIER_MONTHS = 3
MIN_REPOSITORIES, MIN_STARS = 10, 100  # of GitHub's counts; with fewer a share says little
BOOTSTRAP_SAMPLES = 1_000

CAPTURE = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM"),
        column("github", pa.int64(), "stars that GitHub counts for the repositories compared", nullable=True),
        column("in_log", pa.int64(), "stars in the log: of these repositories, or of all where github is null"),
        column("repositories", pa.int32(), "repositories compared", nullable=True),
        column("share", pa.float64(), "share of the month's stars that the log has; can exceed 1", nullable=True),
        column("low", pa.float64(), "lower end of the 95 % interval of a measured share", nullable=True),
        column("high", pa.float64(), "upper end of it", nullable=True),
        column("basis", pa.string(), "; ".join(f"{name}: {meaning}" for name, meaning in BASES.items())),
        column(
            "counts", pa.bool_(), "whether the month counts as one of stars: share is least_capture or more, or null"
        ),
    ]
)

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Claim:
    """What docs/coverage.md says about the archive: from `first` to `last` it has `low` to `high` of all stars.

    `text` is that share in words, `source` who said so and when it was read.
    """

    first: str
    last: str
    low: float
    high: float
    text: str
    source: str


CLAIMS = (
    Claim(
        *("2015-01", "2025-04", 0.9, 1.1, "95 to 100 %"),
        source="users' reports in the archive's issue 310, read in 2026-11",
    ),
    Claim(
        *("2026-02", "9999-12", 0.0, 0.2, "under 20 %"),
        source="the archive's issue 320 and gh-pulse's ADR 0007, read in 2026-11",
    ),
)


@dataclass(frozen=True)
class Measured:
    """A month by GitHub's counts; `low` and `high` bound the share's 95 % interval."""

    github: int
    in_log: int
    repositories: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of GitHub's stars that the log has."""
        return self.in_log / self.github


def measure_shares(
    github: Counts, in_log: Counts, covered: npt.NDArray[np.bool_], seed: int = 0
) -> list[Measured | None]:
    """Return each month's measured share with its interval, None where too few repositories or stars are compared.

    `github`, `in_log`: stars of each repository in each month [repositories, months]; `covered`: where both are known.
    The interval is the percentile bootstrap over repositories, drawn with replacement `BOOTSTRAP_SAMPLES` times: by
    how much the share would differ with other repositories of the same kind.
    """
    n = len(github)
    github, in_log = (np.where(covered, stars, 0) for stars in (github, in_log))
    if n == 0:
        return [None] * covered.shape[1]
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), BOOTSTRAP_SAMPLES).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (draws @ in_log) / (draws @ github)
    months: list[Measured | None] = []
    for month, repositories in enumerate(covered.sum(axis=0)):
        total, seen = int(github[:, month].sum()), int(in_log[:, month].sum())
        if repositories < MIN_REPOSITORIES or total < MIN_STARS:
            months.append(None)
            continue
        low, high = np.nanquantile(shares[:, month], (0.025, 0.975))
        months.append(Measured(total, seen, int(repositories), float(low), float(high)))
    return months


def capture_table(stars: Mapping[str, int], measured: Mapping[str, Measured], least_capture: float) -> pa.Table:
    """Return the table of schema CAPTURE: one row a month of `stars`, the log's stars by month.

    `measured` has the months that GitHub's counts were compared with.
    """
    rows: list[dict[str, Any]] = []
    counted: list[int] = []
    for month in sorted(stars):
        row: dict[str, Any] = dict.fromkeys(CAPTURE.names) | {"month": month, "in_log": stars[month], "basis": NONE}
        if found := measured.get(month):
            row |= vars(found) | {"share": found.share, "basis": GITHUB}
        elif len(counted) >= MIN_EARLIER_MONTHS and (usual := median(heapq.nlargest(FULLEST_MONTHS, counted))):
            row |= {"share": stars[month] / usual, "basis": LOG}
        row["counts"] = row["share"] is None or row["share"] >= least_capture
        if row["counts"]:
            counted.append(stars[month])
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=CAPTURE)


def counted_months(folder: Path) -> list[str]:
    """Return the months that count as months of stars, in order; `folder` is that of a star_history artifact."""
    return [row["month"] for row in _rows(folder) if row["counts"]]


def judged_months(folder: Path) -> list[str]:
    """Return all months of capture.parquet, in order; `folder` is that of a star_history artifact."""
    return [row["month"] for row in _rows(folder)]


def first_uncounted_month(folder: Path) -> str | None:
    """Return the first month that does not count, None if all do; `folder` is that of a star_history artifact."""
    return next((row["month"] for row in _rows(folder) if not row["counts"]), None)


def describe_newest_month(folder: Path, least_capture: float, not_asked: str) -> tuple[bool, str]:
    """Return whether the newest month counts, and one sentence on what it brings and what it cannot.

    `not_asked`: why GitHub is not asked in this run, "" if it is.
    """
    newest = _rows(folder)[-1]
    month, share = newest["month"], newest["share"]
    if share is None:
        return True, f"{month} counts: {BASES[NONE]}"
    by = (
        f"by GitHub's counts of {newest['repositories']:,} repositories"
        if newest["basis"] == GITHUB
        else "as estimated"
    )
    if newest["counts"]:
        return True, f"{month} counts: the log has {_percent(share)} of its stars, {by}"
    people = f"nobody is asked for theirs ({not_asked})" if not_asked else "starred_lists asks people for theirs"
    return False, (
        f"{month} brings names, descriptions and active people, but no stars, as the log has only {_percent(share)} of "
        f"them ({by}; least_capture is {_percent(least_capture)}): {people}, and without new stars the vectors stay as "
        "they are (docs/coverage.md)"
    )


def outdated_claims(folder: Path) -> list[str]:
    """Return a sentence for each of CLAIMS that the measured months of a star_history artifact contradict."""
    measured = [row for row in _rows(folder) if row["basis"] == GITHUB]
    sentences = []
    for claim in CLAIMS:
        months = [row for row in measured if claim.first <= row["month"] <= claim.last]
        against = [row for row in months if row["low"] > claim.high or row["high"] < claim.low]
        if against:
            newest = against[-1]
            sentences.append(
                f"the archive has {_percent(newest['share'])} of {newest['month']}'s stars, docs/coverage.md says "
                f"{claim.text} ({claim.source})"
            )
    return sentences


def capture_metadata(folder: Path, least_capture: float) -> Metadata:
    """Describe capture.parquet in `folder`: a plot with the interval and the least share that counts, and a table."""
    rows = _rows(folder)
    percent = {name: [None if r[name] is None else 100 * r[name] for r in rows] for name in ("share", "low", "high")}
    by_basis = {
        basis: [value if row["basis"] == basis else None for value, row in zip(percent["share"], rows, strict=True)]
        for basis in (GITHUB, LOG)
    }
    curves: dict[str, Sequence[float | None]] = {
        "by GitHub's counts, with its 95 % interval": by_basis[GITHUB],
        "estimated from the log": by_basis[LOG],
        "least_capture": [100 * least_capture] * len(rows),
    }
    label = "% of the month's stars"
    bands = {label: (percent["low"], percent["high"])}
    chart = month_chart([row["month"] for row in rows], {label: curves}, "What the log has of a month", bands)
    shown = ["month", "share", "low", "high", "basis", "github", "in_log", "repositories", "counts"]
    newest_first = [[*(row[name] for name in shown[:-1]), "yes" if row["counts"] else "no"] for row in reversed(rows)]
    return {
        "share by month": sparkline([row["share"] for row in rows if row["share"] is not None]),
        "capture over the months": embed_png(chart, "share of each month's stars that the log has"),
        "months that count": sum(row["counts"] for row in rows),
        "months that do not count": ", ".join(row["month"] for row in rows if not row["counts"]) or "none",
        "capture": markdown_table(shown, newest_first[:150]),
    }


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "capture.parquet").to_pylist()
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
