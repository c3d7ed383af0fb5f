"""The text index of the repositories of an export: those of the vocabulary, then those placed by their text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table
from starvec_assets.progress import bar
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.placed import PlacedSettings, choose_candidates, place_repositories, texts_of
from starvec_assets.text_search.search import TextSearch
from starvec_assets.vectors import Matrix

EXAMPLES = ("time series forecasting", "terminal file manager", "web framework in rust", "speech recognition")
"""Queries whose results the UI shows."""

FIELDS = ["name", "description", "language", "topics"]


@dataclass(frozen=True)
class TextIndexSummary:
    """`examples`: best three names by query; `unknown`: of the vocabulary, without any word of the index."""

    repositories: int
    placed: int
    words: int
    words_with_vectors: int
    postings: int
    unknown: int
    examples: Mapping[str, list[str]]


def build_search(
    catalogue: RepoCatalog,
    corpus: Corpus,
    readmes: Mapping[int, str],
    vectors: Matrix,
    text: Matrix,
    settings: IndexSettings,
    placed_settings: PlacedSettings,
    out: Path,
) -> TextIndexSummary:
    """Write the TextIndex and the Placed repositories into `out`.

    `readmes` are by row of the vocabulary, whose trained vectors and text vectors are given, float32 [n, d] and
    [n, text_d]. Raises StarvecError when the catalogue lacks a repository, and what `build_text_index` raises.
    """
    candidates = choose_candidates(catalogue, corpus.repo_ids, placed_settings)
    texts = chain(_vocabulary_texts(catalogue, corpus), texts_of(candidates))
    index, placed = place_repositories(candidates, build_text_index(texts, vectors, text, settings, readmes))
    index.save(out)
    placed.save(out)
    names = [*corpus.names, *placed.repos["name"].to_pylist()]
    search = TextSearch(index, np.vstack([vectors, placed.vectors.astype(np.float32)]))
    known = np.zeros(index.rows, bool)
    known[index.documents] = True
    return TextIndexSummary(
        repositories=corpus.n,
        placed=len(placed),
        words=len(index.words),
        words_with_vectors=int(np.count_nonzero(index.scales)),
        postings=len(index.documents),
        unknown=int(np.count_nonzero(~known[: corpus.n])),
        examples={query: [names[match.row] for match in search.search(query, 3)] for query in EXAMPLES},
    )


def text_index_metadata(summary: TextIndexSummary) -> Metadata:
    """Return what the UI shows of text_index."""
    counts = {
        "repositories of the vocabulary": summary.repositories,
        "without any word of the index": summary.unknown,
        "placed by their text": summary.placed,
        "words": summary.words,
        "words with a vector": summary.words_with_vectors,
        "postings": summary.postings,
    }
    found = [[query, ", ".join(names) or "nothing"] for query, names in summary.examples.items()]
    return {
        "index": markdown_table(["what", "count"], list(counts.items())),
        "queries": markdown_table(["query", "best, without the vectors of texts"], found, max_characters=200),
    }


def disk_bytes(rows: int, dim: int) -> int:
    """Estimate the bytes of an index: 15 postings a text, and 30,000 words in two planes of `dim` dimensions."""
    return rows * 15 * 5 + 30_000 * 2 * dim


def _vocabulary_texts(catalogue: RepoCatalog, corpus: Corpus) -> Iterator[list[str]]:
    repos = catalogue.rows(pa.array(corpus.repo_ids), FIELDS)
    with bar(len(repos), "words of texts", "repo") as progress:
        for batch in repos.to_batches(max_chunksize=10_000):
            for repo in batch.to_pylist():
                yield document_words(**repo)
                progress.update()
