"""Where a space comes from: this machine's newest export, a folder of an export, or a dataset release."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.export.dataset.safetensors import map_safetensors
from starvec_assets.export.fp16 import REPOS, TEXT, VECTORS, Half, read_matrix, read_repositories, rows_by_name
from starvec_assets.store import MANIFEST, Artifact, ArtifactStore, CorruptArtifact, open_store

DATASET_REPOSITORIES, DATASET_VECTORS = "repositories.parquet", "vectors.safetensors"
_READ_OF_DATASET = pa.schema(
    [
        pa.field("repo_id", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("description", pa.string()),
        pa.field("language", pa.string()),
        pa.field("topics", pa.list_(pa.string())),
        pa.field("stars", pa.int64(), nullable=False),
        pa.field("placed_by_text", pa.bool_(), nullable=False),
        pa.field("superseded", pa.bool_(), nullable=False),
    ]
)

_SAME_VECTORS = ("linear_probes", "quantile_tables", "developer_vectors")
"""Assets that are of no use beside other vectors than those that they were made from."""


@dataclass(frozen=True)
class Source:
    """Vectors of repositories with what is known of them.

    `repositories` [n] has repo_id, name, description, language, stars, placed_by_text and, unless it is of an older
    starvec, topics; `vectors` float16 [n, d]; `text` float16 [n, text_d], None without vectors of the texts;
    `rows_by_name`: row of each lower-case name; `provenance`: sources of the stars, empty where nothing says;
    `artifact_folder`: returns the folder of another asset that belongs to these vectors, or raises StarvecError with
    the way out.
    """

    kind: str
    path: Path
    repositories: pa.Table
    vectors: Half
    text: Half | None
    rows_by_name: dict[str, int]
    provenance: Sequence[str]
    artifact_folder: Callable[[str], Path]


def open_source(folder: str | Path | None = None) -> Source:
    """Open the newest export of this machine, or what a folder holds: see `starvec_assets.load`."""
    if folder is None:
        return _of_store(open_store())
    path = Path(folder).expanduser().resolve()  # a link to an export in its store is that export
    if (path / "artifacts").is_dir():
        return _of_store(ArtifactStore(path / "artifacts"))
    if (path / DATASET_REPOSITORIES).exists():
        return _of_dataset(path)
    if not (path / VECTORS).exists():
        raise StarvecError(
            f"{path} contains no export ({REPOS}, {VECTORS}) and no dataset release ({DATASET_REPOSITORIES}, "
            f"{DATASET_VECTORS}): name the folder of one, or make an export by `starvec run`"
        )
    if path.parent.name == "fp16_export" and (path / MANIFEST).exists():
        store = ArtifactStore(path.parents[1])
        return _of_artifact(store, store.open("fp16_export", path.name))
    return _of_export(path, (), _without(f"{path} is a copy of an export alone"))


def _of_store(store: ArtifactStore) -> Source:
    return _of_artifact(store, store.latest("fp16_export"))


def _of_artifact(store: ArtifactStore, export: Artifact) -> Source:
    def artifact_folder(asset: str) -> Path:
        return _text_index(store, export) if asset == "text_index" else _newest(store, export, asset)

    return _of_export(export.path, export.manifest.provenance, artifact_folder)


def _text_index(store: ArtifactStore, export: Artifact) -> Path:
    """Return the folder of the text_index that an export was made with."""
    made_from = export.manifest.inputs
    if "text_index" not in made_from:
        raise StarvecError("this export is of an older starvec, without text_index: materialize fp16_export again")
    try:
        return store.open("text_index", made_from["text_index"][0]).path
    except CorruptArtifact as error:
        raise StarvecError(f"{error}. This export was made with it: materialize fp16_export as well") from error


def _newest(store: ArtifactStore, export: Artifact, asset: str) -> Path:
    """Return the folder of the newest version of an asset; raises StarvecError when it is of other vectors."""
    newest = store.latest(asset)
    made_from, exported = (artifact.manifest.inputs.get("trained_embeddings") for artifact in (newest, export))
    if asset in _SAME_VECTORS and (not made_from or not exported or made_from[1] != exported[1]):
        raise StarvecError(
            f"{asset} and fp16_export are of different vectors: materialize both from the newest trained_embeddings"
        )
    return newest.path


def _of_export(path: Path, provenance: Sequence[str], artifact_folder: Callable[[str], Path]) -> Source:
    repositories = read_repositories(path)
    return Source(
        kind="export",
        path=path,
        repositories=repositories,
        vectors=read_matrix(path / VECTORS, len(repositories)),
        text=read_matrix(path / TEXT, len(repositories)),
        rows_by_name=rows_by_name(repositories),
        provenance=provenance,
        artifact_folder=artifact_folder,
    )


def _of_dataset(path: Path) -> Source:
    """Open the files of a dataset release, which has no vectors of texts and no other artifacts."""
    try:
        repositories = pq.read_table(path / DATASET_REPOSITORIES)
        repositories.select(_READ_OF_DATASET.names).cast(_READ_OF_DATASET)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise StarvecError(
            f"{path / DATASET_REPOSITORIES} is none of a dataset release ({error}): download it again"
        ) from error
    arrays = map_safetensors(path / DATASET_VECTORS)
    vectors, repo_ids = (arrays.get(name, np.empty(0)) for name in ("vectors", "repo_ids"))
    fits = vectors.dtype == np.float16 and vectors.ndim == 2 and len(vectors) == len(repo_ids)
    if not fits or not np.array_equal(repo_ids, repositories["repo_id"].to_numpy()):
        raise StarvecError(
            f"{path}: {DATASET_VECTORS} has no vectors of the repositories in {DATASET_REPOSITORIES}: download both "
            "again, of one release"
        )
    names = zip(repositories["name"].to_pylist(), repositories["superseded"].to_pylist(), strict=True)
    return Source(
        kind="dataset release",
        path=path,
        repositories=repositories,
        vectors=vectors,
        text=None,
        rows_by_name={name.lower(): row for row, (name, superseded) in enumerate(names) if not superseded},
        provenance=(),
        artifact_folder=_without(f"{path} is a dataset release"),
    )


def _without(what: str) -> Callable[[str], Path]:
    """Return what is called for another asset where there is none."""

    def refuse(asset: str) -> Path:
        raise StarvecError(
            f"{what}, without {asset}, which this needs: load the home of a run, the folder that has artifacts/, or "
            "nothing for that of this machine"
        )

    return refuse
