"""Builds trends: counts by month, what is rising, most starred or bursting, and the curves of fields.

The rankings compare the last DAYS days of the log's months that count. Where these end more than a month before the
days that GitHub was asked about, the days of `star_history` are compared instead: fewer repositories, but of now.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.ingest.calendar import month_end, month_start
from starvec_assets.ingest.capture import MIN_REPOSITORIES
from starvec_assets.ingest.streaming import write_query
from starvec_assets.markdown import Metadata, embed_png, parquet_preview
from starvec_assets.parquet import write_table
from starvec_assets.plots import month_chart, sparkline
from starvec_assets.sql import load_queries
from starvec_assets.trends.months import gap_sentences, judge_months
from starvec_assets.trends.scores import BURST_WINDOWS, MIN_BEFORE, Floats, bursts, exposure, growth, recent_rate
from starvec_assets.trends.tables import ABOUT, CATEGORY, FIELDS, GITHUB, LOG, MONTHLY, MONTHS, RANKING, RANKINGS

DAYS = 90
LAST_DAYS = 28
MIN_MONTHS = 2
"""Months that count, before anything is called rising: a month alone shows no change."""
ABOVE_MEDIAN = 2.0
"""How many times the median growth the lower bound of a rising repository's growth has to reach."""
LEAST_BURST = 2.0
"""Lower bound from which a burst is listed: of 20,000 steady repositories about one has it by chance."""
OUTDATED = timedelta(31)
"""How much older than GitHub's days the log's may be to be compared: it has more repositories."""
NO_MONTH = "nothing is compared: no month of the log counts, and star_history has no weeks"
_SOURCES = {LOG: "the log", GITHUB: "GitHub's weekly totals, of the most starred repositories alone"}
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class TrendSettings(Settings):
    """What is evidence enough."""

    least_stars: int = Field(
        10, ge=5, le=10_000, description="stars of the last 28 days, or of a burst's days, that a listed repository has"
    )


@dataclass(frozen=True)
class TrendInputs:
    """`stars`: files of the stars that count, months and lists; `months` of the log; folders of artifacts."""

    stars: Sequence[Path]
    months: Sequence[str]
    star_history: Path
    repo_catalog: Path


@dataclass(frozen=True)
class Window:
    """The days that the rankings compare, and where their stars are from: LOG, or GITHUB's weekly totals."""

    source: str
    first: date
    last: date


@dataclass(frozen=True)
class TrendSummary:
    """What was found: `compared` repositories, and how many are `listed` in each ranking.

    `window` is None if no month counts; `gaps` and `notes` are sentences, on months and on what is not shown and why.
    """

    window: Window | None
    months: int
    gaps: list[str]
    compared: int
    listed: dict[str, int]
    notes: list[str]


