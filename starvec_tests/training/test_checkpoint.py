"""Checkpoints are complete and of the same run, or rejected."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.training import checkpoint, fingerprint
from starvec_assets.training.checkpoint import Checkpoint, load, save
from starvec_assets.training.fingerprint import run_fingerprint

KEY = run_fingerprint({"lr": 0.1}, "inputs")
STATE = Checkpoint({"vectors": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"done": 3})


def test_save_replaces_the_checkpoint_before(tmp_path: Path) -> None:
    save(tmp_path, KEY, Checkpoint(STATE.arrays, {"done": 1}))
    save(tmp_path, KEY, STATE)
    assert [path.name for path in tmp_path.iterdir()] == ["00000002"]
    loaded = load(tmp_path, KEY)
    assert loaded is not None
    assert loaded.metadata == {"done": 3}
    assert np.array_equal(loaded.arrays["vectors"], STATE.arrays["vectors"])


def test_load_returns_none_without_a_checkpoint(tmp_path: Path) -> None:
    assert load(tmp_path / "nowhere", KEY) is None


def test_an_interrupted_write_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, KEY, STATE)

    def killed(path: Path) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_fsync_and_hash", killed)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, KEY, Checkpoint(STATE.arrays, {"done": 4}))
    assert (tmp_path / "00000002.draft").exists()
    loaded = load(tmp_path, KEY)
    assert loaded is not None
    assert loaded.metadata == {"done": 3}
    assert not (tmp_path / "00000002.draft").exists()


def damage_array(folder: Path) -> None:
    path = folder / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")


def cut_array(folder: Path) -> None:
    path = folder / "vectors.npy"
    path.write_bytes(path.read_bytes()[:-8])


def damage_json(folder: Path) -> None:
    (folder / "checkpoint.json").write_text('{"format": 1, "ke')


def escape_folder(folder: Path) -> None:
    document = json.loads((folder / "checkpoint.json").read_text())
    document["arrays"] = {"../../vectors": "0" * 64}
    (folder / "checkpoint.json").write_text(json.dumps(document))


def other_format(folder: Path) -> None:
    document = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**document, "format": 99}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damage_array, "vectors.npy has another hash"),
        (cut_array, "vectors.npy has another hash"),
        (damage_json, "is damaged"),
        (escape_folder, "is damaged"),
        (other_format, "has format 99"),
        (lambda folder: (folder / "vectors.npy").unlink(), "is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_rejected_with_a_reason(
    tmp_path: Path, spoil: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(spoil)
    save(tmp_path, KEY, STATE)
    spoil(tmp_path / "00000001")
    with caplog.at_level(logging.WARNING, "starvec.train"):
        assert load(tmp_path, KEY) is None
    assert reason in caplog.text
    assert "set aside as 00000001.rejected" in caplog.text
    assert (tmp_path / "00000001.rejected").is_dir()
    save(tmp_path, KEY, STATE)
    assert load(tmp_path, KEY) is not None


def test_a_checkpoint_of_another_run_is_rejected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, KEY, STATE)
    with caplog.at_level(logging.WARNING, "starvec.train"):
        assert load(tmp_path, run_fingerprint({"lr": 0.2}, "inputs")) is None
        assert load(tmp_path, KEY) is None
    assert "belongs to other settings, inputs or code" in caplog.text


def test_only_the_last_rejected_checkpoint_is_kept(tmp_path: Path) -> None:
    for saves in (1, 3):
        for _ in range(saves):
            save(tmp_path, KEY, STATE)
        assert load(tmp_path, run_fingerprint({"lr": 0.2}, "inputs")) is None
    assert [path.name for path in tmp_path.iterdir()] == ["00000003.rejected"]


def test_a_checkpoint_of_other_code_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, KEY, STATE)
    monkeypatch.setattr(fingerprint, "code_digest", lambda: "edited")
    with caplog.at_level(logging.WARNING, "starvec.train"):
        assert load(tmp_path, run_fingerprint({"lr": 0.1}, "inputs")) is None
    assert "belongs to other settings, inputs or code" in caplog.text


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, KEY, STATE)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def short(*_: object, **__: object) -> None:
        raise OSError("1000 requested and 12 written")  # numpy's own message, without an errno

    for write in (full, short):
        with monkeypatch.context() as patch:
            patch.setattr(np, "save", write)
            with pytest.raises(
                StarvecError, match=r"cannot be written \((No space left|1000 requested).*\): free disk space"
            ):
                save(tmp_path, KEY, STATE)
        assert load(tmp_path, KEY) is not None


def test_pickles_are_never_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, KEY, STATE)
    path = tmp_path / "00000001" / "vectors.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    document = json.loads((path.parent / "checkpoint.json").read_text())
    document["arrays"]["vectors"] = sha256(path)
    (path.parent / "checkpoint.json").write_text(json.dumps(document))
    with caplog.at_level(logging.WARNING, "starvec.train"):
        assert load(tmp_path, KEY) is None
    assert "is damaged" in caplog.text
