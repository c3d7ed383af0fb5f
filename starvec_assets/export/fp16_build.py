"""Builds fp16_export."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import REPOS, SCHEMA, TEXT, VECTORS, read_matrix, read_repositories
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import write_table
from starvec_assets.ranking.search import cosines
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import Matrix, unit_rows


class ExportSettings(Settings):
    """Parameters of the USearch index."""

    connectivity: int = Field(16, ge=2, le=256, description="USearch: neighbours per graph node")
    expansion_add: int = Field(64, ge=8, le=1024, description="USearch: candidates considered when adding a vector")


@dataclass(frozen=True)
class ExportSummary:
    """Rows, and how many of them, the last ones, are placed by their text; dimensions.

    `min_cosine`: the lowest cosine between a vector and its FP16 copy.
    """

    n: int
    placed: int
    d: int
    min_cosine: float


def disk_bytes(trained_bytes: int, repositories: int, placed: int) -> int:
    """Estimate the bytes of an export of `repositories` whose trained vectors, float32 with a float16 start, are given.

    They become float16 rows and the text's beside them, an index of as many bytes and its graph, and names. Each of
    those that are `placed` by text takes as much.
    """
    return trained_bytes * 3 * (repositories + placed) // (2 * repositories)


def build_export(
    vectors: Matrix,
    text: Matrix,
    corpus: Corpus,
    catalogue: RepoCatalog,
    out: Path,
    settings: ExportSettings,
    placed: Placed | None = None,
) -> ExportSummary:
    """Write embeddings.f16, text.f16, repos.parquet and index.usearch, which is of embeddings.f16, into `out`.

    The matrices are little-endian float16, [n, d] and [n, width of `text`], with unit rows; a repository without text
    has a zero row in text.f16. The rows are the vocabulary's, then those of `placed`. The index is built by one thread,
    so that equal vectors give equal bytes. Raises StarvecError when vectors and vocabulary differ in length or a vector
    is not finite.
    """
    for asset, matrix in {"trained_embeddings": vectors, "readme_init_vectors": text}.items():
        if corpus.n != len(matrix):
            raise StarvecError(
                f"{asset} has {len(matrix):,} rows, the vocabulary {corpus.n:,}: "
                f"they are of different runs; materialize {asset}, then fp16_export"
            )
        if not np.isfinite(matrix).all():
            raise StarvecError(f"{asset} holds numbers that are not finite: materialize it again")
    exact, exact_text = unit_rows(vectors), unit_rows(text)
    if placed is not None:
        exact, exact_text = np.vstack([exact, placed.vectors]), np.vstack([exact_text, placed.text])
    half = exact.astype("<f2")
    half.tofile(out / VECTORS)
    exact_text.astype("<f2").tofile(out / TEXT)
    write_table(_repositories(corpus, catalogue, placed), SCHEMA, out / REPOS)

    from usearch.index import Index

    index = Index(
        ndim=half.shape[1],
        metric="cos",
        dtype="f16",
        connectivity=settings.connectivity,
        expansion_add=settings.expansion_add,
    )
    index.add(np.arange(len(half), dtype=np.uint64), half, threads=1)
    index.save(str(out / "index.usearch"))
    cosines = np.einsum("ij,ij->i", exact, unit_rows(half.astype(np.float32)))
    return ExportSummary(len(half), len(half) - corpus.n, half.shape[1], float(cosines.min()))


def _repositories(corpus: Corpus, catalogue: RepoCatalog, placed: Placed | None) -> pa.Table:
    """Return the rows of repos.parquet, of schema SCHEMA; what the catalogue lacks of the vocabulary is null."""
    ids = pa.array(corpus.repo_ids)
    facts = {name: catalogue.column(name, ids) for name in ("description", "language", "topics", "last_seen")}
    repos = pa.table({"repo_id": ids, "name": corpus.names, "stars": corpus.stars, **facts})
    if placed is not None:
        others = placed.repos.select(repos.column_names)
        repos = pa.concat_tables([repos, others], promote_options="permissive")  # units of time differ
    index = np.arange(len(repos))
    marks = index >= corpus.n
    repos = repos.append_column("index", pa.array(index)).append_column("placed_by_text", pa.array(marks))
    return repos.select(SCHEMA.names)


def fp16_export_metadata(folder: Path, summary: ExportSummary, gate_failures: Sequence[str]) -> Metadata:
    """Return what the UI shows of fp16_export, written to `folder` although the gate had these failures, if any."""
    names = read_repositories(folder)["name"].to_pylist()
    half = read_matrix(folder / VECTORS, len(names))
    neighbours = []
    for row, name in enumerate(names[:5]):
        nearest = [i for i in np.argsort(-cosines(half, half[row]), kind="stable")[:4] if i != row]
        neighbours.append([name, ", ".join(names[i] for i in nearest[:3])])
    return {
        "dimensions": summary.d,
        "repositories of the vocabulary": summary.n - summary.placed,
        "repositories placed by their text": summary.placed,
        "lowest cosine to the FP32 vectors": summary.min_cosine,
        "gate": "failed, overridden" if gate_failures else "passed",
        "most starred": parquet_preview(folder / REPOS, ["index", "name", "stars", "language"]),
        "neighbours": markdown_table(["repository", "nearest"], neighbours),
    }