def build_trends(
    connection: duckdb.DuckDBPyConnection, inputs: TrendInputs, members: pa.Table, out: Path, settings: TrendSettings
) -> TrendSummary:
    """Write the tables of tables.py and trends.json into `out`; `members` is as of membership.find_members.

    Where nothing can be compared the rankings are empty, and the summary's notes say why.
    """
    build = _Build(connection, inputs, members)
    build.write_months(out)
    window, counted = build.choose_window(), len(build.counted)
    rankings, notes, compared = dict.fromkeys(RANKINGS, RANKING.empty_table()), [NO_MONTH], 0
    if window:
        table, notes = build.compare(window, settings.least_stars)
        rankings, compared = _rank(table, settings.least_stars), len(table)
        if window.source == LOG and counted < MIN_MONTHS:
            rankings["rising"] = table.slice(0, 0)
            notes.append(f"nothing is called rising: {counted} month counts, {MIN_MONTHS} are needed")
    for name, ranking in rankings.items():
        write_table(ranking.select(RANKING.names), RANKING, out / f"{name}.parquet")
    gaps = gap_sentences(build.months)
    about = {
        "window": window and {"source": window.source, "first": str(window.first), "last": str(window.last)},
        "notes": notes,
        "gaps": gaps,
        "least_stars": settings.least_stars,
    }
    (out / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return TrendSummary(window, counted, gaps, compared, {n: len(r) for n, r in rankings.items()}, notes)


class _Build:
    """The temporary tables of a build, in `connection`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, inputs: TrendInputs, members: pa.Table) -> None:
        self._connection = connection
        self.months = judge_months(inputs.star_history, inputs.months)
        self.counted = self.months.filter(pc.is_null(self.months["gap"]))["month"].to_pylist()
        asked, history = (str(inputs.star_history / f"{name}.parquet") for name in ("repos", "history"))
        self._asked, self._catalog = asked, str(inputs.repo_catalog / "repos.parquet")
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("judged", self.months)
        connection.register("members", members)
        self._run("create_gamma_quantile")
        if self.counted and inputs.stars:
            since = month_end(self.counted[-1]).date() - timedelta(DAYS + 31)
            self._run("create_counts", stars=[str(path) for path in inputs.stars], since=since)
        else:
            self._run("create_no_counts")
        self._run("create_months")
        self._run("create_github", history=history, asked=asked)
        self._run("create_github_months", asked=asked)
        self._begin = month_start(self.months["month"][0].as_py()).date() if len(self.months) else date.max
        self._run("create_repositories", catalog=self._catalog, log_begin=self._begin)

    def write_months(self, out: Path) -> None:
        """Write months.parquet, monthly.parquet and fields.parquet."""
        self._write("months", MONTHS, out)
        self._write("monthly", MONTHLY, out)
        self._write("fields", FIELDS, out, catalog=self._catalog)

    def choose_window(self) -> Window | None:
        """Return the days to compare; None when neither the log nor GitHub has any."""
        [(log_end,)] = self._run("log_end").fetchall()
        [(asked, github_end)] = self._run("history_end", asked=self._asked).fetchall()
        if asked >= MIN_REPOSITORIES and (log_end is None or github_end - log_end > OUTDATED):
            return Window(GITHUB, github_end - timedelta(DAYS - 1), github_end)
        return None if log_end is None else Window(LOG, max(self._begin, log_end - timedelta(DAYS - 1)), log_end)

    def compare(self, window: Window, least_stars: int) -> tuple[pa.Table, list[str]]:
        """Return every repository with `least_stars` in the last days and its scores, and what could not be scored."""
        first, last = window.first, window.last
        if window.source == LOG:
            self._run("create_log_days", first=first, last=last)
            [(capture,)] = self._run("capture", first=first, last=last).fetchall()
        else:
            self._run("create_github_days", first=first, last=last, asked=self._asked)
            capture = 1.0
        start = last - timedelta(DAYS - 1)
        exposed = exposure(_by_day(self._run("all_stars").to_arrow_table(), start))
        recent = last - timedelta(LAST_DAYS - 1)
        table = self._run("candidates", recent=recent, least_stars=least_stars).to_arrow_table()
        self._connection.register("chosen", table.select(["repo_id"]))
        stars = _matrix(self._run("chosen_days").to_arrow_table(), table["repo_id"].to_numpy(), start)
        rate, burst = recent_rate(stars, exposed), bursts(stars, exposed)
        total = table["total"].cast(pa.float64()).to_numpy()
        per_day, low, high = (part / capture for part in (rate.rate, rate.low, rate.high))
        scores = {
            **{"per_day": per_day, "low": low, "high": high},
            **{"growth": growth(per_day, total), "growth_low": growth(low, total)},
            **{"burst": burst.ratio, "burst_low": burst.low, "burst_days": burst.days, "burst_stars": burst.stars},
        }
        for name, values in scores.items():
            table = table.append_column(name, pa.array(values, from_pandas=True))
        days = int(np.count_nonzero(exposed))
        needed = MIN_BEFORE + min(BURST_WINDOWS)
        few = f"no bursts: {days} days with stars are compared, {needed} are needed"
        return table, [few] if days < needed else []

    def _run(self, query: str, **values: Any) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(QUERIES[query], values)

    def _write(self, name: str, schema: pa.Schema, out: Path, **values: Any) -> None:
        write_query(self._connection.sql(QUERIES[name], params=values), schema, out / f"{name}.parquet")


def _rank(table: pa.Table, least_stars: int) -> dict[str, pa.Table]:
    """Return RANKINGS of the repositories compared.

    Rising is what grows faster than usual beyond chance, by the growth that is expected.
    """
    usual = pc.quantile(table["growth"], 0.5)[0].as_py() or 0.0
    burst = pc.and_(
        pc.greater_equal(table["burst_stars"], least_stars), pc.greater_equal(table["burst_low"], LEAST_BURST)
    )
    rising = pc.greater(table["growth_low"], ABOVE_MEDIAN * usual)
    return {
        "rising": _best(table.filter(rising), "growth"),
        "most_stars": _best(table, "per_day"),
        "bursts": _best(table.filter(burst), "burst_low"),
    }


def _best(table: pa.Table, score: str) -> pa.Table:
    """Return the rows in descending order of a column, equal ones by repo_id."""
    return table.sort_by([(score, "descending"), ("repo_id", "ascending")])


def _by_day(table: pa.Table, first: date) -> Floats:
    """Return the stars of each of DAYS days from `first` on, [DAYS]."""
    days = np.zeros(DAYS)
    days[_offsets(table, first)] = table["stars"].to_numpy()
    return days


def _matrix(table: pa.Table, repo_ids: npt.NDArray[np.int64], first: date) -> npt.NDArray[np.float32]:
    """Return the stars of repositories, whose ids ascend, on each of DAYS days, [n, DAYS]."""
    stars = np.zeros((len(repo_ids), DAYS), np.float32)
    stars[np.searchsorted(repo_ids, table["repo_id"].to_numpy()), _offsets(table, first)] = table["stars"].to_numpy()
    return stars


def _offsets(table: pa.Table, first: date) -> npt.NDArray[np.int64]:
    days = table["day"].cast(pa.int32()).to_numpy().astype(np.int64)
    return np.asarray(days - (first - date(1970, 1, 1)).days)


def trends_metadata(summary: TrendSummary, folder: Path) -> Metadata:
    """Return what the UI shows of trends, written to `folder`."""
    shown = ["name", "language", "category", "stars", "total", "per_day", "low", "high", "growth"]
    window = summary.window
    months = pq.read_table(folder / "months.parquet")
    return {
        "compared": f"{window.first} to {window.last}, by the stars of {_SOURCES[window.source]}" if window else None,
        "months that count": summary.months,
        "gaps": "; ".join(summary.gaps) or None,
        "not shown": "; ".join(summary.notes) or None,
        "repositories compared": summary.compared,
        **{f"{name.replace('_', ' ')}, repositories": rows for name, rows in summary.listed.items()},
        "stars by month": sparkline([stars for stars in months["stars"].to_pylist() if stars is not None]),
        "categories over the months": embed_png(_category_chart(folder, months), "share of all stars by category"),
        "rising": parquet_preview(folder / "rising.parquet", shown, rows=25),
        "bursts": parquet_preview(folder / "bursts.parquet", [*shown, "burst", "burst_low", "burst_days"], rows=25),
        "most stars": parquet_preview(folder / "most_stars.parquet", shown, rows=25),
    }


def _category_chart(folder: Path, months: pa.Table) -> bytes:
    """Plot the share of all stars of each category by month; a gap stays open."""
    rows = pq.read_table(folder / "fields.parquet", filters=[("kind", "=", CATEGORY)]).to_pylist()
    curves: dict[str, list[float | None]] = {}
    for row in rows:
        curves.setdefault(row["field"], []).append(None if row["share"] is None else 100 * row["share"])
    return month_chart(months["month"].to_pylist(), {"% of all stars": curves}, "What people star")
