"""FP16 export for other programs: the matrix, its catalogue, a USearch index, and the vectors of the text alone.

Its rows are the vocabulary's, and after them repositories that are placed by their text (text_search/placed.py).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.github_names import repository_of
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.purpose import text_weight
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

VECTORS, TEXT = "embeddings.f16", "text.f16"
Vector = npt.NDArray[np.floating]
_BLOCK_ROWS = 1 << 15

SCHEMA = pa.schema(
    [
        column("index", pa.int32(), "row of embeddings.f16 and key in index.usearch"),
        column("repo_id", pa.int64(), "GitHub's numeric id: survives renames"),
        column("name", pa.string(), "owner/name, the newest seen"),
        column("description", pa.string(), "as last seen in the archive", nullable=True),
        column("language", pa.string(), "main language as last seen in the archive", nullable=True),
        column("stars", pa.int64(), "people in the log who starred it"),
        column("last_seen", UTC_SECONDS, "last star or other event with this name", nullable=True),
        column("placed_by_text", pa.bool_(), "whether its vectors are of its text's words: too few people starred it"),
    ]
)


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
    write_table(_repositories(corpus, catalogue, placed), SCHEMA, out / "repos.parquet")

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
    facts = {name: catalogue.column(name, ids) for name in ("description", "language", "last_seen")}
    repos = pa.table({"repo_id": ids, "name": corpus.names, "stars": corpus.stars, **facts})
    if placed is not None:
        others = placed.repos.select(repos.column_names)
        repos = pa.concat_tables([repos, others], promote_options="permissive")  # units of time differ
    index = np.arange(len(repos))
    marks = index >= corpus.n
    repos = repos.append_column("index", pa.array(index)).append_column("placed_by_text", pa.array(marks))
    return repos.select(SCHEMA.names)


def read_export(folder: Path) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Return the vocabulary of an export: its vectors, float32 [n, d], and their repo_ids, int64 [n].

    Exports of an older starvec, without placed_by_text, have no other rows.
    """
    repos = pq.read_table(folder / "repos.parquet")
    half = read_matrix(folder / VECTORS, len(repos))
    n = len(repos) - count_placed(repos) if "placed_by_text" in repos.column_names else len(repos)
    return half[:n].astype(np.float32), repos["repo_id"].to_numpy()[:n]


def read_matrix(path: Path, rows: int) -> npt.NDArray[np.float16]:
    """Memory-map embeddings.f16 or text.f16 of an export with so many rows: [rows, width]."""
    return np.memmap(path, "<f2", "r").reshape(rows, -1)


def count_placed(repos: pa.Table) -> int:
    """Return how many rows of an export's repos.parquet, its last ones, are placed by their text."""
    return int(np.count_nonzero(repos["placed_by_text"].to_numpy()))


def read_repositories(folder: Path) -> pa.Table:
    """Read the repos.parquet of an export; raises StarvecError for one of an older starvec."""
    repos = pq.read_table(folder / "repos.parquet")
    if lacking := [name for name in SCHEMA.names if name not in repos.column_names]:
        raise StarvecError(
            f"this export is of an older starvec, without {', '.join(lacking)}: materialize fp16_export again"
        )
    return repos


def rows_by_name(repos: pa.Table) -> dict[str, int]:
    """Return the row of each lower-case name of an export's repos.parquet.

    A repository that was deleted, or renamed unseen, keeps its name there though another one may have it since: of
    several rows the one that was seen last has the name, then the first.
    """
    seen = repos["last_seen"].cast(pa.int64()).fill_null(0).to_numpy()
    names = repos["name"].to_pylist()
    return {names[row].lower(): row for row in np.lexsort((-np.arange(len(names)), seen)).tolist()}


def fp16_export_metadata(folder: Path, summary: ExportSummary, gate_failures: Sequence[str]) -> Metadata:
    """Return what the UI shows of fp16_export, written to `folder` although the gate had these failures, if any."""
    index = ExportIndex(folder)
    most_starred: list[str] = index.repos["name"].slice(0, 5).to_pylist()
    neighbours = [[name, ", ".join(neighbour.name for neighbour in index.similar(name, 3))] for name in most_starred]
    return {
        "dimensions": summary.d,
        "repositories of the vocabulary": summary.n - summary.placed,
        "repositories placed by their text": summary.placed,
        "lowest cosine to the FP32 vectors": summary.min_cosine,
        "gate": "failed, overridden" if gate_failures else "passed",
        "most starred": parquet_preview(folder / "repos.parquet", ["index", "name", "stars", "language"]),
        "neighbours": markdown_table(["repository", "nearest"], neighbours),
    }


@dataclass(frozen=True)
class Neighbour:
    """A repository found by a search; `cosine` in -1..1, of the vectors, or a mean of it and the text's."""

    index: int
    name: str
    cosine: float
    stars: int
    language: str
    description: str
    placed_by_text: bool = False


