"""Checkpoints that are whole or not there: a folder a checkpoint, arrays as .npy, the rest JSON, renamed into place."""

import hashlib
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

FORMAT = 1
_MOST_BYTES_OF_JSON = 1 << 24
log = logging.getLogger("starvec.train")


class CheckpointRefused(StarvecError):
    """A checkpoint that is damaged or belongs to another run."""


@dataclass(frozen=True)
class Checkpoint:
    """`arrays` by name, and `facts`: whatever of the state is JSON."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def run_fingerprint(settings: Mapping[str, Any], input_key: str) -> str:
    """Names a run: equal for equal settings, inputs and code."""
    facts = {"format": FORMAT, "settings": dict(settings), "input": input_key, "code": code_digest()}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def code_digest() -> str:
    """Digest of the modules that train and judge: an edited loss makes another run, without anybody's saying so."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    rooms = (*sorted(package.glob("training/*.py")), *sorted(package.glob("evaluation/**/*.py")))
    for path in (package / "vectors.py", package / "ragged.py", *rooms):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def save(folder: Path, key: str, checkpoint: Checkpoint) -> None:
    """Write the newest checkpoint of `folder` and drop the one before it.

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
            digests[name] = _seal(path)
        facts = {"format": FORMAT, "key": key, "arrays": digests, "facts": dict(checkpoint.facts)}
        (draft / "checkpoint.json").write_text(json.dumps(facts, indent=1))
        _seal(draft / "checkpoint.json")
        fsync(draft)
        draft.rename(final)
        fsync(folder)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StarvecError(
            f"the checkpoint {final} cannot be written ({error.strerror or error}): make room and run again, "
            f"it goes on from the checkpoint before it"
        ) from error
    for older in _finished(folder):
        if older != final:
            shutil.rmtree(older, ignore_errors=True)


def load(folder: Path, key: str) -> Checkpoint | None:
    """The newest checkpoint of the run `key`, or None.

    What is damaged or of another run is set aside as NAME.rejected, with a warning that says why; the last one stays.
    """
    for draft in folder.glob("*.draft"):  # cut short while being written: never a checkpoint
        shutil.rmtree(draft, ignore_errors=True)
    for path in reversed(_finished(folder)):
        try:
            return _read(path, key)
        except CheckpointRefused as error:
            for earlier in folder.glob("*.rejected"):  # each is several times the vectors
                shutil.rmtree(earlier, ignore_errors=True)
            aside = path.rename(path.with_name(f"{path.name}.rejected"))
            log.warning("%s; set aside as %s", error, aside.name)
    return None


def _read(path: Path, key: str) -> Checkpoint:
    try:
        with (path / "checkpoint.json").open("rb") as file:
            document = json.loads(file.read(_MOST_BYTES_OF_JSON))
        if document["format"] != FORMAT:
            raise CheckpointRefused(f"checkpoint {path} has format {document['format']}, this version reads {FORMAT}")
        if document["key"] != key:
            raise CheckpointRefused(f"checkpoint {path} belongs to other settings, inputs or code")
        arrays = {}
        for name, digest in document["arrays"].items():
            file_path = path / f"{Path(name).name}.npy"
            if sha256(file_path) != digest:
                raise CheckpointRefused(f"checkpoint {path} is damaged: {file_path.name} is not what was written")
            arrays[name] = np.load(file_path, allow_pickle=False)
        return Checkpoint(arrays, document["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointRefused(f"checkpoint {path} is damaged ({error})") from error


def _finished(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("????????") if p.name.isdigit())


def _seal(path: Path) -> str:
    """The file on the disk for good; its digest."""
    fsync(path)
    return sha256(path)
