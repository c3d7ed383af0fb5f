"""Builds readme_init_vectors: the vocabulary's texts as vectors, which training can be initialized with."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table
from starvec_assets.progress import bar
from starvec_assets.text.documents import BEGINNING_CHARS, document, plain_readme
from starvec_assets.text.encoders import TextEncoder
from starvec_assets.text.readmes import Readmes, save_beginnings
from starvec_assets.text.vectors import make_text_vectors


@dataclass(frozen=True)
class TextSummary:
    """Counts of repositories by the text that is known of them."""

    encoder: str
    n: int  # repositories of the vocabulary
    with_description: int
    with_readme: int
    with_vector: int  # other than zero


def build_text_vectors(
    catalogue: RepoCatalog, corpus: Corpus, encoder: TextEncoder, dim: int, out: Path, readmes: Readmes
) -> TextSummary:
    """Write the TextVectors of the vocabulary into `out`, and the beginnings of the READMEs that they were made of.

    Raises StarvecError when the corpus has repositories that the catalogue lacks, and what `make_text_vectors` and
    `Readmes.get` raise.
    """
    repos = catalogue.rows(pa.array(corpus.repo_ids), ["name", "description", "language", "topics"])
    texts: list[str] = []
    beginnings: dict[int, str] = {}
    with bar(len(repos), "texts", "repo") as progress:
        for batch in repos.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                readme = readmes.get(row["name"])
                if readme is not None:
                    beginnings[len(texts)] = plain_readme(readme)[:BEGINNING_CHARS]
                texts.append(document(**row, readme=readme))
                progress.update()
    vectors = make_text_vectors(texts, encoder, dim)
    vectors.save(out)
    save_beginnings(beginnings, out)
    with_description = len(repos) - repos["description"].null_count
    return TextSummary(encoder.name, len(texts), with_description, len(beginnings), int(vectors.wide.any(axis=1).sum()))


def text_metadata(summary: TextSummary, readmes: Readmes) -> Metadata:
    """Return what the UI shows of readme_init_vectors."""
    counts = {
        "in the vocabulary": summary.n,
        "with a description": summary.with_description,
        "with a README": summary.with_readme,
        "with a vector": summary.with_vector,
    }
    return {
        "encoder": summary.encoder,
        "repositories": markdown_table(["repositories", "count"], list(counts.items())),
        "share with a vector": summary.with_vector / summary.n,
        "READMEs passed over": readmes.faults.table(),
    }
