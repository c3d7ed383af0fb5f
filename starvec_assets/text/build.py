"""The vocabulary's texts as vectors: what trained_embeddings may start from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.progress import bar
from starvec_assets.text.documents import Readmes, document, no_readmes
from starvec_assets.text.encoders import TextEncoder


@dataclass(frozen=True)
class TextSummary:
    """What the vectors were made of."""

    encoder: str
    n: int
    """Repositories of the vocabulary."""
    described: int
    """Those with a description."""
    with_readme: int
    """Those with a README."""
    with_vector: int
    """Those whose text said something to the encoder; the others have a zero row."""


def build_text_vectors(
    catalogue: Path, vocabulary: Path, encoder: TextEncoder, dim: int, out: Path, readmes: Readmes = no_readmes
) -> TextSummary:
    """Write vectors.npy, float32 [n, dim] unit rows in vocabulary order, and has_text.npy, bool [n], into `out`.

    `catalogue`: repos.parquet of repo_catalog; `vocabulary`: repos.parquet of user_buckets. A repository whose text
    says nothing has a zero row and is flagged.
    Raises StarvecError when the two tables do not belong together or no text says anything.
    """
    repos = catalogue_rows(catalogue, vocabulary)
    texts, with_readme = [], 0
    with bar(repos.num_rows, "texts", "repo") as progress:
        for batch in repos.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                readme = readmes(row["name"])
                with_readme += readme is not None
                texts.append(document(row["name"], row["description"], row["language"], row["topics"], readme))
                progress.update()
    vectors = encoder.encode(texts, dim)
    if vectors.shape != (len(texts), dim) or not np.isfinite(vectors).all():
        raise StarvecError(
            f"{encoder.name} gave {vectors.dtype}{list(vectors.shape)} for {len(texts):,} texts in {dim} dimensions"
        )
    has_text = vectors.any(axis=1)
    if not has_text.any():
        raise StarvecError(
            f"{encoder.name} found nothing in any of {len(texts):,} texts: start training from stars alone"
        )
    np.save(out / "vectors.npy", vectors)
    np.save(out / "has_text.npy", has_text)
    return TextSummary(
        encoder=encoder.name,
        n=len(texts),
        described=repos.num_rows - repos["description"].null_count,
        with_readme=with_readme,
        with_vector=int(has_text.sum()),
    )


def catalogue_rows(catalogue: Path, vocabulary: Path) -> pa.Table:
    """name, description, language, topics in vocabulary order; other repositories are never in memory."""
    ids = pq.read_table(vocabulary, columns=["repo_id"])["repo_id"].combine_chunks()
    columns = ["repo_id", "name", "description", "language", "topics"]
    found = pq.read_table(catalogue, columns=columns, filters=pc.field("repo_id").isin(ids))
    rows = pc.index_in(ids, value_set=found["repo_id"].combine_chunks())
    if rows.null_count:
        raise StarvecError(
            f"{rows.null_count:,} of {len(ids):,} repositories of {vocabulary} are not in {catalogue}: "
            "materialize repo_catalog and user_buckets from the same months again"
        )
    return found.take(rows)
