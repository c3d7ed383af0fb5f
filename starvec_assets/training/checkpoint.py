"""Atomic checkpoints: a folder each, arrays as .npy, metadata as JSON, renamed into place when complete."""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from starvec_assets.errors import StarvecError
from starvec_assets.files import fsync, sha256

FORMAT = 2
_MAX_JSON_BYTES = 1 << 24
log = logging.getLogger("starvec.train")


class InvalidCheckpoint(StarvecError):
    """A checkpoint is damaged or belongs to another run."""


def disk_bytes(rows: int, dim: int) -> int:
    """Estimate the bytes that training `rows` vectors of `dim` numbers writes.

    Two checkpoints beside each other (vectors, the best ones, the mean of the gradients and two numbers a row in
    float32, the start in float16), and the result (vectors and start), on ranks twice.
    """
    checkpoint, result = 4 * (3 * dim + 2) + 2 * dim, 4 * dim + 2 * dim
    return rows * 2 * (checkpoint + result)


@dataclass(frozen=True)
class Checkpoint:
    """Arrays by name, and `metadata`: the part of the state that is JSON."""

    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any]


def save(folder: Path, key: str, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint of `folder` for the run `key`, then delete the one before it.

    Raises StarvecError when it cannot be written; the one before it is then still there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in _finished(folder)), default=0) + 1
    draft, final = folder / f"{number:08d}.draft", folder / f"{number:08d}"
    try:
        draft.mkdir()
        digests = {}
        for name, array in checkpoint.arrays.items():
            path = draft / f"{name}.npy"
            np.save(path, array, allow_pickle=False)
            digests[name] = _fsync_and_hash(path)
        document = {"format": FORMAT, "key": key, "arrays": digests, "metadata": dict(checkpoint.metadata)}
        (draft / "checkpoint.json").write_text(json.dumps(document, indent=1))
        _fsync_and_hash(draft / "checkpoint.json")
        fsync(draft)
        draft.rename(final)
        fsync(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StarvecError(
            f"the checkpoint {final} cannot be written ({error.strerror or error}): free disk space and run again, "
            f"training resumes from the checkpoint before it"
        ) from error
    _delete_older(final)


def load(folder: Path, key: str) -> Checkpoint | None:
    """Return the newest checkpoint of the run `key`, or None.

    A damaged one, or one of another run, is renamed to NAME.rejected with a warning; only the last such one is kept.
    """
    for draft in folder.glob("*.draft"):  # writing was interrupted
        shutil.rmtree(draft, ignore_errors=True)
    for path in reversed(_finished(folder)):
        try:
            checkpoint = _read(path, key)
        except InvalidCheckpoint as error:
            for earlier in folder.glob("*.rejected"):  # each is several times the size of the vectors
                shutil.rmtree(earlier, ignore_errors=True)
            rejected = path.rename(path.with_name(f"{path.name}.rejected"))
            log.warning("%s; set aside as %s", error, rejected.name)
        else:
            _delete_older(path)  # deleting was interrupted
            return checkpoint
    return None


def _read(path: Path, key: str) -> Checkpoint:
    try:
        with (path / "checkpoint.json").open("rb") as file:
            document = json.loads(file.read(_MAX_JSON_BYTES))
        if document["format"] != FORMAT:
            raise InvalidCheckpoint(f"checkpoint {path} has format {document['format']}, this version reads {FORMAT}")
        if document["key"] != key:
            raise InvalidCheckpoint(f"checkpoint {path} belongs to other settings, inputs or code")
        arrays = {}
        for name, digest in document["arrays"].items():
            file_path = path / f"{Path(name).name}.npy"
            if sha256(file_path) != digest:
                raise InvalidCheckpoint(f"checkpoint {path} is damaged: {file_path.name} has another hash than written")
            arrays[name] = np.load(file_path, allow_pickle=False)
        return Checkpoint(arrays, document["metadata"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidCheckpoint(f"checkpoint {path} is damaged ({error})") from error


def _delete_older(newest: Path) -> None:
    for path in _finished(newest.parent):
        if path < newest:
            shutil.rmtree(path, ignore_errors=True)


def _finished(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("????????") if p.name.isdigit())


def _fsync_and_hash(path: Path) -> str:
    fsync(path)
    return sha256(path)
