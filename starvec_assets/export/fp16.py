"""The FP16 export: the matrix, the catalogue beside it, and a USearch index, for anyone's program."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

SCHEMA = pa.schema(
    [
        column("index", pa.int32(), "row of embeddings.f16 and key in index.usearch"),
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("name", pa.string(), "owner/name, the newest seen"),
        column("description", pa.string(), "as last seen in the archive", nullable=True),
        column("language", pa.string(), "main language as last seen in the archive", nullable=True),
        column("stars", pa.int64(), "people in the log who starred it"),
    ]
)


class ExportSettings(Settings):
    """How the index is built."""

    connectivity: int = Field(16, ge=2, le=256, description="USearch: neighbours kept a node")
    expansion_add: int = Field(64, ge=8, le=1024, description="USearch: candidates weighed when a vector is added")


@dataclass(frozen=True)
class ExportSummary:
    """`worst_cosine`: the least cosine between a vector and its FP16 copy."""

    n: int
    d: int
    worst_cosine: float


def build_export(
    vectors: Matrix, vocabulary: Path, catalogue: Path, out: Path, settings: ExportSettings
) -> ExportSummary:
    """Write embeddings.f16 (little-endian float16 [n, d], unit rows), repos.parquet and index.usearch into `out`.

    `vocabulary` and `catalogue` are the repos.parquet of user_buckets and of repo_catalog. The index is built by one
    thread, so that the same vectors give the same bytes.

    Raises StarvecError when vectors and vocabulary differ in length or a vector is not finite.
    """
    with duckdb.connect() as connection:
        query = """SELECT v.index, v.repo_id, v.name, c.description, c.language, v.stars
            FROM read_parquet(?) v LEFT JOIN read_parquet(?) c USING (repo_id) ORDER BY v.index"""
        repos: pa.Table = connection.execute(query, [str(vocabulary), str(catalogue)]).to_arrow_table()
    if len(repos) != len(vectors):
        raise StarvecError(
            f"trained_embeddings has {len(vectors):,} rows, the vocabulary {len(repos):,}: "
            "they are of different runs; materialize trained_embeddings, then fp16_export"
        )
    if not np.isfinite(vectors).all():
        raise StarvecError("trained_embeddings holds numbers that are not finite: materialize it again")
    exact = unit_rows(vectors)
    half = exact.astype("<f2")
    half.tofile(out / "embeddings.f16")
    write_table(repos, SCHEMA, out / "repos.parquet")

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
    return ExportSummary(len(half), half.shape[1], float(cosines.min()))


@dataclass(frozen=True)
class Neighbour:
    """One repository of an answer; `cosine` in -1..1."""

    index: int
    name: str
    cosine: float
    stars: int
    language: str
    description: str


class Export:
    """An export opened for questions."""

    def __init__(self, folder: Path) -> None:
        """Map the index and read the names.

        Raises StarvecError when the folder holds no export.
        """
        from usearch.index import Index

        if not (folder / "index.usearch").exists():
            raise StarvecError(f"{folder} holds no export: run `starvec run` or materialize fp16_export")
        index = Index.restore(str(folder / "index.usearch"), view=True)
        if index is None:
            raise StarvecError(f"{folder}/index.usearch is no USearch index: materialize fp16_export again")
        self.index, self.d = index, int(index.ndim)
        self.repos: pa.Table = pq.read_table(folder / "repos.parquet")
        self._half: npt.NDArray[np.float16] = np.memmap(
            folder / "embeddings.f16", "<f2", "r", shape=(len(self), self.d)
        )
        self._stars = self.repos["stars"].to_numpy()
        names: list[str] = self.repos["name"].to_pylist()
        # Of two repositories that had one name the most starred, which stands first.
        self._by_name = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
        self._by_id = {repo_id: i for i, repo_id in enumerate(self.repos["repo_id"].to_pylist())}

    def __len__(self) -> int:
        return len(self.repos)

    def find(self, name: str) -> int:
        """Row of `owner/name`, letter case aside.

        Raises StarvecError that offers the nearest names when it is not in the vocabulary.
        """
        wanted = name.lower().removeprefix("https://github.com/").strip("/ ")
        if (row := self._by_name.get(wanted)) is not None:
            return row
        short = wanted.rsplit("/", 1)[-1]
        close = [n for n in self._by_name if short and short in n.rsplit("/", 1)[-1]]
        close.sort(key=lambda n: (len(n.rsplit("/", 1)[-1]), self._by_name[n]))
        if not close:  # misspelt, though seldom in the first letter
            alike = [n for n in self._by_name if n[:1] == wanted[:1] and abs(len(n) - len(wanted)) < 3]
            close = get_close_matches(wanted, alike, n=5, cutoff=0.75)
        hint = f" Near by name: {', '.join(close[:5])}" if close else ""
        raise StarvecError(f"{name[:120]!r} is not among the {len(self):,} repositories of this export.{hint}")

    def rows_of(self, stars: Iterable[tuple[int, str]]) -> list[int]:
        """Rows of those `stars`, repo_id and name, that are in the vocabulary, by number else by name; each once."""
        found = (self._by_id.get(repo_id, self._by_name.get(name.lower())) for repo_id, name in stars)
        return list(dict.fromkeys(row for row in found if row is not None))

    def similar(self, name: str, k: int = 10) -> list[Neighbour]:
        """The `k` repositories with the greatest cosine to `name`, exactly, itself left out."""
        row = self.find(name)
        return self.nearest(self.vectors([row])[0], k, without={row})

    def vectors(self, rows: list[int]) -> Matrix:
        """float32 [len(rows), d], unit rows."""
        return unit_rows(self._half[rows].astype(np.float32))

    def person(self, rows: list[int]) -> npt.NDArray[np.float32]:
        """The vector of a person who starred `rows`, float32 [d]: see `user_vectors`."""
        everything = RaggedArray.of([list(range(len(rows)))])
        vector: npt.NDArray[np.float32] = user_vectors(self.vectors(rows), everything, self._stars[rows])[0]
        return vector

    def nearest(self, query: npt.NDArray[np.float32], k: int, without: set[int] | None = None) -> list[Neighbour]:
        """The `k` rows with the greatest cosine to `query` float32 [d], exactly, rows of `without` left out."""
        without = without or set()
        matches = self.index.search(query.astype(np.float16), min(k + len(without), len(self)), exact=True)
        found = [(int(key), 1 - float(far)) for key, far in zip(matches.keys, matches.distances, strict=True)]
        return [self._neighbour(key, cosine) for key, cosine in found if key not in without][:k]

    def _neighbour(self, row: int, cosine: float) -> Neighbour:
        values: dict[str, Any] = self.repos.slice(row, 1).to_pylist()[0]
        return Neighbour(
            row, values["name"], cosine, values["stars"], values["language"] or "", values["description"] or ""
        )
