"""The star log to the training corpus: who counts, what is in the vocabulary, who is held out, in packed arrays.

Bounded memory: the log is read in ranges of user ids (every month is sorted by user, so a range touches few row
groups); DuckDB filters and orders each range; the lists then move between plain files. What stays in memory is about
40 bytes a kept user and a repository.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.corpus import selection as rules
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column, write_table
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray

Ids = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]
Fates = dict[str, tuple[int, int]]
"""Users and first stars by fate: bot, few, many, kept."""

USERS_A_CHUNK = 1 << 18

REPOS = pa.schema(
    [
        column("index", pa.int32(), "row of the repository in every matrix, 0 = most starred"),
        column("repo_id", pa.int64(), "GitHub's numeric id: survives renames"),
        column("name", pa.string(), "owner/name, the newest known"),
        column("stars", pa.int64(), "stargazers among the users within the star limits, held-out users included"),
    ]
)


@dataclass(frozen=True)
class CorpusSummary:
    """What became of every row and user of the star log."""

    rows: int
    """Rows of the log; the values of `stars` add up to it."""
    users: dict[str, int]
    """Users by fate: bot; few or many (stars); unknown (too few of them in the vocabulary); heldout; trained."""
    stars: dict[str, int]
    """Rows by fate: those of users, and repeated (not the first of its user and repository), rare (repository not in
    the vocabulary)."""
    n: int
    """Repositories in the vocabulary."""
    least_stargazers: int
    """Stargazers of its last repository."""
    lengths: Ids
    """Trained users by the length of their list, int64 [max_stars + 1]."""


@dataclass(frozen=True)
class Selected:
    """Who and what counts, by the rules, from either engine."""

    rows: int
    fates: Fates
    vocabulary: pa.Table
    """Of schema REPOS, most starred first."""
    ids: Ids
    """Users who know a repository of the vocabulary, in any order."""
    lists: RaggedArray
    """What each of them knows, as rows of the vocabulary in the order starred."""


def user_keys(ids: Ids, seed: int) -> Keys:
    """SplitMix64 of each id, uint64: a bijection, so no two ids share a key; it orders users and draws the held-out."""
    z = ids.astype(np.uint64) + np.uint64((seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) % (1 << 64))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def build_corpus(
    connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], catalogue: Path, out: Path, settings: CorpusSettings
) -> CorpusSummary:
    """Write items.npy, offsets.npy, repos.parquet and the held-out halves heldout_{a,b}_{items,offsets}.npy into `out`.

    `stars`: the stars.parquet of every month, each sorted by user_id; `catalogue`: repos.parquet of repo_catalog.
    `connection` brings the memory limit, the threads and the spill folder. Users stand in the order of their key, the
    held-out ones being the first that know enough; a list is in the order starred, then by repo_id.
    Raises StarvecError when too few users or repositories remain, or DuckDB cannot read the months or lacks room.
    """
    if not stars:
        raise StarvecError("no month of raw_stars to build user_buckets from: materialize raw_stars first")
    try:
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch, connection.cursor() as db:
            return _build(db, stars, catalogue, out, Path(scratch), settings)
    except duckdb.OutOfMemoryException as error:
        raise StarvecError(
            f"DuckDB ran out of memory over {len(stars)} months: raise its memory limit or lower rows_a_part "
            f"{settings.rows_a_part:,} ({error})"
        ) from error
    except duckdb.Error as error:
        raise StarvecError(f"user_buckets from {len(stars)} months of raw_stars: {error}") from error


def _build(
    db: duckdb.DuckDBPyConnection,
    stars: Sequence[Path],
    catalogue: Path,
    out: Path,
    scratch: Path,
    settings: CorpusSettings,
) -> CorpusSummary:
    rows, fates, parts = _kept_stars(db, stars, scratch, settings)
    vocabulary = _vocabulary(db, catalogue, settings)
    check_vocabulary(vocabulary, fates, settings)
    ids, lists = _known_lists(parts, vocabulary["repo_id"], scratch)
    return pack(Selected(rows, fates, vocabulary, ids, lists), out, settings)


def check_vocabulary(vocabulary: pa.Table, fates: Fates, settings: CorpusSettings) -> None:
    """Raises StarvecError when no repository is left."""
    if vocabulary.num_rows == 0:
        users = {fate: count for fate, (count, _) in fates.items()}
        kept = users.pop("kept")
        raise StarvecError(
            f"empty vocabulary: no repository has min_stargazers {settings.min_stargazers} among the {kept:,} users "
            f"with {settings.min_stars} to {settings.max_stars} stars ({users}). Add months, or lower min_stargazers "
            "or min_stars"
        )


def pack(selected: Selected, out: Path, settings: CorpusSettings) -> CorpusSummary:
    """Write what an engine selected: the second half of `build_corpus`, and all that is left of it for push_down."""
    vocabulary, lists = selected.vocabulary, selected.lists
    users = {fate: count for fate, (count, _) in selected.fates.items()}
    first = {fate: count for fate, (_, count) in selected.fates.items()}
    repeated = selected.rows - sum(first.values())
    kept_users, kept_stars = users.pop("kept"), first.pop("kept")
    limits = f"{settings.min_stars} to {settings.max_stars} stars"
    write_table(vocabulary, REPOS, out / "repos.parquet")

    keys = user_keys(selected.ids, settings.seed)
    order = np.argsort(keys)
    lengths = lists.lengths[order]
    enough = lengths >= settings.min_known
    eligible = np.flatnonzero(lengths >= settings.heldout_min_known)
    heldout = eligible[: min(settings.heldout_max, round(settings.heldout_share * int(enough.sum())))]
    trained = enough.copy()
    trained[heldout] = False
    if len(heldout) == 0 or trained.sum() < settings.min_users:
        raise StarvecError(
            f"too few users: {kept_users:,} have {limits}; of these {int(enough.sum()):,} know at least "
            f"{settings.min_known} of the {vocabulary.num_rows:,} repositories and {len(eligible):,} at least "
            f"{settings.heldout_min_known}; so {len(heldout):,} would be held out and {int(trained.sum()):,} trained "
            f"on (min_users {settings.min_users:,}). Add months, or lower min_stars, min_stargazers, min_known, "
            "heldout_min_known or min_users, or raise heldout_share"
        )
    _write_lists(lists, order[trained], out)
    _write_halves(lists, order[heldout], keys, vocabulary["repo_id"].to_numpy(), out)

    users |= {"unknown": kept_users - int(enough.sum()), "heldout": len(heldout), "trained": int(trained.sum())}
    return CorpusSummary(
        rows=selected.rows,
        users=users,
        stars={
            "repeated": repeated,
            **first,
            "rare": kept_stars - len(lists.items),
            "unknown": int(lengths[~enough].sum()),
            "heldout": int(lengths[heldout].sum()),
            "trained": int(lengths[trained].sum()),
        },
        n=vocabulary.num_rows,
        least_stargazers=vocabulary["stars"][-1].as_py(),
        lengths=np.bincount(lengths[trained], minlength=settings.max_stars + 1),
    )


def _kept_stars(
    db: duckdb.DuckDBPyConnection, stars: Sequence[Path], scratch: Path, settings: CorpusSettings
) -> tuple[int, Fates, list[Path]]:
    """Rows of the log, users and first stars by fate, and the files of the kept ones in ascending order of user ids.

    Leaves the view `kept_stars` behind.
    """
    log = _parquet(stars)
    rows: int = _value(db, f"SELECT count(*) FROM {log}")
    if rows == 0:
        raise StarvecError(f"no star in any of {len(stars)} months of raw_stars: nothing to build user_buckets from")
    count = -(-rows // settings.rows_a_part)
    cuts = [i / count for i in range(1, count)]
    bounds: list[int] = sorted(set(_value(db, f"SELECT approx_quantile(user_id, {cuts}) FROM {log}"))) if cuts else []
    ranges = list(zip([-(1 << 63), *bounds], [*bounds, 1 << 63], strict=True))
    fates = dict.fromkeys(("bot", "few", "many", "kept"), (0, 0))
    parts: list[Path] = []
    with bar(len(ranges), "users and stars", "part") as progress:
        for low, high in ranges:
            db.execute(f"CREATE OR REPLACE TEMP VIEW stars AS FROM {log} WHERE user_id BETWEEN {low} AND {high - 1}")
            db.execute(f"CREATE OR REPLACE TEMP TABLE bots AS {rules.BOTS}")
            db.execute(f"CREATE OR REPLACE TEMP TABLE first_stars AS {rules.FIRST_STARS}")
            db.execute(f"CREATE OR REPLACE TEMP TABLE users AS {rules.USERS.format(**settings.model_dump())}")
            for fate, users, total in db.execute(
                "SELECT fate, count(*), sum(stars)::BIGINT FROM users GROUP BY fate"
            ).fetchall():
                fates[fate] = (fates[fate][0] + users, fates[fate][1] + total)
            parts.append(scratch / f"kept-{len(parts):05}.parquet")
            kept = f"SELECT user_id, repo_id FROM ({rules.KEPT_STARS}) ORDER BY user_id, {rules.ORDER}"
            db.execute(f"COPY ({kept}) TO {_literal(parts[-1])} (FORMAT parquet, COMPRESSION zstd)")
            progress.update()
    for table in ("bots", "first_stars", "users"):
        db.execute(f"DROP TABLE {table}")
    db.execute(f"CREATE OR REPLACE TEMP VIEW kept_stars AS FROM {_parquet(parts)}")
    return rows, fates, parts


def _vocabulary(db: duckdb.DuckDBPyConnection, catalogue: Path, settings: CorpusSettings) -> pa.Table:
    """The columns of REPOS, most starred first."""
    table: pa.Table = db.sql(
        f"SELECT repo_id, name, stars FROM ({rules.VOCABULARY.format(**settings.model_dump())}) "
        f"LEFT JOIN (SELECT repo_id, name FROM {_parquet([catalogue])}) USING (repo_id) ORDER BY stars DESC, repo_id"
    ).to_arrow_table()
    if nameless := table["name"].null_count:
        first = table.filter(pc.is_null(table["name"]))["repo_id"][0]
        raise StarvecError(
            f"{nameless:,} of {table.num_rows:,} repositories of the vocabulary, first repo_id {first}, are not in "
            f"{catalogue}: materialize repo_catalog from the same months again"
        )
    return table.add_column(0, REPOS.field("index"), pa.array(np.arange(table.num_rows, dtype=np.int32)))


def _known_lists(parts: list[Path], vocabulary: pa.ChunkedArray, scratch: Path) -> tuple[Ids, RaggedArray]:
    """Ids of the users who know a repository of the vocabulary, ascending, and their lists of rows in it, on disk."""
    ids, lengths = [], []
    path = scratch / "items"
    with path.open("wb") as file, bar(len(parts), "lists", "part") as progress:
        for part in parts:
            kept = pq.read_table(part)
            index = pc.index_in(kept["repo_id"], value_set=vocabulary)
            known = pc.is_valid(index)
            file.write(index.filter(known).to_numpy().astype("<i4"))
            users, counts = np.unique(kept["user_id"].filter(known).to_numpy(), return_counts=True)
            ids.append(users)
            lengths.append(counts)
            progress.update()
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
    return np.concatenate(ids), RaggedArray(np.memmap(path, np.int32, "r", shape=(int(offsets[-1]),)), offsets)


def _write_lists(lists: RaggedArray, rows: Rows, out: Path) -> None:
    """The chosen lists in the given order, a chunk in memory at a time."""
    offsets = np.concatenate([[0], np.cumsum(lists.lengths[rows], dtype=np.int64)])
    np.save(out / "offsets.npy", offsets)
    items = np.lib.format.open_memmap(out / "items.npy", "w+", np.int32, (int(offsets[-1]),))
    for start in range(0, len(rows), USERS_A_CHUNK):
        chunk = lists.take(rows[start : start + USERS_A_CHUNK])
        items[offsets[start] : offsets[start] + len(chunk.items)] = chunk.items
    items.flush()


def _write_halves(lists: RaggedArray, rows: Rows, keys: Keys, repo_ids: Ids, out: Path) -> None:
    """Each held-out list cut at random into A (the larger if odd) and B, both in the order starred.

    The draw of a repository hangs on the user's key and its repo_id alone, whatever else the corpus holds.
    """
    halves: dict[str, list[npt.NDArray[np.int32]]] = {"a": [], "b": []}
    for row in rows:
        items = lists[row]
        draws = user_keys(repo_ids[items], int(keys[row]))
        in_b = draws < np.sort(draws)[len(items) // 2]
        halves["a"].append(items[~in_b])
        halves["b"].append(items[in_b])
    for half, cut in halves.items():
        RaggedArray.of(cut).save(out, f"heldout_{half}_")


def _value(db: duckdb.DuckDBPyConnection, query: str) -> Any:
    """The one value that `query` returns."""
    return db.execute(query).fetchall()[0][0]


def _parquet(paths: Iterable[Path]) -> str:
    """The files as a table in SQL."""
    return f"read_parquet([{', '.join(map(_literal, paths))}])"


def _literal(path: Path) -> str:
    """`path` as a string in SQL."""
    return "'" + str(path).replace("'", "''") + "'"
