"""Benchmark of build_corpus: seconds and memory at any scale.

    python benchmarks/corpus.py [--users 4000000 --repos 2500000 --stars 160000000] [--memory-gb 4] [--threads 2]

Writes months of stars (not timed), runs build_corpus in a process of its own and prints one table. Stars are random:
their number per user is log-normal, the repositories follow a power law. Like the archive they have repeated stars,
bots, and users with too few or too many stars.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.corpus.build import CorpusSummary, build_corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.ingest.repo_catalog import RepoCatalog

MONTH_ROWS = 4_000_000
BLOCK_USERS = 100_000
MONTH = pa.schema(
    [
        ("user_id", pa.int64()),
        ("user_login", pa.string()),
        ("repo_id", pa.int64()),
        ("repo_name", pa.string()),
        ("starred_at", pa.timestamp("s", "UTC")),
    ]
)
"""Columns of a month of raw_stars."""


def cumulative_popularity(repos: int) -> npt.NDArray[np.float64]:
    """Return the cumulative share of all stars, most starred repository first, by a power law, float64 [repos]."""
    popularity = (1 + np.arange(repos)) ** -0.85
    return np.cumsum(popularity) / popularity.sum()


def make_months(folder: Path, users: int, repos: int, stars: int, seed: int = 0) -> None:
    """Write month-*.parquet as raw_stars writes them, and repos.parquet as repo_catalog does."""
    months = max(1, stars // MONTH_ROWS)
    rng = np.random.default_rng(seed)
    cumulative = cumulative_popularity(repos)
    ids = rng.permutation(repos).astype(np.int64) * 397 + 10_000
    user_ids = np.sort(rng.choice(users * 60, users, replace=False))
    spread = 1.1
    lengths = np.exp(rng.normal(np.log(stars / users) - spread**2 / 2, spread, users))
    lengths = np.clip(lengths * stars / lengths.sum(), 1, 5_000).astype(np.int64)
    writers = [pq.ParquetWriter(folder / f"month-{m:03}.parquet", MONTH, compression="zstd") for m in range(months)]
    for start in range(0, users, BLOCK_USERS):
        block = slice(start, start + BLOCK_USERS)
        owner = np.repeat(np.arange(start, start + len(lengths[block])), lengths[block])
        repo = ids[np.minimum(np.searchsorted(cumulative, rng.random(len(owner))), repos - 1)]
        month = rng.integers(0, months, len(owner))
        at = 1_420_070_400 + month * 2_600_000 + rng.integers(0, 2_600_000, len(owner))
        order = np.lexsort((repo, at, owner, month))
        owner, repo, at = owner[order], repo[order], at[order]
        cuts = np.searchsorted(month[order], np.arange(months + 1))
        bot = np.where(owner % 5_000 == 0, "[bot]", "")
        logins = np.char.add(np.char.add("user-", owner.astype("U9")), bot)
        for m, writer in enumerate(writers):
            rows = slice(cuts[m], cuts[m + 1])
            names = pa.array(repo[rows]).cast(pa.string())
            columns = [user_ids[owner[rows]], logins[rows], repo[rows], names, at[rows]]
            arrays = [pa.array(c).cast(t) for c, t in zip(columns, MONTH.types, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=MONTH))
    for writer in writers:
        writer.close()
    names = pa.array([f"owner{i}/repository" for i in range(repos)])
    pq.write_table(pa.table({"repo_id": ids, "name": names}).sort_by("repo_id"), folder / "repos.parquet")


def build(folder: Path, out: Path, memory_gb: float, threads: int) -> CorpusSummary:
    """Build the corpus of the months and the catalogue in `folder` into `out`."""
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{memory_gb}GB'")
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET temp_directory = ?", [f"{out}/spill"])
        connection.execute("SET preserve_insertion_order = false")
        months = sorted(folder.glob("month-*.parquet"))
        return build_corpus(connection, months, RepoCatalog(folder / "repos.parquet"), out, CorpusSettings())


def measure(folder: Path, memory_gb: float, threads: int) -> dict[str, float]:
    """Build the corpus in this process; return counts, seconds and peak memory."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        start = time.perf_counter()
        summary = build(folder, Path(out), memory_gb, threads)
        seconds = time.perf_counter() - start
    return {
        "stars": summary.rows,
        "users": sum(summary.users.values()),
        "trained": summary.users["trained"],
        "vocabulary": summary.n,
        "seconds": seconds,
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=400_000)
    parser.add_argument("--repos", type=int, default=250_000)
    parser.add_argument("--stars", type=int, default=16_000_000)
    parser.add_argument("--memory-gb", type=float, default=4.0, help="DuckDB's share")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="folder of the months, written if missing; default: a temporary one"
    )
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.folder, arguments.memory_gb, arguments.threads)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "repos.parquet").exists():
            make_months(folder, arguments.users, arguments.repos, arguments.stars)
        limits = ["--memory-gb", str(arguments.memory_gb), "--threads", str(arguments.threads)]
        command = [sys.executable, __file__, "--measure", "--folder", str(folder), *limits]
        figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    figures["users/s"] = figures["users"] / figures["seconds"]
    figures["stars/s"] = figures["stars"] / figures["seconds"]
    print("| " + " | ".join(figures) + " |")
    print("|" + "---:|" * len(figures))
    print("| " + " | ".join(f"{x:,.2f}" if x < 1000 and x % 1 else f"{x:,.0f}" for x in figures.values()) + " |")


if __name__ == "__main__":
    main()
