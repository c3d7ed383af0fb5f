"""The star log to packed arrays: seconds and memory at any scale.

    python benchmarks/corpus.py [--users 4000000 --repos 2500000 --stars 160000000] [--memory-gb 4] [--threads 2]

Makes months of stars (their making is not timed), then runs build_corpus in a process of its own and prints one table.
The stars are random: how many a user gives is log-normal, which repositories is a power law; the rules see what they
would see in the archive (repeated stars, bots, hoarders, users with few stars).
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

from starvec_assets.corpus.build import build_corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.ingest.repo_catalog import RepoCatalog

ROWS_A_MONTH = 4_000_000
USERS_A_BLOCK = 100_000


def popularity_reach(repos: int) -> npt.NDArray[np.float64]:
    """Share of all stars that the most starred repositories have, up to each: a power law."""
    popularity = (1 + np.arange(repos)) ** -0.85
    return np.cumsum(popularity) / popularity.sum()


def make_months(folder: Path, users: int, repos: int, stars: int, seed: int = 0) -> None:
    """Write month-*.parquet as raw_stars writes them, and repos.parquet as repo_catalog does."""
    months = max(1, stars // ROWS_A_MONTH)
    rng = np.random.default_rng(seed)
    reach = popularity_reach(repos)
    ids = rng.permutation(repos).astype(np.int64) * 397 + 10_000
    user_ids = np.sort(rng.choice(users * 60, users, replace=False))
    spread = 1.1
    lengths = np.exp(rng.normal(np.log(stars / users) - spread**2 / 2, spread, users))
    lengths = np.clip(lengths * stars / lengths.sum(), 1, 5_000).astype(np.int64)
    schema = pa.schema(
        [
            ("user_id", pa.int64()),
            ("user_login", pa.string()),
            ("repo_id", pa.int64()),
            ("repo_name", pa.string()),
            ("starred_at", pa.timestamp("s", "UTC")),
        ]
    )
    writers = [pq.ParquetWriter(folder / f"month-{m:03}.parquet", schema, compression="zstd") for m in range(months)]
    for start in range(0, users, USERS_A_BLOCK):
        block = slice(start, start + USERS_A_BLOCK)
        owner = np.repeat(np.arange(start, start + len(lengths[block])), lengths[block])
        repo = ids[np.minimum(np.searchsorted(reach, rng.random(len(owner))), repos - 1)]
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
            arrays = [pa.array(c).cast(t) for c, t in zip(columns, schema.types, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    for writer in writers:
        writer.close()
    names = pa.array([f"owner{i}/repository" for i in range(repos)])
    pq.write_table(pa.table({"repo_id": ids, "name": names}).sort_by("repo_id"), folder / "repos.parquet")


def measure(folder: Path, memory_gb: float, threads: int) -> dict[str, float]:
    """Build the corpus in this process; what it took."""
    with tempfile.TemporaryDirectory(dir=folder) as out, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{memory_gb}GB'")
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET temp_directory = ?", [f"{out}/spill"])
        connection.execute("SET preserve_insertion_order = false")
        start = time.perf_counter()
        months = sorted(folder.glob("month-*.parquet"))
        summary = build_corpus(connection, months, RepoCatalog(folder / "repos.parquet"), Path(out), CorpusSettings())
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
    parser.add_argument("--folder", type=Path, help="where the months are or are to be made; a temporary one if absent")
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
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    found["users/s"] = found["users"] / found["seconds"]
    found["stars/s"] = found["stars"] / found["seconds"]
    print("| " + " | ".join(found) + " |")
    print("|" + "---:|" * len(found))
    print("| " + " | ".join(f"{x:,.2f}" if x < 1000 and x % 1 else f"{x:,.0f}" for x in found.values()) + " |")


if __name__ == "__main__":
    main()
