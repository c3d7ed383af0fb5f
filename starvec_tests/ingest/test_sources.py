import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any

import faulty_server
import pytest
from archive import START, gzip_lines, hour_file, push, star, write_hour_files
from faulty_server import FaultyServer

from starvec_assets.errors import StarvecError
from starvec_assets.http import Cancelled
from starvec_assets.ingest import sources
from starvec_assets.ingest.sources import HOUR_FILE_LIMITS, FolderSource, HourFile, HttpSource

BODY = gzip_lines([star(i) for i in range(1, 300)] + [push()] * 50)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    folder = tmp_path / "archive"
    folder.mkdir()
    hour_file(folder, START).write_bytes(BODY)
    with FaultyServer(folder) as running:
        yield running


class Waits(Event):
    """An event that records how long it is waited for, and calls `on_wait`, in place of waiting."""

    def __init__(self, on_wait: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.on_wait, self.seconds = on_wait, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout:
            self.seconds.append(timeout)
            self.on_wait()
        return self.is_set()


def source(server: FaultyServer, keep_hours: str = "", **limits: Any) -> HttpSource:
    return HttpSource(server.url, keep_hours, replace(HOUR_FILE_LIMITS, **({"timeout": 0.3, "tries": 4} | limits)))


def fetch(server: FaultyServer, tmp_path: Path, cancelled: Event | None = None, **options: Any) -> HourFile:
    return source(server, **options).fetch(START, tmp_path / "spool", cancelled or Waits())


@pytest.mark.parametrize(
    "behaviour",
    [
        faulty_server.good,
        faulty_server.slow,
        faulty_server.breaks_off,
        faulty_server.resumable,
        faulty_server.another_version,
        faulty_server.wrong_range,
        faulty_server.failing_twice,
        faulty_server.forbidden_once,
        faulty_server.a_page_once,
    ],
)
def test_file_is_complete_whatever_the_server_does(
    server: FaultyServer, tmp_path: Path, behaviour: faulty_server.Behaviour
) -> None:
    server.behaviour = behaviour
    found = fetch(server, tmp_path)
    assert found.path is not None
    assert found.path.read_bytes() == BODY
    assert (found.temporary, found.downloaded) == (True, True)
    assert [p.name for p in (tmp_path / "spool").iterdir()] == [found.path.name]


def test_broken_download_resumes_at_the_byte_where_it_broke(server: FaultyServer, tmp_path: Path) -> None:
    server.behaviour = faulty_server.resumable
    fetch(server, tmp_path)
    third = len(BODY) // 3
    assert server.ranges == ["", f"bytes={third}-", f"bytes={2 * third}-"]


def test_retry_after_is_obeyed_by_all_threads(server: FaultyServer, tmp_path: Path) -> None:
    server.behaviour = faulty_server.rate_limited
    other = START + timedelta(hours=1)
    hour_file(server.folder, other).write_bytes(BODY)
    server.behaviours[hour_file(server.folder, other).name] = faulty_server.good
    downloads, second = source(server), Waits()

    def fetch_other() -> None:
        assert downloads.fetch(other, tmp_path / "spool", second).path

    first = Waits(fetch_other)
    assert downloads.fetch(START, tmp_path / "spool", first).path
    assert first.seconds == [pytest.approx(60, abs=5)]
    assert second.seconds == [pytest.approx(60, abs=5)]


def test_retry_after_may_be_a_date_and_is_bounded(server: FaultyServer, tmp_path: Path) -> None:
    answers = iter([formatdate(time.time() + 3600, usegmt=True), "soon", formatdate(time.time() - 99, usegmt=True)])

    def behaviour(handler: faulty_server.Handler, body: bytes, nth: int) -> None:
        when = next(answers, None)
        handler.answer(503, b"", Retry_After=when) if when else handler.answer(200, body)

    server.behaviour = behaviour
    waits = Waits()
    assert fetch(server, tmp_path, waits, max_wait=50, concurrency=1).path
    assert waits.seconds == [50, pytest.approx(1.5, abs=0.5)]


def test_missing_and_empty_hours_have_their_own_status(server: FaultyServer, tmp_path: Path) -> None:
    missing = source(server).fetch(START + timedelta(hours=5), tmp_path / "spool", Waits())
    assert (missing.path, missing.status, missing.note) == (None, "missing", "HTTP 404")
    assert sum(server.requests.values()) == 1
    hour_file(server.folder, START).write_bytes(b"")
    empty = fetch(server, tmp_path)
    assert (empty.path, empty.status) == (None, "empty")


def test_lasting_failure_is_reported_with_its_reason(server: FaultyServer, tmp_path: Path) -> None:
    server.behaviour = faulty_server.unavailable
    found = fetch(server, tmp_path)
    assert (found.status, found.note) == ("failed", "HTTP 503 (4 tries)")
    assert not list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (faulty_server.forbidden, "HTTP 403"),
        (faulty_server.a_page, "another kind of file, it begins with b'<!DOCTYPE html>"),
        (faulty_server.dripping_body, "under 1,000 bytes a second"),
        (lambda handler, body, nth: handler.answer(401, b""), "HTTP 401"),
        (lambda handler, body, nth: handler.answer(451, b""), "HTTP 451"),
    ],
    ids=["forbidden", "a page", "dripping body", "unauthorized", "withheld"],
)
def test_an_answer_that_is_neither_a_file_nor_not_found_is_tried_again_and_never_kept(
    server: FaultyServer, tmp_path: Path, behaviour: faulty_server.Behaviour, reason: str
) -> None:
    server.behaviour = behaviour
    found = fetch(server, tmp_path, keep_hours=str(tmp_path / "keep"), tries=2, timeout=0.1)
    assert (found.path, found.status) == (None, "failed")
    assert reason in found.note
    assert found.note.endswith("(2 tries)")
    assert sum(server.requests.values()) == 2
    assert not list((tmp_path / "keep").iterdir())


