"""Compare ways to search repositories by words, on the headings of real awesome lists.

    python benchmarks/text_search.py --repos repos.parquet --vectors trained.npy text.npy [--shared DIR]
    python benchmarks/text_search.py ... --vectors other.npy other_text.npy --sentences minilm.npy
    python benchmarks/text_search.py ... --sweep

`repos.parquet` has name, description and language, a row for each of the trained vectors and of the text vectors that
they started from. A query is the topic of a list and two headings, relevant are the repositories of that section, 5 or
more. Intervals are of 95 %, by list. `--sentences` are vectors of the same texts by the encoder minilm, which then
encodes the queries as well: what a sentence encoder beside the search would find.

`--sweep` prints the weights of the fusion that are best on half of the lists, for all `--vectors` together, and what
they reach on the other half.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import SHARED

from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.evaluation.awesome.queries import RELEVANT_MAX, RELEVANT_MIN, half_of, section_query
from starvec_assets.evaluation.samples import paired_intervals
from starvec_assets.evaluation.search_by_words import K, Searched, TextQueries, score_search
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.search import Indices, top_k
from starvec_assets.text.documents import document
from starvec_assets.text.encoders import TOKEN_PATTERN
from starvec_assets.text.minilm import minilm
from starvec_assets.text_search.bm25 import bm25_scores
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch
from starvec_assets.vectors import Matrix, unit_rows

METRICS = {"search_ndcg_10": "nDCG@10", "search_recall_50": "recall@50", "search_mrr": "MRR"}
RESAMPLES = 2_000
WORDS, FAME, TEXT = (0.25, 0.4, 0.55), (0.1, 0.2, 0.3, 0.4), (0.0, 0.25, 0.5, 0.9)
"""Weights that are tried; that of the texts beside the best of the other two without texts."""


@dataclass(frozen=True)
class Model:
    """Trained vectors and text vectors of the same repositories, and the index of their words."""

    name: str
    vectors: Matrix
    text: Matrix
    index: TextIndex
    seconds: float  # to build the index


def read_queries(folder: Path, names: list[str]) -> TextQueries:
    """Return the queries of the READMEs in `folder`, `owner__name.md`, over repositories called `names`."""
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    texts, lists, relevant = [], [], []
    for path in sorted(folder.glob("*.md")):
        name = path.stem.replace("__", "/", 1)
        sections: dict[str, set[int]] = {}
        for entry in parse_readme(path.read_text(encoding="utf-8", errors="replace")).entries:
            if (row := row_of.get(entry.repo_name.lower())) is not None:
                sections.setdefault(entry.section, set()).add(row)
        for section, rows in sections.items():
            if RELEVANT_MIN <= len(rows) <= RELEVANT_MAX and (text := section_query(name, section)):
                texts.append(text)
                lists.append(name)
                relevant.append(sorted(rows))
    return TextQueries(texts, lists, RaggedArray.of(relevant))


def tfidf_ranking(texts: list[str], queries: list[str]) -> Indices:
    """Rank texts by the cosine of their TF-IDF vectors, as scikit-learn makes them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=TOKEN_PATTERN, stop_words="english", dtype=np.float32)
    documents = vectorizer.fit_transform(texts)
    scores = (vectorizer.transform(queries) @ documents.T).toarray()
    return np.argsort(-scores, axis=1, kind="stable")[:, :K].astype(np.int32)


def place_ranking(search: TextSearch, queries: list[str], vectors: Matrix) -> Indices:
    """Rank repositories by the cosine of their trained vectors to the place of a query."""
    return top_k(np.stack([search.query_vector(query) for query in queries]), vectors, K)


def rankings(
    model: Model, texts: list[str], queries: TextQueries, sentences: Path | None
) -> Iterator[tuple[str, Indices]]:
    """Yield each system's name and ranking."""
    rows = np.arange(len(texts), dtype=np.int32)
    searched = Searched(model.index, model.vectors, model.text, rows)
    search = TextSearch(model.index, model.vectors)
    yield "most starred", np.tile(rows[:K], (len(queries), 1))
    yield "TF-IDF", tfidf_ranking(texts, queries.texts)
    yield "BM25", searched.ranked_by_bm25(queries.texts)
    yield "words placed among trained vectors", place_ranking(search, queries.texts, model.vectors)
    yield "words placed among texts' vectors", searched.ranked_by_text(queries.texts)
    yield "**text search without texts' vectors**", searched.ranked(queries.texts, with_text=False)
    yield "**text search**", searched.ranked(queries.texts)
    if sentences:
        with tempfile.TemporaryDirectory() as cache:
            places = minilm(Path(cache), 32, "cpu").encode(queries.texts)
        yield "MiniLM, with the model for the query", top_k(places, np.load(sentences).astype(np.float32), K)


