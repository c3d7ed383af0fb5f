import fcntl
import gzip
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import faulty_server
import pyarrow.parquet as pq
import pytest
from archive import (
    MONTH,
    START,
    creation,
    expected_stars,
    fork,
    gzip_lines,
    hour_file,
    json_line,
    pull_request,
    push,
    star,
    write_hour_files,
)
from faulty_server import FaultyServer

from starvec_assets.errors import StarvecError
from starvec_assets.http import HttpLimits
from starvec_assets.ingest.build_month import MAX_PEOPLE, MonthSummary, merge_month, read_month
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_cache import cache_folder, clear_hour_cache
from starvec_assets.ingest.hour_parser import HourLimits
from starvec_assets.ingest.sources import FolderSource, HttpSource, Source
from starvec_assets.parquet import comments

FILES = ("stars.parquet", "hours.parquet", "repos.parquet", "people.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "hours"


def after(hours: int) -> datetime:
    """Return a time at which the archive has published this many hours of the month."""
    return START + timedelta(hours=hours + 1)


def ingest(
    source: Source | Path, to: Path, hours: int, month: str = MONTH, max_people: int = MAX_PEOPLE, **options: Any
) -> MonthSummary:
    to.mkdir(parents=True, exist_ok=True)
    source = FolderSource(source) if isinstance(source, Path) else source
    options = {"progress_dir": to / "progress", "now": after(hours), "workers": 1} | options
    with read_month(source, month, **options) as parts, duckdb.connect() as connection:
        return merge_month(connection, parts, to, to, to, max_people)


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def stars(folder: Path) -> list[tuple[int, str, int, str, str]]:
    """Return the stars in the order of the file, each with its repository's name at the time."""
    newest = {r["repo_id"]: r["name"] for r in pq.read_table(folder / "repos.parquet").to_pylist()}
    rows = pq.read_table(folder / "stars.parquet").to_pylist()
    assert all(r["repo_name"] != newest[r["repo_id"]] for r in rows)
    return [
        (
            r["user_id"],
            r["user_login"],
            r["repo_id"],
            r["repo_name"] or newest[r["repo_id"]],
            f"{r['starred_at']:%Y-%m-%dT%H:%M:%SZ}",
        )
        for r in rows
    ]


def test_a_month_has_each_star_once_sorted_and_every_hour(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 20)
    seen: list[HourCoverage] = []
    summary = ingest(folder, tmp_path / "out", 20, on_hour=seen.append)
    expected = expected_stars(folder)
    assert stars(tmp_path / "out") == expected
    hours = pq.read_table(tmp_path / "out" / "hours.parquet").to_pylist()
    assert [h["hour"] for h in hours] == [START + timedelta(hours=h) for h in range(20)]
    assert {h["status"] for h in hours} == {"ok"}
    assert sum(h["stars"] - h["duplicate"] for h in hours) == len(expected) == summary.stars
    assert summary.rejected == {"duplicate": 600 - len(expected)}
    assert (summary.users, summary.repositories, summary.hours_expected) == (40, 25, 20)
    assert (summary.events, summary.bytes) == (sum(h["events"] for h in hours), sum(h["bytes"] for h in hours))
    assert sorted(c.hour for c in seen) == [h["hour"] for h in hours]
    assert summary.megabytes_per_second > 0
    for name in FILES:
        assert all(comments(pq.read_schema(tmp_path / "out" / name)).values())


def test_the_files_depend_on_nothing_but_the_hours(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 12)
    for name, workers in (("one", 1), ("two", 2), ("again", 2)):
        ingest(folder, tmp_path / name, 12, workers=workers)
    assert files(tmp_path / "one") == files(tmp_path / "two") == files(tmp_path / "again")


def test_the_newest_name_and_the_newest_known_facts_of_a_repository_win(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    h = [START + timedelta(hours=i) for i in range(4)]
    hour_file(folder, h[0]).write_bytes(
        gzip_lines([star(1, 5, "a/old", h[0]), pull_request(5, "a/old", "first", "C", 3)])
    )
    hour_file(folder, h[1]).write_bytes(gzip_lines([fork(5, "a/new", "second", None), star(2, 5, "a/new", h[1])]))
    hour_file(folder, h[2]).write_bytes(
        gzip_lines([creation(5, "a/new", None), pull_request(6, "a/six", "unstarred", "Go")])
    )
    hour_file(folder, h[3]).write_bytes(gzip_lines([star(1, 7, "a/seven", h[3]), star(1, 5, "a/new", h[3])]))
    ingest(folder, tmp_path / "out", 4)
    keys = ("repo_id", "name", "description", "language", "topics", "stargazers", "last_seen")
    facts = [tuple(r[k] for k in keys) for r in pq.read_table(tmp_path / "out" / "repos.parquet").to_pylist()]
    assert facts == [
        (5, "a/new", "second", "C", ["data", "vectors"], 3, h[3]),
        (6, "a/six", "unstarred", "Go", ["data", "vectors"], 9, h[2]),
        (7, "a/seven", None, None, None, None, h[3]),
    ]


def test_of_the_facts_of_one_hour_those_of_pull_requests_win(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    lines = [creation(5, "a/b", "creation"), pull_request(5, "a/b", "pull request", "C"), fork(5, "a/b", "fork", "Go")]
    hour_file(folder, START).write_bytes(gzip_lines([star(1, 5, "a/b"), *lines]))
    ingest(folder, tmp_path / "out", 1)
    [row] = pq.read_table(tmp_path / "out" / "repos.parquet").to_pylist()
    assert (row["description"], row["language"]) == ("pull request", "C")


def test_faulty_hours_are_recorded_and_leave_other_hours_intact(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 10, lines=120)
    at = [hour_file(folder, START + timedelta(hours=h)) for h in range(10)]
    at[0].unlink()
    at[1].write_bytes(b"")
    at[2].write_bytes(at[2].read_bytes()[:-3000])
    at[3].write_bytes(gzip_lines(["broken", star(900, 900)]))
    at[4].write_bytes(b"<html><body>Service unavailable</body></html>")
    summary = ingest(folder, tmp_path / "out", 10)
    hours = pq.read_table(tmp_path / "out" / "hours.parquet").to_pylist()
    states = [h["status"] for h in hours]
    assert states == ["missing", "empty", "truncated", "thin", "corrupt"] + ["ok"] * 5
    assert stars(tmp_path / "out") == expected_stars(folder)
    assert (hours[3]["events"], hours[3]["broken_json"]) == (1, 1)
    assert summary.statuses == {"ok": 5, "missing": 1, "empty": 1, "truncated": 1, "thin": 1, "corrupt": 1}
    assert [c.hour.hour for c in summary.faulty] == [0, 1, 2, 3, 4]
    assert summary.faulty[0].note == "2024-01-01-0.json.gz is not there"
    assert summary.rejected["broken_json"] == 1


def test_the_share_of_missing_event_ids_is_computed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    for h in range(10):
        if h not in (4, 5):
            ids = range(10**10 + 1000 * h, 10**10 + 1000 * (h + 1), 2)
            events = [(push() if n % 4 else star(1 + n % 999, 1 + h)) | {"id": str(n)} for n in ids]
            hour_file(folder, START + timedelta(hours=h)).write_bytes(gzip_lines(events))
    unseen = ingest(folder, tmp_path / "out", 10).unseen_ids
    assert unseen.share == pytest.approx(1 - 7 * 500 / 9000, abs=0.02)
    assert (unseen.sequences, unseen.breaks) == (1, 0)


@pytest.mark.parametrize("broken", [{}, {0: b""}, {0: gzip_lines([push()]), 1: gzip.compress(b"[]\n", mtime=0)}])
def test_a_month_without_stars_is_an_error_that_counts_its_hours(
    folder: Path, tmp_path: Path, broken: dict[int, bytes]
) -> None:
    folder.mkdir()
    hour_file(folder, datetime.fromisoformat("2024-03-01T00:00:00+00:00")).write_bytes(gzip_lines([star()]))
    for h, content in broken.items():
        hour_file(folder, START + timedelta(hours=h)).write_bytes(content)
    with pytest.raises(StarvecError) as error:
        ingest(folder, tmp_path / "out", 5)
    message = str(error.value)
    assert f"no star in {MONTH} from folder {folder}: of 5 hours {5 - len(broken)} missing" in message
    assert "2024-01-01-" in message
    assert "take another month" in message
    assert ("1 lines rejected as missing_fields" in message) == (len(broken) == 2)


def test_an_impossible_month_is_refused(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 1)
    for month in ("2014-12", "2024-02", "January"):
        with pytest.raises(StarvecError, match=month):
            ingest(folder, tmp_path / "out", 5, month=month)


def test_cached_hours_are_read_again_only_if_their_file_changed(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 6)
    ingest(folder, tmp_path / "out", 6)
    parts = cache_folder(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)
    before = {p.name: p.stat().st_mtime_ns for p in parts.glob("*.parquet")}
    assert len(before) == 18
    changed = hour_file(folder, START + timedelta(hours=2))
    changed.write_bytes(gzip_lines([star(77, 777)]))
    ingest(folder, tmp_path / "out", 6)
    now = {p.name: p.stat().st_mtime_ns for p in parts.glob("*.parquet")}
    assert {name for name in now if now[name] != before[name]} == {
        "2024-01-01T02.stars.parquet",
        "2024-01-01T02.repos.parquet",
        "2024-01-01T02.people.parquet",
    }
    assert stars(tmp_path / "out") == expected_stars(folder)
    (parts / "2024-01-01T03.stars.parquet").write_bytes(b"half written")
    ingest(folder, tmp_path / "out", 6)
    assert stars(tmp_path / "out") == expected_stars(folder)
    clear_hour_cache(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)
    assert not parts.exists()


def test_hours_cached_with_another_limit_of_facts_are_read_again(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    events = [star(1, 5), *(pull_request(repo, f"a/b{repo}", "text", "C") for repo in range(1, 6))]
    hour_file(folder, START).write_bytes(gzip_lines(events))
    for limit in (5, 3):
        ingest(folder, tmp_path / "out", 1, limits=HourLimits(limit))
        described = pq.read_table(tmp_path / "out" / "repos.parquet")["description"]
        assert len(described) - described.null_count == limit


def test_a_month_that_another_run_is_reading_is_refused(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 2)
    parts = cache_folder(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)
    parts.mkdir(parents=True)
    with (parts / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StarvecError, match="the same month is being read"):
            ingest(folder, tmp_path / "out", 2)
    assert ingest(folder, tmp_path / "out", 2).stars


def test_a_failing_callback_ends_the_run_and_its_processes(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 30)

    def fail(hour: HourCoverage) -> None:
        raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt) as interrupt:
        ingest(folder, tmp_path / "out", 30, on_hour=fail)
    assert interrupt.traceback
    assert threading.active_count() == before
    assert not list((tmp_path / "out").glob("*.parquet"))
    ingest(folder, tmp_path / "out", 30)
    assert stars(tmp_path / "out") == expected_stars(folder)


def test_an_interrupted_run_does_not_wait_for_the_hours_being_read(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 6)
    long = gzip.compress(b"1\n" * (32 << 20), 1)  # parsing these lines takes half a minute
    hour_file(folder, START).write_bytes(gzip.compress(json_line(star())) + long)
    parts = cache_folder(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)

    def interrupt(hour: HourCoverage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(folder, tmp_path / "out", 6, workers=2, on_hour=interrupt)
    assert not (parts / "2024-01-01T00.stars.parquet").exists(), "it was not waited for"
    assert list(parts.glob("*.stars.parquet"))


def test_a_slow_hour_is_counted_and_the_others_are_whole(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 4)
    noise = [{"type": "Noise", "x": "x" * 50_000}] * 50
    hour_file(folder, START).write_bytes(gzip_lines([star(5, 5), push(), *noise, star(6, 6)]))
    summary = ingest(folder, tmp_path / "out", 4, limits=HourLimits(max_seconds=0))
    assert summary.statuses == {"slow": 4}
    assert {hour.note for hour in summary.faulty} == {"not read to its end within 0 s"}
    whole = ingest(folder, tmp_path / "out", 4)
    assert whole.statuses == {"ok": 4}, "read again, as another time is allowed"


def test_a_push_from_the_future_is_not_the_newest_one(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    late, usual = pull_request(5, "a/b", "text", "C"), pull_request(5, "a/b", "text", "C")
    late["payload"]["pull_request"]["base"]["repo"]["pushed_at"] = "2099-01-01T00:00:00Z"
    for h, event in enumerate((usual, late)):
        hour_file(folder, START + timedelta(hours=h)).write_bytes(gzip_lines([star(1, 5), event]))
    ingest(folder, tmp_path / "out", 2)
    [row] = pq.read_table(tmp_path / "out" / "repos.parquet").to_pylist()
    assert f"{row['pushed_at']:%Y-%m-%dT%H:%M:%SZ}" == "2023-12-31T23:59:58Z"


def test_an_hour_that_cannot_be_cached_is_named(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 1)
    parts = cache_folder(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)
    (parts / "2024-01-01T00.stars.parquet").mkdir(parents=True)
    with pytest.raises(StarvecError, match=r"cannot read .*2024-01-01-0\.json\.gz into .*mend that"):
        ingest(folder, tmp_path / "out", 1)


def test_a_month_that_cannot_be_merged_keeps_its_cached_hours(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 3)
    (tmp_path / "out" / "repos.parquet").mkdir(parents=True)
    way_out = r"cannot merge 2024-01 .*repos\.parquet.* delete that folder"
    with pytest.raises(StarvecError, match=way_out):
        ingest(folder, tmp_path / "out", 3)
    parts = cache_folder(tmp_path / "out" / "progress", FolderSource(folder).key, MONTH)
    assert len(list(parts.glob("*.stars.parquet"))) == 3


def test_an_impossible_cache_folder_is_named(folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 1)
    (tmp_path / "file").touch()
    with pytest.raises(StarvecError, match=r"cannot keep progress in .*file"):
        ingest(folder, tmp_path / "out", 1, progress_dir=tmp_path / "file")


@pytest.fixture
def server(folder: Path) -> Iterator[FaultyServer]:
    folder.mkdir()
    with FaultyServer(folder) as running:
        yield running


BEHAVIOURS = [
    *(
        faulty_server.slow,
        faulty_server.breaks_off,
        faulty_server.resumable,
        faulty_server.another_version,
        faulty_server.wrong_range,
    ),
    *(faulty_server.rate_limited, faulty_server.failing_twice, faulty_server.short, faulty_server.good),
]


def over_http(server: FaultyServer) -> HttpSource:
    return HttpSource(server.url, limits=HttpLimits(8, timeout=1, backoff=0.01, max_wait=0.1, concurrency=4))


def test_a_faulty_server_gives_the_same_files_as_a_folder(server: FaultyServer, folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 12)
    at = [hour_file(folder, START + timedelta(hours=h)) for h in range(12)]
    at[9].unlink()
    at[10].write_bytes(b"")
    at[11].write_bytes(at[11].read_bytes()[:-900])
    server.behaviours = {path.name: behaviour for path, behaviour in zip(at, BEHAVIOURS, strict=False)}
    ingest(over_http(server), tmp_path / "http", 12, workers=2)
    ingest(folder, tmp_path / "folder", 12)
    assert files(tmp_path / "http") == files(tmp_path / "folder")
    assert stars(tmp_path / "http") == expected_stars(folder)
    asked = [server.requests[path.name] for path in at]
    assert asked == [2, 3, 3, 2, 3, 2, 3, 2, 1, 2, 2, 2]
    assert not list((tmp_path / "http" / "progress").glob("*/spool"))


def test_downloads_run_in_parallel_and_cached_hours_are_not_downloaded(
    server: FaultyServer, folder: Path, tmp_path: Path
) -> None:
    write_hour_files(folder, 8)
    server.behaviour = lambda handler, body, nth: (
        faulty_server.time.sleep(0.1),
        faulty_server.good(handler, body, nth),
    )[1]
    ingest(over_http(server), tmp_path / "out", 8)
    assert server.max_active >= 3
    asked = sum(server.requests.values())
    ingest(over_http(server), tmp_path / "out", 8)
    assert sum(server.requests.values()) == asked == 8


def test_downloaded_files_are_deleted_once_read(server: FaultyServer, folder: Path, tmp_path: Path) -> None:
    write_hour_files(folder, 4)
    downloads: list[int] = []
    progress = tmp_path / "out" / "progress"
    ingest(
        over_http(server),
        tmp_path / "out",
        4,
        on_hour=lambda _: downloads.append(len(list(progress.glob("*/spool/*")))),
    )
    assert downloads[-1] == 0


def test_an_outage_ends_the_run_keeps_what_was_read_and_is_over_for_the_next_one(
    server: FaultyServer, folder: Path, tmp_path: Path
) -> None:
    write_hour_files(folder, 12)
    failing = hour_file(folder, START + timedelta(hours=4)).name
    server.behaviours[failing] = faulty_server.forbidden
    out = tmp_path / "out"
    with pytest.raises(StarvecError) as error:
        ingest(over_http(server), out, 12)
    assert "1 of 12 hours could not be fetched" in str(error.value)
    assert "2024-01-01 04h: HTTP 403 (8 tries). 11 of 12 hours are done and kept" in str(error.value)
    assert not list(out.glob("*.parquet"))
    server.behaviours.clear()
    asked = server.requests.copy()
    assert ingest(over_http(server), out, 12).statuses == {"ok": 12}
    assert server.requests - asked == {failing: 1}
    ingest(folder, tmp_path / "folder", 12)
    assert files(out) == files(tmp_path / "folder")


@pytest.mark.parametrize("behaviour", [faulty_server.forbidden, faulty_server.unavailable, faulty_server.a_page])
def test_a_source_that_fails_for_everything_is_given_up_after_a_few_hours(
    server: FaultyServer, folder: Path, tmp_path: Path, behaviour: faulty_server.Behaviour
) -> None:
    write_hour_files(folder, 10)
    for h in range(200):
        path = hour_file(folder, START + timedelta(hours=h))
        server.behaviours[path.name] = faulty_server.good if h < 10 else behaviour
        path.touch()
    with pytest.raises(StarvecError) as error:
        ingest(over_http(server), tmp_path / "out", 200)
    assert f"hour files of http {server.url}: the last 5 all failed" in str(error.value)
    assert "are done and kept: the next run asks for the others alone" in str(error.value)
    assert len(server.requests) < 100, "about 20: more hours are under way where this machine is busy"
    parts = cache_folder(tmp_path / "out" / "progress", HttpSource(server.url).key, MONTH)
    assert list(parts.glob("*.stars.parquet"))
    assert not list(parts.glob("spool"))


def test_a_second_download_that_fails_makes_no_damage_of_the_first_a_fact(
    server: FaultyServer, folder: Path, tmp_path: Path
) -> None:
    write_hour_files(folder, 2)
    server.behaviours[hour_file(folder, START).name] = lambda handler, body, nth: (
        faulty_server.short(handler, body, nth) if nth == 1 else faulty_server.unavailable(handler, body, nth)
    )
    with pytest.raises(StarvecError, match=r"1 of 2 hours could not be fetched .* HTTP 503"):
        ingest(over_http(server), tmp_path / "out", 2)
    server.behaviours.clear()
    assert ingest(over_http(server), tmp_path / "out", 2).statuses == {"ok": 2}


@pytest.mark.parametrize(
    "behaviour", [faulty_server.not_found, faulty_server.nothing, faulty_server.half, faulty_server.packed_twice]
)
def test_what_a_source_says_of_many_hours_for_a_while_is_no_fact(
    server: FaultyServer, folder: Path, tmp_path: Path, behaviour: faulty_server.Behaviour
) -> None:
    write_hour_files(folder, 12)
    wrong = iter(range(8))
    server.behaviour = lambda handler, body, nth: (
        behaviour(handler, body, nth) if next(wrong, None) is not None else faulty_server.good(handler, body, nth)
    )
    assert ingest(over_http(server), tmp_path / "http", 12).statuses == {"ok": 12}
    ingest(folder, tmp_path / "folder", 12)
    assert files(tmp_path / "http") == files(tmp_path / "folder")
    assert sum(server.requests.values()) == 12 + 8


def test_an_hour_that_was_damaged_in_a_run_that_failed_is_asked_for_by_the_next_one(
    server: FaultyServer, folder: Path, tmp_path: Path
) -> None:
    write_hour_files(folder, 3)
    names = [hour_file(folder, START + timedelta(hours=h)).name for h in range(2)]
    server.behaviours = dict(zip(names, (faulty_server.half, faulty_server.forbidden), strict=True))
    with pytest.raises(StarvecError, match="1 of 3 hours could not be fetched"):
        ingest(over_http(server), tmp_path / "out", 3)
    server.behaviours.clear()
    assert ingest(over_http(server), tmp_path / "out", 3).statuses == {"ok": 3}


def test_as_many_hours_as_allowed_may_fail_and_are_downloaded_by_the_next_run(
    server: FaultyServer, folder: Path, tmp_path: Path
) -> None:
    write_hour_files(folder, 10)
    for h in range(7):
        server.behaviours[hour_file(folder, START + timedelta(hours=h)).name] = faulty_server.forbidden
    summary = ingest(over_http(server), tmp_path / "out", 10, max_failed_hours=7)
    assert summary.statuses == {"ok": 3, "failed": 7}
    assert summary.faulty[0].note == "HTTP 403 (8 tries)"
    server.behaviours.clear()
    assert ingest(over_http(server), tmp_path / "out", 10).statuses == {"ok": 10}
    assert stars(tmp_path / "out") == expected_stars(folder)
