"""Measure every step from stars to the export at full size, and the vectors beside Map of GitHub.

    python benchmarks/whole_scale.py --stars stars-1.parquet --stars stars-2.parquet [--shared ../shared/data]

Each file has the columns user, position, repo_id and repo, one row per star; users of different files are different
people. The steps are the functions that the assets call, with their defaults; each is a process of its own on
`--threads` threads, and ranking on the same. One table has their minutes and peak memory, the other awesome NDCG@10,
real users P@50 and MRR of the vectors, and awesome NDCG@10 of Map of GitHub (https://github.com/anvaka/map-of-github)
on the same queries and the same vocabulary: its graph has the pairs of repositories with many common stargazers, by
Jaccard similarity over about 500 million real stars. Its nearest are the linked repositories, those linked both ways
first, and by the Jaccard similarity of their neighbourhoods in the whole graph where that is equal, then all others by
that similarity: the best of the orders that were tried.

`--folder` keeps what the steps wrote; a step whose result is there is not run again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import LISTS, METRICS, SHARED, Truth
from corpus import MONTH, build
from training import describe, peak_gb

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog
from starvec_assets.ranking import metrics
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.search import Floats
from starvec_assets.training.settings import TrainSettings
from starvec_assets.vectors import load_vectors

BLOCK_ROWS = 4_000_000
MEMORY_GB = 6  # DuckDB's share
TIED = 10.0  # above any similarity


@dataclass(frozen=True)
class Limits:
    """What the steps may take."""

    threads: int
    epochs: int


def write_months(files: list[Path], shared: Path, out: Path) -> None:
    """Write each file as a month of raw_stars, and a catalogue of their repositories with real descriptions."""
    epoch = 1_420_070_400
    names: dict[int, str] = {}
    for number, file in enumerate(files):
        with pq.ParquetWriter(out / f"month-{number:03}.parquet", MONTH, compression="zstd") as writer:
            for batch in pq.ParquetFile(file).iter_batches(BLOCK_ROWS, columns=["user", "position", "repo_id", "repo"]):
                user, position, repo_id = (
                    batch[c].to_numpy().astype(np.int64) for c in ("user", "position", "repo_id")
                )
                repo = batch["repo"].cast(pa.string())
                known, first = np.unique(repo_id, return_index=True)
                names |= zip(known.tolist(), repo.take(pa.array(first)).to_pylist(), strict=True)
                people = pa.array((number << 32) + user)
                columns = [people, people.cast(pa.string()), repo_id, repo, epoch + position]
                arrays = [pa.array(c).cast(t) for c, t in zip(columns, MONTH.types, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=MONTH))
    ids = sorted(names)
    described = describe([names[i] for i in ids], shared)
    nothing = {field.name: pa.nulls(len(ids), field.type) for field in CATALOG}
    columns = nothing | {name: described[name] for name in described.column_names} | {"repo_id": pa.array(ids)}
    pq.write_table(pa.table(columns), out / "repos.parquet")


def make_corpus(folder: Path, out: Path, limits: Limits) -> str:
    """Build user_buckets."""
    summary = build(folder / "months", out, MEMORY_GB, limits.threads)
    return f"{summary.rows:,} stars of {sum(summary.users.values()):,} people, {summary.n:,} repositories"


def make_text(folder: Path, out: Path, limits: Limits) -> str:
    """Build readme_init_vectors."""
    from starvec_assets.text.build import build_text_vectors
    from starvec_assets.text.encoders import TfidfSvdEncoder
    from starvec_assets.text.readmes import no_readmes

    catalogue, corpus = RepoCatalog(folder / "months/repos.parquet"), Corpus.load(folder / "corpus")
    summary = build_text_vectors(catalogue, corpus, TfidfSvdEncoder(), 128, out, no_readmes())
    return f"{summary.with_vector:,} texts, {summary.encoder}"


def make_vectors(folder: Path, out: Path, limits: Limits) -> str:
    """Train trained_embeddings."""
    from starvec_assets.training.device import pick_device
    from starvec_assets.training.epoch_metrics import EpochMetrics
    from starvec_assets.training.job import TrainJob
    from starvec_assets.training.worker import train_job

    began = time.perf_counter()
    starts: list[float] = []

    def on_epoch(epoch: EpochMetrics) -> None:
        starts.append(time.perf_counter() - began)
        print(
            f"epoch {epoch.epoch}: {starts[-1] / 60:.1f} min, recall@50 {epoch.heldout_recall_50:.4f}", file=sys.stderr
        )

    job = TrainJob(
        corpus=folder / "corpus",
        text=folder / "text",
        input_key="whole scale",
        settings=TrainSettings(epochs=limits.epochs),
        checkpoint=out / "checkpoint",
        out=out,
    )
    device = pick_device(job.device)
    result = train_job(job, device, on_epoch)
    np.save(out / "vectors.npy", result.vectors)
    epochs = np.diff(starts)
    return (
        f"{device.name}, {device.precision}: start and neighbours {starts[0] / 60:.1f} min, "
        f"{len(epochs)} epochs of {np.median(epochs) / 60:.1f} min"
    )


def make_export(folder: Path, out: Path, limits: Limits) -> str:
    """Write fp16_export."""
    from starvec_assets.export.fp16_build import ExportSettings, build_export

    catalogue, corpus = RepoCatalog(folder / "months/repos.parquet"), Corpus.load(folder / "corpus")
    vectors, text = (load_vectors(folder / name) for name in ("vectors", "text"))
    build_export(vectors, text, corpus, catalogue, out, ExportSettings())
    return f"{sum(path.stat().st_size for path in out.iterdir()) / 1e6:,.0f} MB, index built by one thread"


STEPS: dict[str, tuple[str, Callable[[Path, Path, Limits], str]]] = {
    "corpus": ("user_buckets", make_corpus),
    "text": ("readme_init_vectors", make_text),
    "vectors": ("trained_embeddings", make_vectors),
    "export": ("fp16_export", make_export),
}


def run_step(name: str, folder: Path, limits: Limits) -> dict[str, Any]:
    """Run a step in a process of its own, unless its result is in `folder`."""
    report = folder / f"{name}.json"
    if not report.exists():
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        arguments = ["--step", name, "--folder", folder, "--threads", limits.threads, "--epochs", limits.epochs]
        environment = {**os.environ, **dict.fromkeys(variables, str(limits.threads))}
        subprocess.run([sys.executable, __file__, *map(str, arguments)], check=True, env=environment)
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def measure(name: str, folder: Path, limits: Limits) -> None:
    """Run a step in this process and write its report."""
    out = folder / name
    out.mkdir(exist_ok=True)
    began, cpu = time.perf_counter(), time.process_time()
    note = STEPS[name][1](folder, out, limits)
    figures = {"minutes": (time.perf_counter() - began) / 60, "CPU minutes": (time.process_time() - cpu) / 60}
    (folder / f"{name}.json").write_text(json.dumps({**figures, "peak GB": peak_gb(), "note": note}))


def map_of_github_ndcg(shared: Path, names: list[str], groups: Groups) -> Floats:
    """Return NDCG@10 of Map of GitHub's neighbours within the vocabulary `names`, for each query of `groups`."""
    repos = pq.read_table(shared / "map_of_github" / "repos.parquet", columns=["repo"])["repo"].to_pylist()
    edges = pq.read_table(shared / "map_of_github" / "edges.parquet")
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    row = np.array([row_of.get(repo.lower(), -1) for repo in repos])  # vocabulary row of each node of the graph
    node = np.full(len(names), -1)
    node[row[row >= 0]] = np.flatnonzero(row >= 0)
    size = (len(repos), len(repos))
    ends = edges["src"].to_numpy(), edges["dst"].to_numpy()
    directed = sp.csr_array((np.ones(len(ends[0]), np.float32), ends), shape=size)
    links = sp.csr_array(directed + directed.T)
    closed = sp.csr_array(
        links.astype(bool).astype(np.float32) + sp.eye_array(len(repos), format="csr", dtype=np.float32)
    )
    degree = np.diff(closed.indptr)

    queries = groups.queries
    ranked = np.repeat(
        queries[:, None], 10, axis=1
    )  # a query has no gain for itself, so a place it fills gains nothing
    for i, query in enumerate(queries):
        if node[query] < 0:
            continue
        common = sp.csr_array(closed[[node[query]]] @ closed)
        score = np.zeros(len(repos), np.float32)
        score[common.indices] = common.data / (degree[node[query]] + degree[common.indices] - common.data)
        linked = slice(links.indptr[node[query]], links.indptr[node[query] + 1])
        score[links.indices[linked]] += TIED * links.data[linked]
        found = common.indices[(row[common.indices] >= 0) & (row[common.indices] != query)]
        best = found[np.lexsort((found, -score[found]))[:10]]
        ranked[i, : len(best)] = row[best]
    return metrics.ndcg(ranked, groups.gains(queries), 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, action="append", default=[], help="Parquet file; may be repeated")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/, real_users/, map_of_github/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=TrainSettings().epochs, help="of the training")
    parser.add_argument("--folder", type=Path, help="where the steps write; default: a temporary folder")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    limits = Limits(arguments.threads, arguments.epochs)
    if arguments.step:
        measure(arguments.step, arguments.folder, limits)
        return
    if not arguments.stars:
        parser.error("--stars is needed: a Parquet file of user, position, repo_id, repo")
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        months = folder / "months"
        if not (months / "repos.parquet").exists():
            months.mkdir(parents=True, exist_ok=True)
            write_months(arguments.stars, arguments.shared, months)
        print("| step | minutes | CPU minutes | peak GB | |")
        print("|---|---:|---:|---:|---|")
        for name, (asset, _) in STEPS.items():
            report = run_step(name, folder, limits)
            figures = " | ".join(f"{report[column]:.1f}" for column in ("minutes", "CPU minutes", "peak GB"))
            print(f"| {asset} | {figures} | {report['note']} |", flush=True)
        truth = Truth.load(Corpus.load(folder / "corpus").names, arguments.shared, splits=10)
        own = truth.scores(load_vectors(folder / "vectors"))
        peer = map_of_github_ndcg(arguments.shared, Corpus.load(folder / "corpus").names, truth.groups)
        low, high = truth.interval(LISTS, own[LISTS] - peer)
        print(f"\n| {len(peer):,} queries | " + " | ".join(METRICS) + " |")
        print("|---|" + "---:|" * len(METRICS))
        print("| starvec | " + " | ".join(f"{own[metric].mean():.4f}" for metric in METRICS) + " |")
        print(f"| Map of GitHub | {peer.mean():.4f} (starvec {low:+.4f} to {high:+.4f}) | – | – |")


if __name__ == "__main__":
    main()
