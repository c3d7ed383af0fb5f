"""Measure the parsing of an hour file, of many on every core, and the size of a month's file: prints one table.

    python benchmarks/ingest.py [--folder DIR] [--rounds 5] [--hours 48]

Each reader runs in processes of its own on one core, the readers in turns; the least CPU time of the rounds counts.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from make_hour_file import make_hour

HOUR = "2024-01-10-12.json.gz"
SETUP = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
path = Path(sys.argv[1])
"""
MEASURE = """
def seconds():
    began = time.process_time()
    read()
    return time.process_time() - began
least = min([seconds() for _ in range(4)][1:])  # a reader process reads many hours, so its first one does not count
peak = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
print(least, int(peak.split()[1]) / 1024)
"""
DECOMPRESS = """
from isal import igzip
def read():
    block = bytearray(1 << 18)
    with igzip.open(path) as file:
        while file.readinto(block): pass
"""
READ_HOUR = """
from starvec_assets.ingest.hour_parser import HourLimits, read_hour
from starvec_assets.ingest.reader_processes import BlockPandas
sys.meta_path.insert(0, BlockPandas())  # as in the reader processes
def read():
    rows = []
    read_hour(path, datetime(2024, 1, 10, 12, tzinfo=UTC), *[rows.append] * 3, HourLimits({most}))
"""
DUCKDB = """
import duckdb
def read():
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.sql('''
            SELECT actor.id AS user_id, actor.login, repo.id AS repo_id, repo.name, created_at
            FROM read_json_auto($path, format = 'newline_delimited', maximum_object_size = 33554432)
            WHERE type = 'WatchEvent' AND payload.action = 'started'
        ''', params={"path": str(path)}).to_arrow_table()
"""
READERS = {
    "decompression alone, by isal": DECOMPRESS,
    "**read_hour: stars, repositories, people, coverage**": READ_HOUR.replace("{most}", "500"),
    "the same, with the facts of every repository": READ_HOUR.replace("{most}", "10**6"),
    "DuckDB `read_json_auto`, stars only": DUCKDB,
}


