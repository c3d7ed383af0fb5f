"""Files of a bucket: replaced as a whole, requests repeated."""

import logging
import threading
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from starvec_assets.bucket import Bucket
from starvec_assets.errors import StarvecError


def test_listings_are_never_cached():
    assert not Bucket("memory://listed").fs.dircache.use_listings_cache  # other machines write, too


def test_a_text_on_a_file_system_is_the_old_one_or_the_new_one(tmp_path: Path):
    bucket = Bucket(f"file://{tmp_path}/bucket")
    texts = {letter * 5_000 for letter in "abc"}
    bucket.write_text("a/LATEST", min(texts))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for text in texts:
                bucket.write_text("a/LATEST", text)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        read = [bucket.read_text("a/LATEST") for _ in range(2_000)]
    finally:
        stop.set()
        writer.join()
    assert set(read) <= texts
    assert len(set(read)) > 1


def test_what_fails_for_a_moment_is_done_again_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("starvec_assets.bucket.time.sleep", lambda _: None)
    bucket, put_file, faults = Bucket(f"memory://{tmp_path.name}"), MemoryFileSystem.put_file, ["reset", "cut"]

    def failing(self: MemoryFileSystem, source: str, target: str) -> None:
        match faults.pop() if faults else "":
            case "reset":
                raise ConnectionResetError("by the peer")
            case "cut":
                self.pipe_file(target, b"hal")
            case _:
                put_file(self, source, target)

    monkeypatch.setattr(MemoryFileSystem, "put_file", failing)
    (tmp_path / "file").write_text("half")
    with caplog.at_level(logging.WARNING, "starvec.store"):
        bucket.upload(tmp_path / "file", "a/file")
    assert bucket.read_text("a/file") == "half"
    assert [record.message.rsplit(": ", 1)[1] for record in caplog.records] == [
        "once more in 0.5 s",
        "once more in 1 s",
    ]
    assert "3 of 4 bytes arrived" in caplog.text


def test_names_are_relative_and_limited_in_depth():
    bucket = Bucket("memory://names/pre[f]ix")
    for name in ("a/2024-01/LATEST", "a/2024-01/v/file"):
        bucket.write_text(name, "x")
    assert bucket.names("a") == ["2024-01/LATEST", "2024-01/v/file"]
    assert bucket.names("a", depth=2) == ["2024-01/LATEST"]
    assert bucket.names("nothing") == []
    bucket.delete("a/2024-01/v")
    bucket.delete("nothing")
    assert bucket.names("a") == ["2024-01/LATEST"]


def test_a_missing_file_is_none_but_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("starvec_assets.bucket.time.sleep", lambda _: None)
    bucket = Bucket("memory://missing")
    assert bucket.read_text("a") is None
    with pytest.raises(StarvecError, match=r"memory://missing/a cannot be read \(FileNotFoundError"):
        bucket.download("a", tmp_path / "a")
