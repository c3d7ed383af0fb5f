"""The page's trends: stars by month of the most starred repositories, what is rising, and curves of fields."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.export.catalogue_columns import sanitize_line
from starvec_assets.trends.rankings import load_about
from starvec_assets.trends.tables import LANGUAGE, RANKINGS

SHOWN_MONTHS = 24
MAX_REPOSITORIES = 50_000
MAX_RANKED = 2_000
MAX_LANGUAGES = 40
STEPS = 12
"""Codes for each doubling of a month's stars: counts up to 20 are exact, larger ones within 3 %."""
NO_VALUE = 255
_DIGITS = 4  # of a number in the JSON
_RANKED = (
    *("born", "category", "cluster", "stars", "total", "per_day", "low", "high"),
    *("growth", "burst", "burst_low", "burst_days"),
)


def write_trends(trends: Path, repo_ids: npt.NDArray[np.int64], path: Path) -> int:
    """Write trends.gz from the artifact `trends`; return how many repositories have a curve.

    `repo_ids` are those of the export's rows. All numbers are little-endian: the length of the JSON as uint32, the JSON
    padded to whole words, the rows (uint32, ascending) of m repositories, those that a ranking lists and those with the
    most stars in the months shown, and for each month their m codes (uint8) less those of the month before, modulo 256.
    A code is round(12 · log2(1 + stars of the month, corrected for capture)), or 255 where nothing is known: a gap of
    the log that GitHub's counts do not fill.

    The JSON has `months`, `gaps` (why a month is one, by month), `stars` of all repositories (null: a gap),
    `repositories` (m), the rankings `rising`, `most_stars` and `bursts` (at most 2,000 repositories of the export each:
    `row` and the columns of the tables, as lists), `fields` (kind, name, cluster, and shares of all stars by month,
    null: a gap), and `window`, `notes` and `least_stars` of trends.json. Equal tables give equal bytes.
    Raises StarvecError when the artifact cannot be read.
    """
    row_of = {repo_id: row for row, repo_id in enumerate(repo_ids.tolist())}
    try:
        about = load_about(trends)
        months = pq.read_table(trends / "months.parquet").to_pylist()[-SHOWN_MONTHS:]
        rankings = {name: _ranking(pq.read_table(trends / f"{name}.parquet"), row_of) for name in RANKINGS}
        listed = np.unique([row for ranking in rankings.values() for row in ranking["row"]]).astype(np.int64)
        rows, codes = _curves(trends / "monthly.parquet", months, pa.array(repo_ids), listed)
        content = {
            "months": [month["month"] for month in months],
            "gaps": {month["month"]: month["gap"] for month in months if month["gap"]},
            "stars": [month["stars"] for month in months],
            "repositories": len(rows),
            **rankings,
            "fields": _fields(pq.read_table(trends / "fields.parquet"), months),
            **{name: about[name] for name in ("window", "notes", "least_stars")},
        }
    except (OSError, pa.ArrowInvalid) as error:
        raise StarvecError(f"cannot read the trends in {trends} ({error}): materialize trends again") from error
    header = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str).encode()
    header += b" " * (-len(header) % 4)
    steps = np.diff(codes, axis=0, prepend=np.uint8(0))  # modulo 256
    parts = [len(header).to_bytes(4, "little"), header, rows.astype("<u4").tobytes(), steps.tobytes()]
    path.write_bytes(gzip.compress(b"".join(parts), mtime=0))  # no time: equal tables give equal bytes
    return len(rows)


def _curves(
    path: Path, months: Sequence[dict[str, Any]], repo_ids: pa.Array, listed: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return the rows [m] of the repositories that have a curve, and their codes by month [months, m].

    Rows that are `listed` come before others with more stars.
    """
    names = pa.array([month["month"] for month in months], pa.string())
    wanted = pc.field("month").isin(names) & pc.field("repo_id").isin(repo_ids)
    table = pq.read_table(path, columns=["repo_id", "month", "per_day"], filters=wanted)
    row, month = (
        pc.index_in(table[name], value_set=values).to_numpy().astype(np.int64)
        for name, values in (("repo_id", repo_ids), ("month", names))
    )
    days = np.array([month["days"] for month in months], np.float64)
    stars = table["per_day"].to_numpy() * days[month]
    total = np.bincount(row, stars, minlength=len(repo_ids))
    wished = total.copy()
    wished[listed] += total.sum()
    rows = np.sort(np.argsort(-wished, kind="stable")[: min(MAX_REPOSITORIES, np.count_nonzero(wished))])
    position = np.full(len(repo_ids), -1)
    position[rows] = np.arange(len(rows))
    gaps = np.array([month["gap"] is not None for month in months], bool)
    codes = np.where(gaps[:, None], NO_VALUE, 0).repeat(len(rows), axis=1).astype(np.uint8)
    inside = position[row] >= 0
    codes[month[inside], position[row[inside]]] = np.rint(STEPS * np.log2(1 + stars[inside])).clip(0, NO_VALUE - 1)
    return rows, codes


def _ranking(table: pa.Table, row_of: dict[int, int]) -> dict[str, list[Any]]:
    """Return the columns of a ranking's first MAX_RANKED repositories that are in the export."""
    rows = [row_of.get(repo_id) for repo_id in table["repo_id"].to_pylist()]
    chosen = [i for i, row in enumerate(rows) if row is not None][:MAX_RANKED]
    table = table.take(pa.array(chosen, pa.int64()))
    columns = {name: [_short(value) for value in table[name].to_pylist()] for name in _RANKED}
    return {"row": [rows[i] for i in chosen], **columns}


def _fields(table: pa.Table, months: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the curves of fields: all categories and clusters, and the MAX_LANGUAGES languages with most stars."""
    at_month = {month["month"]: i for i, month in enumerate(months)}
    fields: dict[tuple[str, str, int | None], dict[str, Any]] = {}
    for row in table.to_pylist():
        if row["month"] in at_month:
            key = row["kind"], row["field"], row["cluster"]
            empty = {"kind": row["kind"], "name": sanitize_line(row["field"]), "cluster": row["cluster"], "stars": 0}
            field = fields.setdefault(key, empty | {"share": [None] * len(months)})
            field["share"][at_month[row["month"]]] = _short(row["share"])
            field["stars"] += row["stars"] or 0
    languages = sorted((f for f in fields.values() if f["kind"] == LANGUAGE), key=lambda f: -f["stars"])
    dropped = {field["name"] for field in languages[MAX_LANGUAGES:]}
    return [field for field in fields.values() if field["kind"] != LANGUAGE or field["name"] not in dropped]


def _short(value: Any) -> Any:
    """Return a float with _DIGITS digits, other values as they are."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
