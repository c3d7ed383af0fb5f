"""Builds the training corpus from the star log: user and repository selection, held-out split, packed star lists.

Memory is bounded: DuckDB filters and sorts one range of user ids at a time (months are sorted by user, so a range reads
few row groups), and the lists pass through files. About 40 bytes per eligible user and repository stay in memory.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, embed_png, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import histogram
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray
from starvec_assets.store import Artifact

Ids = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.intp]
UserOutcomes = Mapping[str, tuple[int, int]]
"""Number of users and of their distinct stars by outcome: bot, too_few, too_many, eligible."""

NO_OUTCOMES: UserOutcomes = dict.fromkeys(("bot", "too_few", "too_many", "eligible"), (0, 0))
WRITE_CHUNK_USERS = 1 << 18

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
    """Counts that account for every row and user of the star log."""

    rows: int  # rows of the log; the values of `stars` add up to it
    users: dict[str, int]
    """Users by outcome: bot, too_few, too_many (stars), too_few_in_vocabulary, heldout, trained."""
    stars: dict[str, int]
    """Rows by outcome of their user, and repeated (not the first of its user and repository), below_min_stargazers
    (repository not in the vocabulary)."""
    n: int  # repositories in the vocabulary
    fewest_stargazers: int  # stargazers of the last repository of the vocabulary


@dataclass(frozen=True)
class Selection:
    """Users, stars and vocabulary after the rules of selection.sql, from either engine."""

    rows: int  # rows of the log
    outcomes: UserOutcomes
    vocabulary: pa.Table  # of schema REPOS, most starred first
    user_ids: Ids  # eligible users with a star in the vocabulary, in any order, int64 [users]
    lists: RaggedArray  # their stars as vocabulary rows, in the order starred


def user_keys(ids: Ids, seed: int) -> Keys:
    """Return SplitMix64 of each id, uint64: a bijection, so keys are distinct; they order the users and choose the
    held-out ones independently of the other users in the log."""
    z = ids.astype(np.uint64) + np.uint64((seed * 0xD1342543DE82EF95 + 0x9E3779B97F4A7C15) % (1 << 64))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def disk_bytes(stars: int) -> int:
    """Estimate the bytes that a corpus of so many stars takes: packed lists, and twice as much while they are made."""
    return 3 * 8 * stars


def build_corpus(
    connection: duckdb.DuckDBPyConnection,
    stars: Sequence[Path],
    catalogue: RepoCatalog,
    out: Path,
    settings: CorpusSettings,
) -> CorpusSummary:
    """Write {items,offsets}.npy, repos.parquet and, of held-out users, heldout_{,a_,b_}{items,offsets}.npy into `out`.

    `stars`: the stars.parquet of every month, each sorted by user_id. `connection` sets the memory limit, the threads
    and the spill folder. Users are in the order of their key, the first that have enough stars being held out; a list
    is in the order starred, then by repo_id.
    Raises StarvecError when too few users or repositories remain, or DuckDB cannot read the months or lacks memory.
    """
    if not stars:
        raise StarvecError("no month of raw_stars to build user_buckets from: materialize raw_stars first")
    try:
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch, connection.cursor() as db:
            return write_corpus(_select(db, stars, catalogue, Path(scratch), settings), out, settings)
    except duckdb.OutOfMemoryException as error:
        raise StarvecError(
            f"DuckDB ran out of memory over {len(stars)} months: raise its memory limit or lower chunk_rows "
            f"{settings.chunk_rows:,} ({error})"
        ) from error
    except duckdb.Error as error:
        raise StarvecError(f"user_buckets from {len(stars)} months of raw_stars: {error}") from error


def _select(
    db: duckdb.DuckDBPyConnection,
    stars: Sequence[Path],
    catalogue: RepoCatalog,
    scratch: Path,
    settings: CorpusSettings,
) -> Selection:
    rows, outcomes, chunks = _write_eligible_stars(db, stars, scratch, settings)
    query = settings.queries()["vocabulary"]
    top: pa.Table = db.sql(f"SELECT * FROM ({query}) ORDER BY stars DESC, repo_id").to_arrow_table()
    ids = top["repo_id"].combine_chunks()
    if len(ids) == 0:
        raise empty_vocabulary(outcomes, settings)
    vocabulary = vocabulary_table(ids, catalogue.rows(ids, ["name"])["name"], top["stars"])
    user_ids, lists = _vocabulary_lists(chunks, ids, scratch)
    return Selection(rows, outcomes, vocabulary, user_ids, lists)


def vocabulary_table(repo_ids: pa.Array, names: pa.ChunkedArray, stars: pa.ChunkedArray) -> pa.Table:
    """Return the table of schema REPOS of repositories given most starred first."""
    index = pa.array(np.arange(len(repo_ids), dtype=np.int32))
    return pa.table([index, repo_ids, names, stars], names=REPOS.names)


def empty_vocabulary(outcomes: UserOutcomes, settings: CorpusSettings) -> StarvecError:
    """Return the error for a selection without any repository."""
    users = {outcome: count for outcome, (count, _) in outcomes.items()}
    eligible = users.pop("eligible")
    return StarvecError(
        f"empty vocabulary: no repository has min_stargazers {settings.min_stargazers} among the {eligible:,} users "
        f"with {settings.min_stars} to {settings.max_stars} stars ({users}). Add months, or lower min_stargazers or "
        "min_stars"
    )


def write_corpus(selection: Selection, out: Path, settings: CorpusSettings) -> CorpusSummary:
    """Split users into held-out and training ones and write the files of `build_corpus`."""
    vocabulary, lists = selection.vocabulary, selection.lists
    users = {outcome: count for outcome, (count, _) in selection.outcomes.items()}
    stars = {outcome: count for outcome, (_, count) in selection.outcomes.items()}
    stars["repeated"] = selection.rows - sum(stars.values())
    eligible_users, eligible_stars = users.pop("eligible"), stars.pop("eligible")
    write_table(vocabulary, REPOS, out / "repos.parquet")

    keys = user_keys(selection.user_ids, settings.seed)
    order = np.argsort(keys)
    lengths = lists.lengths[order]
    long_enough = lengths >= settings.min_vocabulary_stars
    candidates = np.flatnonzero(lengths >= settings.heldout_min_vocabulary_stars)
    n_usable = int(long_enough.sum())
    heldout = candidates[: min(settings.heldout_max, round(settings.heldout_share * n_usable))]
    trained = long_enough.copy()
    trained[heldout] = False
    if len(heldout) < 4 or trained.sum() < settings.min_users:
        raise StarvecError(
            f"too few users: {eligible_users:,} have {settings.min_stars} to {settings.max_stars} stars; of these "
            f"{n_usable:,} starred {settings.min_vocabulary_stars} or more of the {vocabulary.num_rows:,} repositories "
            f"and {len(candidates):,} {settings.heldout_min_vocabulary_stars} or more; so {len(heldout):,} would be "
            f"held out (4 are needed) and {int(trained.sum()):,} trained on (min_users {settings.min_users:,}). Add "
            "months, or lower min_stars, min_stargazers, min_vocabulary_stars, heldout_min_vocabulary_stars or "
            "min_users, or raise heldout_share"
        )
    _write_lists(lists, order[trained], out)
    _write_halves(lists, order[heldout], keys, vocabulary["repo_id"].to_numpy(), out)

    n_heldout, n_trained = len(heldout), int(trained.sum())
    users |= {"too_few_in_vocabulary": eligible_users - n_usable, "heldout": n_heldout, "trained": n_trained}
    stars |= {
        "below_min_stargazers": eligible_stars - len(lists.items),
        "too_few_in_vocabulary": int(lengths[~long_enough].sum()),
        "heldout": int(lengths[heldout].sum()),
        "trained": int(lengths[trained].sum()),
    }
    return CorpusSummary(selection.rows, users, stars, vocabulary.num_rows, vocabulary["stars"][-1].as_py())


def stars_hash(user_buckets: Artifact) -> str:
    """Return a hash of the repositories' numbers and of everybody's stars: all that vectors are a function of.

    A repository's new name changes the corpus, and not this.
    """
    lists = {name: digest for name, (_, digest) in user_buckets.manifest.files.items() if name.endswith(".npy")}
    ids = Corpus.load(user_buckets.path).repo_ids
    return hashlib.sha256(json.dumps(lists, sort_keys=True).encode() + ids.tobytes()).hexdigest()


def corpus_metadata(folder: Path, summary: CorpusSummary) -> Metadata:
    """Return what the UI shows of user_buckets, written to `folder`."""
    chart = histogram(Corpus.load(folder).lists.lengths, "Stars per person", "stars")
    return {
        "people": markdown_table(["people", "count"], sorted(summary.users.items(), key=lambda item: -item[1])),
        "stars": markdown_table(["stars", "count"], sorted(summary.stars.items(), key=lambda item: -item[1])),
        "stars per person": embed_png(chart, "stars per person"),
        "people trained on": summary.users["trained"],
        "people held out": summary.users["heldout"],
        "repositories": summary.n,
        "fewest stargazers": summary.fewest_stargazers,
        "most starred": parquet_preview(folder / "repos.parquet", ["index", "name", "stars"]),
    }


def _write_eligible_stars(
    db: duckdb.DuckDBPyConnection, stars: Sequence[Path], scratch: Path, settings: CorpusSettings
) -> tuple[int, UserOutcomes, list[Path]]:
    """Write the stars of eligible users to one file per range of user ids; leave the view eligible_stars behind.

    Returns the rows of the log, the outcomes, and the files in ascending order of user ids.
    """
    log, queries = _read_parquet(stars), settings.queries()
    [(rows,)] = db.execute(f"SELECT count(*) FROM {log}").fetchall()
    if rows == 0:
        raise StarvecError(f"no star in any of {len(stars)} months of raw_stars: nothing to build user_buckets from")
    count = -(-rows // settings.chunk_rows)
    cuts = [i / count for i in range(count)]
    [(bounds,)] = db.execute(f"SELECT approx_quantile(user_id, {cuts}) FROM {log}").fetchall()
    ranges = list(pairwise(sorted({-(1 << 63), *bounds[1:], 1 << 63})))
    outcomes = dict(NO_OUTCOMES)
    files: list[Path] = []
    with bar(len(ranges), "users and stars", "chunk") as progress:
        for low, high in ranges:
            db.execute(f"CREATE OR REPLACE TEMP VIEW stars AS FROM {log} WHERE user_id BETWEEN {low} AND {high - 1}")
            for table in ("bots", "first_stars", "users"):
                db.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {queries[table]}")
            counts = "SELECT outcome, count(*), sum(stars)::BIGINT FROM users GROUP BY outcome"
            for outcome, users, total in db.execute(counts).fetchall():
                outcomes[outcome] = (outcomes[outcome][0] + users, outcomes[outcome][1] + total)
            files.append(scratch / f"eligible-{len(files):05}.parquet")
            eligible = f"SELECT user_id, repo_id FROM ({queries['eligible_stars']})"
            ordered = db.sql(f"{eligible} ORDER BY user_id, starred_at, repo_id")
            ordered.write_parquet(str(files[-1]), compression="zstd")
            progress.update()
    for table in ("bots", "first_stars", "users"):
        db.execute(f"DROP TABLE {table}")
    db.execute(f"CREATE OR REPLACE TEMP VIEW eligible_stars AS FROM {_read_parquet(files)}")
    return rows, outcomes, files


def _vocabulary_lists(files: Sequence[Path], vocabulary: pa.Array, scratch: Path) -> tuple[Ids, RaggedArray]:
    """Return the users with a star in the vocabulary, ascending, and their lists of vocabulary rows, memory-mapped."""
    ids, lengths = [], []
    path = scratch / "items"
    with path.open("wb") as target, bar(len(files), "lists", "chunk") as progress:
        for file in files:
            stars = pq.read_table(file)
            index = pc.index_in(stars["repo_id"], value_set=vocabulary)
            in_vocabulary = pc.is_valid(index)
            target.write(index.filter(in_vocabulary).to_numpy().astype("<i4"))
            users, counts = np.unique(stars["user_id"].filter(in_vocabulary).to_numpy(), return_counts=True)
            ids.append(users)
            lengths.append(counts)
            progress.update()
    return np.concatenate(ids), memory_map_lists(path, lengths)


def memory_map_lists(items: Path, lengths: Sequence[Ids]) -> RaggedArray:
    """Return the lists whose items, little-endian int32, are in the file and whose lengths are given in parts."""
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths), dtype=np.int64)])
    return RaggedArray(np.memmap(items, np.int32, "r", shape=(int(offsets[-1]),)), offsets)


def _write_lists(lists: RaggedArray, rows: Rows, out: Path) -> None:
    """Write the chosen lists in the given order, with one chunk of users in memory at a time."""
    offsets = np.concatenate([[0], np.cumsum(lists.lengths[rows], dtype=np.int64)])
    np.save(out / "offsets.npy", offsets)
    header = {"descr": "<i4", "fortran_order": False, "shape": (int(offsets[-1]),)}
    with (out / "items.npy").open("wb") as file:  # to write into a memory map would kill the process on a full disk
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(rows), WRITE_CHUNK_USERS):
            lists.take(rows[start : start + WRITE_CHUNK_USERS]).items.astype("<i4", copy=False).tofile(file)


def _write_halves(lists: RaggedArray, rows: Rows, keys: Keys, repo_ids: Ids, out: Path) -> None:
    """Write each held-out list, and its random halves A (the larger if odd) and B, all in the order starred.

    The draw depends on the user's key and the repo_id alone, so it does not change when the corpus grows.
    """
    lists.take(rows).save(out, "heldout_")
    halves: dict[str, list[npt.NDArray[np.int32]]] = {"a": [], "b": []}
    for row in rows:
        items = lists[row]
        draws = user_keys(repo_ids[items], int(keys[row]))
        in_b = draws < np.sort(draws)[len(items) // 2]
        halves["a"].append(items[~in_b])
        halves["b"].append(items[in_b])
    for half, half_lists in halves.items():
        RaggedArray.of(half_lists).save(out, f"heldout_{half}_")


def _read_parquet(paths: Iterable[Path]) -> str:
    """Return the files as a table expression in SQL."""
    quoted = ("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{', '.join(quoted)}])"
