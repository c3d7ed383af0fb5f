"""A home with what a Space opens: 96 repositories of four topics, some with real names, and four placed by their text.

It takes a second, and nothing of it is random but by a seed.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.export.fp16_build import ExportSettings, build_export
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog
from starvec_assets.parquet import write_table
from starvec_assets.profiles.developers import Developer, build_developers
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.probes import ProbeSettings, fit_probes
from starvec_assets.profiles.quantiles import fit_quantiles
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.store import ArtifactStore
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.placed import REPOS, Placed, texts_of
from starvec_assets.trends.tables import FIELDS, RANKING
from starvec_assets.vectors import Matrix, unit_rows

TOPICS = {
    "data": ("Python", "fast tables columns frames arrays statistics analysis numbers"),
    "web": ("JavaScript", "browser components pages interfaces reactive rendering templates"),
    "systems": ("Rust", "async runtime memory threads kernel network servers"),
    "learning": ("Python", "neural networks training models gradients language transformers"),
}
REAL = {
    "data": ["pandas-dev/pandas", "pola-rs/polars", "numpy/numpy", "dask/dask"],
    "web": ["facebook/react", "vuejs/core", "sveltejs/svelte", "angular/angular"],
    "systems": ["tokio-rs/tokio", "torvalds/linux", "hyperium/hyper", "redis/redis"],
    "learning": ["pytorch/pytorch", "huggingface/transformers", "tensorflow/tensorflow", "keras-team/keras"],
}
EACH, D, PEOPLE = 24, 16, 700
SEEN = datetime(2024, 1, 31, tzinfo=UTC)
PROVENANCE = "a small home of the tests"


def write_small_home(home: Path) -> ArtifactStore:
    """Write fp16_export and what belongs to it into `home`."""
    rng = np.random.default_rng(7)
    topics = list(TOPICS)
    names = [
        REAL[topic][i] if i < len(REAL[topic]) else f"{topic}-{i}/{topic}" for i in range(EACH) for topic in topics
    ]
    topic_of = np.arange(len(names)) % len(topics)
    noise = np.where(np.arange(len(names)) < 4 * len(topics), 0.05, 0.15)  # those with real names are near each other
    vectors, text = (_near(_directions(rng), topic_of, noise, rng) for _ in range(2))
    people = [_starred(rng, topic_of) for _ in range(PEOPLE)]
    lists = RaggedArray.of(people[: PEOPLE - 100])
    corpus, catalogue, texts = _tables(home / "sources", names, topic_of, rng)
    placed = _placed(rng)
    stars = corpus.stars
    bins = StarBins.of(lists.lengths)
    sample, heldout = (
        PeopleSample.of(vectors, of, stars, bins) for of in (lists, RaggedArray.of(people[PEOPLE - 100 :]))
    )

    store = ArtifactStore(home / "artifacts")
    with store.write("trained_embeddings", code_version="1", provenance=[PROVENANCE]) as draft:
        np.save(draft.path / "vectors.npy", vectors)
    trained = [draft.done()]
    with store.write("text_index", code_version="1", inputs=trained) as draft:
        build_text_index([*texts, *texts_of(placed.repos)], vectors, text, IndexSettings()).save(draft.path)
    with store.write("fp16_export", code_version="1", inputs=[*trained, draft.done()]) as draft:
        build_export(vectors, text, corpus, catalogue, draft.path, ExportSettings(), placed)
    with store.write("linear_probes", code_version="1", inputs=trained) as draft:
        categories = {
            topic: [name for name, of in zip(names, topic_of, strict=True) if topics[of] == topic][:8]
            for topic in topics
        }
        settings = ProbeSettings(folds=2, negatives=40)
        fit_probes(vectors, names, stars, sample, heldout, categories, settings, draft.path)
    with store.write("quantile_tables", code_version="1", inputs=trained) as draft:
        fit_quantiles(vectors, sample, heldout, draft.path, pairs=10_000)
    with store.write("developer_vectors", code_version="1", inputs=trained) as draft:
        developers = [Developer("ann", "Ann", "data"), Developer("bob", "Bob", "web")]
        rows = {login: np.flatnonzero(topic_of == i)[:12].tolist() for i, login in enumerate(("ann", "bob"))}
        build_developers(rows, vectors, stars, developers, sample, heldout, draft.path)
    with store.write("trends", code_version="1", inputs=trained) as draft:
        _write_trends(corpus, topic_of, draft.path)
    return store


def _directions(rng: np.random.Generator) -> Matrix:
    """A direction for each topic, at right angles to the others."""
    return np.linalg.qr(rng.standard_normal((D, len(TOPICS))))[0].T.astype(np.float32)


def _near(directions: Matrix, topic_of: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> Matrix:
    return unit_rows(directions[topic_of] + noise[:, None] * rng.standard_normal((len(topic_of), D)))


def _starred(rng: np.random.Generator, topic_of: np.ndarray) -> np.ndarray:
    """The rows that somebody with one or two topics has starred."""
    likes = rng.dirichlet(np.full(len(TOPICS), 0.3))[topic_of] + 0.02
    return np.sort(rng.choice(len(topic_of), rng.integers(5, 20), replace=False, p=likes / likes.sum()))


def _tables(
    folder: Path, names: list[str], topic_of: np.ndarray, rng: np.random.Generator
) -> tuple[Corpus, RepoCatalog, list[list[str]]]:
    """Write a vocabulary and a catalogue, of descriptions of four words of a topic; return them with the words."""
    folder.mkdir(parents=True)
    ids = 100 + np.arange(len(names))
    stars = np.arange(len(names), 0, -1) * 10
    vocabulary = {"index": np.arange(len(names), dtype=np.int32), "repo_id": ids, "name": names, "stars": stars}
    pq.write_table(pa.table(vocabulary), folder / "repos.parquet")
    rows, texts = [], []
    for row, name in enumerate(names):
        language, words = list(TOPICS.values())[topic_of[row]]
        description = " ".join(rng.choice(words.split(), 4, replace=False)).capitalize()
        facts = {"repo_id": int(ids[row]), "name": name, "description": description, "language": language}
        facts["topics"] = [f"About {list(TOPICS)[topic_of[row]]}", words.split()[0]] if row % 8 < 4 else None
        seen = {
            "first_seen": SEEN,
            "last_seen": SEEN,
            "former_names": [],
            "former_names_seen": [],
            "stars": int(stars[row]),
        }
        rows.append(dict.fromkeys(CATALOG.names) | facts | seen)
        texts.append(document_words(name, description, language))
    pq.write_table(pa.Table.from_pylist(rows, CATALOG), folder / "catalogue.parquet")
    return Corpus.load(folder), RepoCatalog(folder / "catalogue.parquet"), texts


def _placed(rng: np.random.Generator) -> Placed:
    """A new repository of each topic, which two people have starred."""
    rows = [
        {"repo_id": 900 + i, "name": f"new/{topic}", "description": words.capitalize(), "language": language}
        | {"topics": [topic], "stars": 2, "last_seen": SEEN}
        for i, (topic, (language, words)) in enumerate(TOPICS.items())
    ]
    vectors, text = (unit_rows(rng.standard_normal((len(rows), D))).astype(np.float16) for _ in range(2))
    return Placed(pa.Table.from_pylist(rows, REPOS), vectors, text)


def _write_trends(corpus: Corpus, topic_of: np.ndarray, out: Path) -> None:
    """Call the last twelve repositories rising, the last one most."""
    rows = []
    for growth, row in enumerate(range(corpus.n - 1, corpus.n - 13, -1)):
        topic = list(TOPICS)[topic_of[row]]
        facts = {"repo_id": int(corpus.repo_ids[row]), "name": corpus.names[row], "category": topic}
        facts |= {"language": TOPICS[topic][0], "cluster": None, "born": date(2024, 1, 1), "total": 60, "stars": 20}
        numbers = {"growth": 0.5 - growth / 100, "per_day": 2.0, "low": 1.0, "high": 3.0, "burst_days": 7}
        rows.append(facts | numbers | {"growth_low": 0.2, "burst": 1.0, "burst_low": 0.5})
    write_table(pa.Table.from_pylist(rows, RANKING), RANKING, out / "rising.parquet")
    fields = [
        {"kind": kind, "field": name, "cluster": None, "month": "2024-01", "stars": 1, "share": 0.1}
        for kind, of in (("category", TOPICS), ("language", sorted({language for language, _ in TOPICS.values()})))
        for name in of
    ]
    write_table(pa.Table.from_pylist(fields, FIELDS), FIELDS, out / "fields.parquet")
    about = {"window": {"first": "2024-01-01", "last": "2024-01-28"}, "notes": [], "gaps": [], "least_stars": 5}
    (out / "trends.json").write_text(json.dumps(about))
