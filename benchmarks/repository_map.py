"""Time, peak memory and quality of a map of any vectors.

    python benchmarks/repository_map.py --vectors vectors.npy --repos repos.parquet [--out DIR] [--set field=value ...]
    python benchmarks/repository_map.py ... --before DIR [--new 0.03]

`repos.parquet` names the rows of `vectors.npy` in its column `name` (or `repo`), with description, language and topics
where it has them. Labels are compared with the topics of the awesome lists in `--shared`, unless that is absent: a list
of ten repositories or more counts if five of them lie in one cluster, whose label has to have a word of its name.
`--before` begins at the map in a folder that `--out` wrote for other vectors; `--new` takes that share of repositories
from it, as if they had been new.
"""

import argparse
import hashlib
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from acceptance import SHARED

from starvec_assets.config_base import parse_value
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.evaluation.awesome.queries import list_topic
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.repository_map.build import MapBefore, MapSettings, build_repository_map


def lists_by_topic(folder: Path, names: list[str]) -> dict[str, list[int]]:
    """Return the rows of the repositories that each README `owner__name.md` in `folder` lists, by its topic."""
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    topics = {}
    for path in sorted(folder.glob("*.md")):
        entries = parse_readme(path.read_text(encoding="utf-8", errors="replace")).entries
        rows = {row_of[entry.repo_name.lower()] for entry in entries if entry.repo_name.lower() in row_of}
        topics[list_topic(path.stem.replace("__", "/"))] = sorted(rows)
    return topics


def catalogue(repos: Path) -> pa.Table:
    """Return repo_id (a hash of the name), name, description, language and topics of the rows of a Parquet file."""
    table = pq.read_table(repos)
    names = table["name" if "name" in table.column_names else "repo"]
    ids = [int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:6]) for name in names.to_pylist()]
    nothing = {"description": pa.string(), "language": pa.string(), "topics": pa.list_(pa.string())}
    known = {
        name: table[name] if name in table.column_names else pa.nulls(len(table), kind)
        for name, kind in nothing.items()
    }
    return pa.table({"repo_id": ids, "name": names, **known})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder for the map; without it, it is thrown away")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="a setting of the map")
    parser.add_argument("--before", type=Path, help="folder of the map to begin at")
    parser.add_argument("--new", type=float, default=0.0, help="share of repositories to take from that map")
    parser.add_argument("--shared", type=Path, default=SHARED)
    a = parser.parse_args()
    table, vectors = catalogue(a.repos), np.load(a.vectors, allow_pickle=False).astype(np.float32, copy=False)
    lists = lists_by_topic(a.shared / "awesome", table["name"].to_pylist())
    if not lists:
        print(f"no lists in {a.shared / 'awesome'}: labels are not compared")
    settings = MapSettings(**{name: parse_value(value) for name, _, value in (field.partition("=") for field in a.set)})
    before = MapBefore.load(a.before) if a.before else None
    if before:
        kept = np.random.default_rng(0).random(len(before.repo_ids)) >= a.new
        before = MapBefore(
            before.repo_ids[kept], before.positions[kept], before.clusters[kept], before.scale, before.next_ids
        )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pq.write_table(table, folder / "repos.parquet")
        out = a.out or folder / "map"
        out.mkdir(parents=True, exist_ok=True)
        start, cpu = time.perf_counter(), time.process_time()
        summary = build_repository_map(
            vectors, Corpus.load(folder), RepoCatalog.load(folder), out, settings, before, lists
        )
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{summary.repositories:,} repositories, {seconds:.1f} s, {cpu_seconds:.1f} CPU s, {peak:.2f} GB")
    for name, value in summary.metrics.items():
        print(f"{name:24} {value:.4f}")


if __name__ == "__main__":
    main()
