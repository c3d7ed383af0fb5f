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
    server.behaviour = faulty_server.forbidden
    before = sum(server.requests.values())
    assert fetch(server, tmp_path).note == "HTTP 403"
    assert sum(server.requests.values()) == before + 1
    assert not list((tmp_path / "spool").iterdir())


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
