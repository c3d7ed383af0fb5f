import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from threading import Event, Timer

import faulty_server
import pytest
from archive import START, file_of, packed, push, some_hours, star
from faulty_server import Misbehaving

from starvec_assets.errors import StarvecError
from starvec_assets.ingest import sources
from starvec_assets.ingest.sources import Fetched, FolderSource, HttpSettings, HttpSource, Stopped

BODY = packed([star(i) for i in range(1, 300)] + [push()] * 50)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Misbehaving]:
    folder = tmp_path / "archive"
    folder.mkdir()
    file_of(folder, START).write_bytes(BODY)
    with Misbehaving(folder) as running:
        yield running


def source(server: Misbehaving, **settings: object) -> HttpSource:
    quick = {"base_url": server.url, "timeout": 0.3, "backoff": 0.01, "longest_wait": 2.0, "tries": 4}
    return HttpSource(HttpSettings(**(quick | settings)))  # type: ignore[arg-type]


def fetch(server: Misbehaving, tmp_path: Path, **settings: object) -> Fetched:
    return source(server, **settings).fetch(START, tmp_path / "spool", Event())


@pytest.mark.parametrize(
    "mood",
    [
        faulty_server.good,
        faulty_server.slow,
        faulty_server.cut,
        faulty_server.resumable,
        faulty_server.changing,
        faulty_server.confused,
        faulty_server.failing_twice,
    ],
)
def test_a_file_comes_whole_from_a_server_that_misbehaves(
    server: Misbehaving, tmp_path: Path, mood: faulty_server.Mood
) -> None:
    server.mood = mood
    found = fetch(server, tmp_path)
    assert found.path is not None
    assert found.path.read_bytes() == BODY
    assert (found.borrowed, found.fresh) == (True, True)
    assert [p.name for p in (tmp_path / "spool").iterdir()] == [found.path.name]


def test_a_broken_download_goes_on_where_it_broke(server: Misbehaving, tmp_path: Path) -> None:
    server.mood = faulty_server.resumable
    fetch(server, tmp_path)
    third = len(BODY) // 3
    assert server.ranges == ["", f"bytes={third}-", f"bytes={2 * third}-"]


def test_a_server_that_says_when_to_come_back_is_obeyed_by_all(server: Misbehaving, tmp_path: Path) -> None:
    server.mood = faulty_server.too_many
    other = START + timedelta(hours=1)
    file_of(server.folder, other).write_bytes(BODY)
    server.moods[file_of(server.folder, other).name] = faulty_server.good
    downloads = source(server)
    began = time.monotonic()
    late: list[float] = []

    def another() -> None:
        assert downloads.fetch(other, tmp_path / "spool", Event()).path
        late.append(time.monotonic() - began)

    timer = Timer(0.3, another)
    timer.start()
    assert downloads.fetch(START, tmp_path / "spool", Event()).path
    assert time.monotonic() - began >= 1
    timer.join()
    assert late[0] >= 1


def test_a_time_to_come_back_may_be_a_date_and_is_bounded(server: Misbehaving, tmp_path: Path) -> None:
    answers = iter([formatdate(time.time() + 3600, usegmt=True), "soon", formatdate(time.time() - 99, usegmt=True)])

    def mood(handler: faulty_server.Handler, body: bytes, nth: int) -> None:
        when = next(answers, None)
        handler.answer(503, b"", Retry_After=when) if when else handler.answer(200, body)

    server.mood = mood
    began = time.monotonic()
    assert fetch(server, tmp_path, longest_wait=0.2).path
    assert 0.2 <= time.monotonic() - began < 2


def test_what_is_not_there_is_told_apart(server: Misbehaving, tmp_path: Path) -> None:
    missing = source(server).fetch(START + timedelta(hours=5), tmp_path / "spool", Event())
    assert (missing.path, missing.status, missing.note) == (None, "missing", "HTTP 404")
    assert sum(server.asked.values()) == 1
    file_of(server.folder, START).write_bytes(b"")
    empty = fetch(server, tmp_path)
    assert (empty.path, empty.status) == (None, "empty")


def test_a_server_that_stays_broken_is_given_up_with_the_reason(server: Misbehaving, tmp_path: Path) -> None:
    server.mood = faulty_server.broken_for_good
    found = fetch(server, tmp_path)
    assert (found.status, found.note) == ("failed", "HTTP 503 (4 tries)")
    server.mood = faulty_server.forbidden
    before = sum(server.asked.values())
    assert fetch(server, tmp_path).note == "HTTP 403"
    assert sum(server.asked.values()) == before + 1
    assert not list((tmp_path / "spool").iterdir())


def test_a_file_larger_than_any_hour_can_be_is_not_kept(server: Misbehaving, tmp_path: Path) -> None:
    found = fetch(server, tmp_path, largest_file=len(BODY) - 1)
    assert found.status == "failed"
    assert "largest_file" in found.note
    assert not list((tmp_path / "spool").iterdir())


def test_a_server_that_never_answered_ends_the_run(tmp_path: Path) -> None:
    nobody = HttpSource(HttpSettings(base_url="http://127.0.0.1:9", tries=2, backoff=0.01))
    with pytest.raises(StarvecError, match=r"127\.0\.0\.1:9 does not answer .*ConnectError.*take a folder"):
        nobody.fetch(START, tmp_path, Event())


def test_a_download_nobody_waits_for_stops(server: Misbehaving, tmp_path: Path) -> None:
    server.mood = faulty_server.broken_for_good
    stopped = Event()
    Timer(0.1, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        source(server, backoff=60, longest_wait=60).fetch(START, tmp_path / "spool", stopped)
    assert time.monotonic() - began < 5


def test_kept_hours_are_not_downloaded_again(
    server: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = tmp_path / "keep"
    safe: list[str] = []
    monkeypatch.setattr(sources, "fsync", lambda path: safe.append(path.name))
    first = fetch(server, tmp_path, keep_hours=str(keep))
    assert safe == [f"{file_of(keep, START).name}.part"]  # before it has the name that it is found by
    assert (first.path, first.borrowed) == (file_of(keep, START), False)
    again = fetch(server, tmp_path, keep_hours=str(keep))
    assert (again.path, again.fresh) == (file_of(keep, START), False)
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize("url", ["", "data.gharchive.org", "ftp://x/y", "http://", "http://a b"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(StarvecError, match="no web address"):
        HttpSource(HttpSettings(base_url=url))


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(StarvecError, match="leave that out of it") as error:
        HttpSource(HttpSettings(base_url="https://ada:secret@hours.example/x"))
    assert "secret" not in str(error.value)


def test_a_folder_must_be_there_and_hold_hour_files(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match=r"no folder .*nowhere"):
        FolderSource(tmp_path / "nowhere")
    (tmp_path / "2024-01-01.json.gz").touch()
    with pytest.raises(StarvecError, match=r"no hour file \(YYYY-MM-DD-H\.json\.gz\)"):
        FolderSource(tmp_path)
    some_hours(tmp_path, 1)
    (tmp_path / "2024-01-01-7.json.gz").touch()
    folder = FolderSource(tmp_path)
    states = [folder.fetch(START + timedelta(hours=h), tmp_path, Event()).status for h in (0, 1, 7)]
    assert states == ["", "missing", "empty"]