def read_in_turns(path: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the CPU seconds and the peak megabytes of each reader."""
    best: dict[str, tuple[float, float]] = {}
    for turn in range(rounds):
        for name, reader in READERS.items():
            if reader is DUCKDB and turn > 0:
                continue
            program = [sys.executable, "-c", SETUP + reader + MEASURE, str(path)]
            seconds, peak = map(float, subprocess.run(program, capture_output=True, check=True).stdout.split())
            best[name] = min(best.get(name, (9e9, peak)), (seconds, peak))
    return best


def read_hours(path: Path, folder: Path, count: int) -> tuple[float, float, float, float, float]:
    """Ingest `count` hours on every core.

    Returns wall seconds, MB/s, busy cores while hours are read and over the whole ingest, and peak megabytes of all
    processes. Busy cores are CPU seconds, those of reader processes included, divided by wall seconds.
    """
    from starvec_assets.ingest.build_month import merge_month, read_month
    from starvec_assets.ingest.calendar import month_start
    from starvec_assets.ingest.coverage import HourCoverage
    from starvec_assets.ingest.sources import FolderSource, file_name

    hours = [month_start("2024-01") + timedelta(hours=h) for h in range(count)]
    for hour in hours:
        os.link(path, folder / file_name(hour))
    out = folder / "out"
    out.mkdir()
    last_hour = 0.0

    def on_hour(_: HourCoverage) -> None:
        nonlocal last_hour
        last_hour = time.monotonic()

    before, began = os.times(), time.monotonic()
    with (
        read_month(FolderSource(folder), "2024-01", out, now=hours[-1] + timedelta(hours=2), on_hour=on_hour) as parts,
        duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(out)}) as connection,
    ):
        summary = merge_month(connection, parts, out, out, out)
    seconds, after = time.monotonic() - began, os.times()
    reading = sum(after[2:4]) - sum(before[2:4])  # of the reader processes, which end with the last hour
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    busy = (sum(after[:4]) - sum(before[:4])) / seconds
    peak = own + (os.cpu_count() or 1) * child
    return seconds, summary.bytes / 1e6 / seconds, reading / (last_hour - began), busy, peak


def bytes_a_star(path: Path, stars: int, users: int, repositories: int) -> tuple[int, float, float]:
    """Return the stars of a random month, their bytes in stars.parquet, and the bytes with a name on every star."""
    from starvec_assets.ingest.build_month import RAW_STARS, STARS_PARQUET_OPTIONS

    dice = np.random.default_rng(1)
    activity = dice.pareto(1.2, users) + 0.3
    popularity = 1 / np.arange(1, repositories + 1) ** 0.95
    user = np.searchsorted(np.cumsum(activity) / activity.sum(), dice.random(stars)).clip(0, users - 1)
    repo = np.searchsorted(np.cumsum(popularity) / popularity.sum(), dice.random(stars)).clip(0, repositories - 1)
    _, first = np.unique(user.astype(np.int64) * repositories + repo, return_index=True)
    user, repo = user[first], dice.permutation(repositories)[repo[first]]
    when = dice.integers(0, 31 * 86_400, len(user))
    order = np.lexsort((repo, when, user))
    user, repo, when = user[order], repo[order], when[order]
    words = np.array(["".join(dice.choice(list("etaoinshrdlucm"), dice.integers(3, 9))) for _ in range(20_000)])
    logins = np.char.add(dice.choice(words, users), dice.integers(0, 999, users).astype(str))
    names = np.char.add(np.char.add(dice.choice(words, repositories), "9/"), dice.choice(words, repositories))
    id_of_user = np.sort(dice.choice(180_000_000, users, replace=False)) + 1
    id_of_repo = np.sort(dice.choice(800_000_000, repositories, replace=False)) + 1
    starred_at = pa.array(when + 1_704_067_200).cast(RAW_STARS.field("starred_at").type)
    renamed = dice.random(len(user)) < 0.001
    sizes = []
    for named in (renamed, np.ones(len(user), bool)):
        columns = [id_of_user[user], logins[user], id_of_repo[repo], pa.array(names[repo], mask=~named), starred_at]
        table = pa.table([pa.array(values) for values in columns], schema=RAW_STARS)
        options = dict(STARS_PARQUET_OPTIONS)
        pq.write_table(table, path, compression="zstd", row_group_size=options.pop("row_group"), **options)
        sizes.append(path.stat().st_size / len(table))
    return len(user), sizes[0], sizes[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="folder of the hour file, which is made there if missing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=int, default=48, choices=range(1, 745), metavar="1…744")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        path = (arguments.folder or Path(scratch)) / HOUR
        if not path.exists():
            compressed, size = make_hour(path)
            print(f"made {path}: {compressed:,} bytes, {size:,} decompressed", file=sys.stderr)
        measured = read_in_turns(path, arguments.rounds)
        alone = next(iter(measured.values()))[0]
        print("| an hour of 150,000 events on one core | CPU seconds | times isal | peak MB |\n|---|---:|---:|---:|")
        for name, (seconds, peak) in measured.items():
            print(f"| {name} | {seconds:.3f} | {seconds / alone:.2f} | {peak:.0f} |")
        seconds, speed, reading, busy, peak = read_hours(path, Path(scratch), arguments.hours)
        print(
            f"| read_month and merge_month, {arguments.hours} such hours: {busy:.2f} of {os.cpu_count()} cores busy, "
            f"{reading:.2f} while reading | {seconds:.1f} wall | {speed:.0f} MB/s | {peak:.0f} |"
        )
    with tempfile.TemporaryDirectory() as scratch:
        count, size, named = bytes_a_star(Path(scratch) / "stars.parquet", 6_000_000, 1_600_000, 1_200_000)
        print(
            f"| stars.parquet, a month of {count:,} stars | {size:.1f} bytes a star | {named:.1f} with every name | |"
        )


if __name__ == "__main__":
    main()
