"""Four stages over small inputs, for processes that a test kills: see test_random_kills.py.

Started once, so that libraries are imported once. For each line on stdin, with tabs between STAGE, INPUTS, PLACE and
SECONDS, it forks a process that does the work, kills it with those it started after so many seconds unless the field
is empty, and prints how it ended.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from archive import MONTH, write_hour_files
from planted_corpus import CPU, N, planted_lists

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.export.fp16_build import ExportSettings, build_export
from starvec_assets.export.publish import FILE_LIST, publish
from starvec_assets.ingest.build_month import merge_month, read_month
from starvec_assets.ingest.calendar import month_start
from starvec_assets.ingest.hour_cache import clear_hour_cache
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.sources import FolderSource
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.store import ArtifactStore
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trainer import train

HOURS, REPOSITORIES, PAGES = 24, 1_000, ("old", "new")
RAW_ASSETS = ("raw_stars", "raw_repos", "raw_people")


def prepare(inputs: Path, place: Path) -> None:
    """Write the inputs of all stages."""
    write_hour_files(inputs / "hours", HOURS)
    ids, names = np.arange(REPOSITORIES), [f"owner{i}/repo-{i}" for i in range(REPOSITORIES)]
    vocabulary = {"index": ids.astype(np.int32), "repo_id": ids, "name": names, "stars": ids[::-1]}
    facts = {"repo_id": ids, "description": names, "language": ["C"] * REPOSITORIES, "topics": [["c"]] * REPOSITORIES}
    pq.write_table(pa.table(vocabulary), inputs / "repos.parquet")
    pq.write_table(pa.table(facts | {"last_seen": pa.array(ids, UTC_SECONDS)}), inputs / "catalogue.parquet")
    for page in PAGES:
        with ArtifactStore(inputs / page).write("web_bundle", code_version="1") as draft:
            for number in range(60):
                path = draft.path / f"folder{number % 5}/file{number}-{page if number % 3 else ''}.js"
                path.parent.mkdir(exist_ok=True)
                path.write_text(page * 20_000)


def ingest(inputs: Path, place: Path) -> None:
    """Read a month's hour files into the store."""
    source, now = FolderSource(inputs / "hours"), month_start(MONTH) + timedelta(hours=HOURS + 1)
    with (
        read_month(source, MONTH, place / "progress", workers=2, now=now) as parts,
        ArtifactStore(place / "artifacts").write_together({f"{a}/{MONTH}": "1" for a in RAW_ASSETS}) as drafts,
        duckdb.connect() as connection,
    ):
        merge_month(connection, parts, *(draft.path for draft in drafts))
    clear_hour_cache(place / "progress", source.key, MONTH)


def training(inputs: Path, place: Path) -> None:
    """Train on a planted corpus, with a checkpoint after each step, and write the vectors into the store."""
    torch.set_num_threads(1)
    result = train(
        planted_lists(300, seed=1),
        N,
        TrainSettings(dim=16, batch=64, epochs=6, init="random", lr=0.1, checkpoint_minutes=1e-9),
        text=None,
        validation=split_lists(planted_lists(40, seed=2), min_items=10, max_items=800, seed=0),
        device=CPU,
        checkpoint=place / "checkpoint",
        input_key="planted",
        on_epoch=lambda epoch: None,
    )
    with ArtifactStore(place / "artifacts").write("trained_embeddings", code_version="1") as draft:
        np.save(draft.path / "vectors.npy", result.vectors)
        np.save(draft.path / "losses.npy", result.losses)


def export(inputs: Path, place: Path) -> None:
    """Export vectors with their index into the store."""
    vectors = np.random.default_rng(0).standard_normal((REPOSITORIES, 32), np.float32)
    with ArtifactStore(place / "artifacts").write("fp16_export", code_version="1") as draft:
        catalogue = RepoCatalog(inputs / "catalogue.parquet")
        build_export(vectors, vectors, Corpus.load(inputs), catalogue, draft.path, ExportSettings())


def publication(inputs: Path, place: Path) -> None:
    """Publish a page over an older one, beside a file of the user's."""
    if not (place / "site" / FILE_LIST).exists():
        (place / "site").mkdir(exist_ok=True)
        (place / "site/CNAME").write_text("example.org")
        publish(ArtifactStore(inputs / "old").latest("web_bundle"), place / "site")
    publish(ArtifactStore(inputs / "new").latest("web_bundle"), place / "site")


if __name__ == "__main__":
    stages = {function.__name__: function for function in (prepare, ingest, training, export, publication)}
    for line in sys.stdin:
        stage, inputs, place, seconds = line.rstrip("\n").split("\t")
        if (child := os.fork()) == 0:
            os.setpgid(0, 0)
            stages[stage](Path(inputs), Path(place))
            os._exit(0)
        os.setpgid(child, child)  # here, too: it may be killed before it has begun
        if seconds:
            time.sleep(float(seconds))
            os.killpg(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