def test_a_server_whose_headers_never_end_does_not_answer(server: FaultyServer, tmp_path: Path) -> None:
    server.behaviour = faulty_server.dripping_headers
    with pytest.raises(StarvecError, match=r"does not answer \(ReadTimeout: no answer within 0\.2 s \(2 tries\)\)"):
        fetch(server, tmp_path, tries=2, timeout=0.1)


def test_a_kept_page_is_replaced_by_the_hour_file(server: FaultyServer, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    hour_file(keep, START).write_bytes(faulty_server.PAGE)
    found = fetch(server, tmp_path, keep_hours=str(keep))
    assert found.path is not None
    assert found.path.read_bytes() == BODY


def test_file_above_the_size_limit_is_not_kept(server: FaultyServer, tmp_path: Path) -> None:
    found = fetch(server, tmp_path, max_bytes=len(BODY) - 1)
    assert found.status == "failed"
    assert found.note == f"larger than {len(BODY) - 1:,} bytes"
    assert not list((tmp_path / "spool").iterdir())


def test_server_that_never_answered_is_an_error(tmp_path: Path) -> None:
    nobody = HttpSource("http://127.0.0.1:9", limits=replace(HOUR_FILE_LIMITS, tries=2))
    with pytest.raises(StarvecError, match=r"127\.0\.0\.1:9 does not answer .*ConnectError.*take a folder"):
        nobody.fetch(START, tmp_path, Waits())


def test_cancelling_ends_the_wait_between_attempts(server: FaultyServer, tmp_path: Path) -> None:
    server.behaviour = faulty_server.unavailable
    cancelled = Waits(lambda: cancelled.set())
    with pytest.raises(Cancelled):
        fetch(server, tmp_path, cancelled)
    assert sum(server.requests.values()) == 1


def test_cancelling_ends_a_download_that_sends_nothing_more(server: FaultyServer, tmp_path: Path) -> None:
    cancelled, ended = Event(), Event()

    def behaviour(handler: faulty_server.Handler, body: bytes, nth: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body[:100])
        cancelled.set()
        ended.wait()

    server.behaviour = behaviour
    with pytest.raises(Cancelled):
        fetch(server, tmp_path, cancelled, timeout=3_600)
    ended.set()


def test_kept_hours_are_not_downloaded_again(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = tmp_path / "keep"
    synced: list[str] = []
    monkeypatch.setattr(sources, "fsync", lambda path: synced.append(path.name))
    first = fetch(server, tmp_path, keep_hours=str(keep))
    assert synced == [f"{hour_file(keep, START).name}.part"], "before it has its final name"
    assert (first.path, first.temporary) == (hour_file(keep, START), False)
    again = fetch(server, tmp_path, keep_hours=str(keep))
    assert (again.path, again.downloaded) == (hour_file(keep, START), False)
    assert sum(server.requests.values()) == 1


@pytest.mark.parametrize("url", ["", "data.gharchive.org", "ftp://x/y", "http://", "http://a b"])
def test_invalid_base_url_is_an_error(url: str) -> None:
    with pytest.raises(StarvecError, match="no web address"):
        HttpSource(url)


def test_base_url_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(StarvecError, match="leave that out of it") as error:
        HttpSource("https://ada:secret@hours.example/x")
    assert "secret" not in str(error.value)


def test_folder_must_exist_and_hold_hour_files(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match=r"no folder .*nowhere"):
        FolderSource(tmp_path / "nowhere")
    (tmp_path / "2024-01-01.json.gz").touch()
    with pytest.raises(StarvecError, match=r"no hour file \(YYYY-MM-DD-H\.json\.gz\)"):
        FolderSource(tmp_path)
    write_hour_files(tmp_path, 1)
    (tmp_path / "2024-01-01-7.json.gz").touch()
    folder = FolderSource(tmp_path)
    states = [folder.fetch(START + timedelta(hours=h), tmp_path, Event()).status for h in (0, 1, 7)]
    assert states == ["", "missing", "empty"]


def test_an_hour_with_a_leading_zero_is_read(tmp_path: Path) -> None:
    for name in ("2024-01-01-03.json.gz", "2024-01-01-4.json.gz", "2024-01-01-12.json.gz"):
        (tmp_path / name).write_bytes(BODY)
    folder = FolderSource(tmp_path)
    found = [folder.fetch(START + timedelta(hours=h), tmp_path, Event()).path for h in (3, 4, 12)]
    assert [path.name for path in found if path] == [
        "2024-01-01-03.json.gz",
        "2024-01-01-4.json.gz",
        "2024-01-01-12.json.gz",
    ]
    assert folder.notes == []


def test_two_spellings_of_one_hour_are_an_error_that_names_both(tmp_path: Path) -> None:
    for name in ("2024-01-01-03.json.gz", "2024-01-01-3.json.gz"):
        (tmp_path / name).write_bytes(BODY)
    with pytest.raises(StarvecError, match=r"2024-01-01-03\.json\.gz and 2024-01-01-3\.json\.gz, the same hour"):
        FolderSource(tmp_path)


def test_files_that_look_like_hours_and_are_not_read_are_named(tmp_path: Path) -> None:
    unread = [
        *("2024-01-01-1.json", "2024-01-01-24.json.gz", "2024-02-30-1.json.gz", "2024-1-1-1.json.gz"),
        *("2024-01-01-1.json.gz.part", "2024-01-01-1.JSON.GZ", "2024-01-01-1 (1).json.gz"),
    ]
    for name in (*unread, "2024-01-01-1.json.gz", "README.txt", "sample.json"):
        (tmp_path / name).write_bytes(BODY)
    [note] = FolderSource(tmp_path).notes
    assert set(note.partition(": ")[2].split(", ")) == set(unread)
    for n in range(30):
        (tmp_path / f"2024-01-01-1.json.gz.{n}").touch()
    [note] = FolderSource(tmp_path).notes
    assert note.endswith(" and 27 more")


def test_what_is_no_gzip_file_or_no_file_is_no_hour(tmp_path: Path) -> None:
    hour_file(tmp_path, START).write_bytes(faulty_server.PAGE)
    hour_file(tmp_path, START + timedelta(hours=1)).mkdir()
    os.mkfifo(hour_file(tmp_path, START + timedelta(hours=2)))  # to open it would wait for ever
    folder = FolderSource(tmp_path)
    found = [folder.fetch(START + timedelta(hours=h), tmp_path, Event()) for h in range(3)]
    assert [(file.path, file.status) for file in found] == [(None, "corrupt")] * 3
    assert [file.note.partition(":")[0] for file in found] == [
        "2024-01-01-0.json.gz is no gzip file",
        "2024-01-01-1.json.gz is no file",
        "2024-01-01-2.json.gz is no file",
    ]


def test_a_folder_or_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour_file(tmp_path, START).write_bytes(BODY)
    folder = FolderSource(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StarvecError, match=r"2024-01-01-0\.json\.gz cannot be read \(Permission denied\)"):
        folder.fetch(START, tmp_path, Event())
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StarvecError, match=r"the folder .* cannot be read \(Permission denied\)"):
        FolderSource(tmp_path)