def table(model: Model, texts: list[str], queries: TextQueries, sentences: Path | None) -> None:
    """Print the scores of each system: of all lists with intervals, then of the half that no weight was chosen on."""
    sample = score_search(dict(rankings(model, texts, queries, sentences)), queries, len(texts))
    intervals, _ = paired_intervals([sample], "**text search**", RESAMPLES, 0)
    other = np.array([half_of(name) == 1 for name in queries.lists])
    print(
        f"\n{model.name}: {len(queries):,} queries of {len(set(queries.lists))} lists, {other.sum()} of the other half"
    )
    print(f"{len(model.index.words):,} words, {len(model.index.documents):,} postings, made in {model.seconds:.1f} s\n")
    print(
        "| system | "
        + " | ".join(METRICS.values())
        + " | "
        + " | ".join(f"{m}, other half" for m in METRICS.values())
        + " |"
    )
    print("|---|" + "---:|" * (2 * len(METRICS)))
    for name, scores in sample.scores.items():
        ends = [intervals[name][key] for key in METRICS]
        whole = [
            f"{scores[key].mean():.3f} ({low:.3f}–{high:.3f})" for key, (low, high) in zip(METRICS, ends, strict=True)
        ]
        print("| " + " | ".join([name, *whole, *(f"{scores[key][other].mean():.3f}" for key in METRICS)]) + " |")


@dataclass(frozen=True)
class Parts:
    """What is fused, float32 [queries, rows] each: cosines of both places, and BM25 by its highest."""

    trained: Matrix
    words: Matrix
    text: Matrix

    @staticmethod
    def of(model: Model, queries: TextQueries) -> "Parts":
        """Compute the parts of every query."""
        search = TextSearch(model.index, model.vectors)
        by_text = TextSearch(
            TextIndex(**vars(model.index) | {"vectors": model.index.text_vectors, "scales": model.index.text_scales}),
            model.text,
        )
        places, text = (np.stack([s.query_vector(query) for query in queries.texts]) for s in (search, by_text))
        words = np.stack([bm25_scores(model.index, search.known_words(query)) for query in queries.texts])
        words /= np.maximum(words.max(axis=1, keepdims=True), 1e-9)
        return Parts(places @ unit_rows(model.vectors).T, words.astype(np.float32), text @ unit_rows(model.text).T)

    def ranked(self, words: float, fame: float, text: float) -> Indices:
        """Return the K best rows of each query."""
        root = np.sqrt(np.arange(self.trained.shape[1]) / self.trained.shape[1]).astype(np.float32)
        scores = self.trained + words * self.words + text * self.text - fame * root
        best = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1).astype(np.int32)


def sweep(models: list[Model], queries: TextQueries, n: int) -> None:
    """Print what weights reach, and choose them by the sum of the metrics on half 0 of the lists, for all models.

    First those of words and fame, without the vectors of texts, then that of the texts beside the best of these.
    """
    parts = [Parts.of(model, queries) for model in models]
    first = np.array([half_of(name) == 0 for name in queries.lists])
    print(f"words, fame, text: {', '.join(METRICS.values())} on the half that chooses, and on the other\n")

    def reached(weights: tuple[float, float, float]) -> float:
        total, cells = 0.0, []
        for model, part in zip(models, parts, strict=True):
            scores = score_search({"": part.ranked(*weights)}, queries, n).scores[""]
            halves = [[float(scores[key][half].mean()) for key in METRICS] for half in (first, ~first)]
            total += sum(halves[0])
            cells.append(f"{model.name} " + " and ".join(" ".join(f"{x:.3f}" for x in half) for half in halves))
        print(f"{weights}: {'; '.join(cells)}", flush=True)
        return total

    words, fame, _ = max(((words, fame, 0.0) for words, fame in product(WORDS, FAME)), key=reached)
    print(f"\nchosen: {max(((words, fame, text) for text in TEXT), key=reached)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=Path, required=True, help="Parquet of name, description, language")
    parser.add_argument(
        "--vectors",
        type=Path,
        nargs=2,
        action="append",
        required=True,
        metavar=("TRAINED", "TEXT"),
        help="may be repeated",
    )
    parser.add_argument("--sentences", type=Path, help="vectors of the same texts by the encoder minilm, [n, 384]")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/")
    parser.add_argument("--sweep", action="store_true", help="weights in place of systems")
    arguments = parser.parse_args()
    repos = pq.read_table(arguments.repos, columns=["name", "description", "language"]).to_pylist()
    queries = read_queries(arguments.shared / "awesome", [repo["name"] for repo in repos])
    words = [document_words(**repo) for repo in repos]
    models = []
    for trained, text in arguments.vectors:
        began = time.perf_counter()
        matrices = np.load(trained, allow_pickle=False), np.load(text, allow_pickle=False)
        index = build_text_index(words, *matrices, IndexSettings())
        models.append(Model(trained.stem, *matrices, index, time.perf_counter() - began))
    if arguments.sweep:
        sweep(models, queries, len(repos))
    else:
        texts = [document(**repo) for repo in repos]
        for model in models:
            table(model, texts, queries, arguments.sentences)


if __name__ == "__main__":
    main()