class ExportIndex:
    """An export opened for searches."""

    def __init__(self, folder: Path) -> None:
        """Memory-map the index and read the names.

        Raises StarvecError when the folder does not contain an export, or one of an older starvec.
        """
        from usearch.index import Index

        if not (folder / "index.usearch").exists():
            raise StarvecError(f"{folder} contains no export: run `starvec run` or materialize fp16_export")
        index = Index.restore(str(folder / "index.usearch"), view=True)
        if index is None:
            raise StarvecError(f"{folder}/index.usearch is not a USearch index: materialize fp16_export again")
        self.index, self.d = index, int(index.ndim)
        self.repos = read_repositories(folder)
        self._half, self._text = (read_matrix(folder / name, len(self)) for name in (VECTORS, TEXT))
        self._stars = self.repos["stars"].to_numpy()
        self._by_name = rows_by_name(self.repos)
        self._n_vocabulary = len(self) - count_placed(self.repos)
        self._by_id = {repo_id: i for i, repo_id in enumerate(self.repos["repo_id"].to_pylist())}

    def __len__(self) -> int:
        return len(self.repos)

    def get(self, name: str) -> int | None:
        """Return the row of `owner/name` or its address, None without one; letter case is ignored."""
        return self._by_name.get(repository_of(name).lower())

    def find(self, name: str) -> int:
        """Return the row of `owner/name` or its address; letter case is ignored.

        Raises StarvecError, with similar names if there are any, when the export does not have it.
        """
        if (row := self.get(name)) is None:
            raise StarvecError(self.unknown(name))
        return row

    def unknown(self, name: str) -> str:
        """Return a sentence on a name that the export does not have, and one on similar names if there are any."""
        wanted = repository_of(name).lower()
        short = wanted.rsplit("/", 1)[-1]
        close = [n for n in self._by_name if short and short in n.rsplit("/", 1)[-1]]
        close.sort(key=lambda n: (len(n.rsplit("/", 1)[-1]), self._by_name[n]))
        if not close:  # misspelt, but rarely in the first letter
            candidates = [n for n in self._by_name if n[:1] == wanted[:1] and abs(len(n) - len(wanted)) < 3]
            close = get_close_matches(wanted, candidates, n=5, cutoff=0.75)
        hint = f" Similar names: {', '.join(close[:5])}." if close else ""
        return f"{name[:120]!r} is not among the {len(self):,} repositories of this export.{hint}"

    def rows_of(self, stars: Iterable[tuple[int, str]]) -> list[int]:
        """Return the distinct rows of `stars`, pairs of repo_id and name, found by id, else by name."""
        rows = (self._by_id.get(repo_id, self._by_name.get(name.lower())) for repo_id, name in stars)
        return list(dict.fromkeys(row for row in rows if row is not None))

    def in_vocabulary(self, rows: Iterable[int]) -> list[int]:
        """Return those of `rows` that are not placed by their text."""
        return [row for row in rows if row < self._n_vocabulary]

    def similar(self, name: str, k: int = 10, purpose: float = 0) -> list[Neighbour]:
        """Return the `k` nearest neighbours of a repository by exact search, itself excluded.

        `purpose` goes from -1, starred by the same people, to 1, of the same purpose: see ranking/purpose.py. Raises
        StarvecError when `name` is not in the vocabulary, and for another `purpose`.
        """
        return self.neighbours(self.find(name), k, purpose)

    def neighbours(self, row: int, k: int, purpose: float = 0) -> list[Neighbour]:
        """Return the `k` nearest neighbours of a row, itself excluded; `purpose` as in `similar`."""
        return self.nearest(self._half[row], k, {row}, self._text[row], purpose)

    def vectors(self, rows: list[int]) -> Matrix:
        """Return the vectors of `rows` as unit rows, float32 [len(rows), d]."""
        return unit_rows(self._half[rows].astype(np.float32))

    def user_vector(self, rows: list[int]) -> npt.NDArray[np.float32]:
        """Return the vector of a user who starred `rows`, float32 [d]: see `vectors.user_vectors`.

        Those placed by text do not count: the weight of a star was measured on vectors that stars gave.
        """
        rows = self.in_vocabulary(rows)
        all_rows = RaggedArray.of([list(range(len(rows)))])
        return np.asarray(user_vectors(self.vectors(rows), all_rows, self._stars[rows])[0])

    def nearest(
        self, vector: Vector, k: int, exclude: Collection[int] = (), text: Vector | None = None, purpose: float = 0
    ) -> list[Neighbour]:
        """Return the `k` rows nearest to a place, by exact search; `purpose` as in `similar`, 0 without `text`.

        The place is `vector` [d] among the trained vectors, `text` [width] among those of text.f16.
        """
        weight = text_weight(purpose)
        if text is None or weight == 0:
            matches = self.index.search(vector.astype(np.float16), min(k + len(exclude), len(self)), exact=True)
            distances = dict(zip(matches.keys.tolist(), matches.distances.tolist(), strict=True))
            rows = [row for row in distances if row not in exclude][:k]
            return self._neighbours(rows, [1 - distances[row] for row in rows])
        scores = (_cosines(self._half, vector) + weight * _cosines(self._text, text)) / (1 + weight)
        scores[list(exclude)] = -np.inf
        best = np.argsort(-scores, kind="stable")[: min(k, len(self) - len(exclude))]
        return self._neighbours(best.tolist(), scores[best].tolist())

    def _neighbours(self, rows: list[int], cosines: list[float]) -> list[Neighbour]:
        repos = self.repos.take(rows).to_pylist()
        return [
            Neighbour(
                row,
                repo["name"],
                cosine,
                repo["stars"],
                repo["language"] or "",
                repo["description"] or "",
                repo["placed_by_text"],
            )
            for row, cosine, repo in zip(rows, cosines, repos, strict=True)
        ]


def _cosines(matrix: npt.NDArray[np.float16], query: Vector) -> npt.NDArray[np.float32]:
    """Return the cosine of every row of `matrix` to `query`, float32 [n]; 0 to and from a zero row."""
    unit = unit_rows(query[None].astype(np.float32))[0]
    blocks = (matrix[start : start + _BLOCK_ROWS] for start in range(0, len(matrix), _BLOCK_ROWS))
    return np.concatenate([unit_rows(block.astype(np.float32)) @ unit for block in blocks])
