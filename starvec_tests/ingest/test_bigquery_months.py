"""Tables in BigQuery and hour files of the same events give the same months, byte for byte."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive import (
    MONTH,
    START,
    creation,
    fork,
    gunzip_text,
    gzip_lines,
    hour_file,
    pull_request,
    push,
    star,
    write_hour_files,
)
from fake_bigquery import ApiError, FakeBigQuery
from google.cloud import bigquery
from test_build_month import ingest

from starvec_assets.bigquery import BigQuery, BigQuerySettings, CapExceeded
from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.ingest import bigquery_months
from starvec_assets.ingest.bigquery_months import events_query, read_months
from starvec_assets.ingest.build_month import MonthSummary, merge_month
from starvec_assets.ingest.calendar import PUBLISHED_AFTER, month_end
from starvec_assets.ingest.publication import NotYetPublished


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Hour files with invalid events of every kind, each created in the hour of its file."""
    folder = tmp_path / "hours"
    write_hour_files(folder, 30)
    late = START + timedelta(hours=30)
    odd = [star(1, 5), star(2, 5, name="a/other"), star(2, 5, name="a/b"), star(3, 5, name="nowhere")]
    odd += [star(10**18, 6), star(4, 7) | {"payload": {"action": "stopped"}}, star(5, 8) | {"actor": {"id": 5}}]
    odd += [pull_request(9, "o/n", 'Fünf \\ "Wörter" \n', "C++"), fork(10, "o/f", None, "Go")]
    sampled = [20_000_000_000, 20_000_000_100, 123_450, 99_999]
    odd += [push() | {"actor": {"id": user_id, "login": f"user{user_id}"}} for user_id in sampled]
    odd += [push() | {"actor": {"id": 123_450, "login": login}} for login in ("newer", "user123450", "ci[bot]")]
    odd += [creation(11, "o/c", "x" * 3000), creation(11, "o/c", "later: not taken"), creation(12, "o/d", None)]
    hour_file(folder, late).write_bytes(gzip_lines(odd))
    for h in range(31):
        hour = START + timedelta(hours=h)
        path = hour_file(folder, hour)
        events = [json.loads(line) for line in gunzip_text(path).splitlines()]
        begin = f"{hour:%Y-%m-%dT%H}"
        at = {"created_at": f"{begin}:30:00Z"}
        path.write_bytes(gzip_lines(e if e["created_at"].startswith(begin) else e | at for e in events))
    return folder


def events_of(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json.gz")):
        yield from map(json.loads, gunzip_text(path).splitlines())


def from_tables(
    to: Path, months: tuple[str, ...] = (MONTH,), facts: bool = True, max_repo_facts: int = 500, **settings: Any
) -> MonthSummary:
    """Build the first of the months from BigQuery."""
    folder = to / "parts"
    folder.mkdir(parents=True)
    client = BigQuery(bigquery.Client(), BigQuerySettings(**settings))
    parts, _ = read_months(client, months, folder, facts, max_repo_facts)
    with duckdb.connect() as connection:
        return merge_month(connection, parts[0], to, to, to)


def hashes(folder: Path) -> list[str]:
    return [sha256(folder / name) for name in ("stars.parquet", "repos.parquet", "people.parquet")]


def test_folder_and_bigquery_give_identical_tables(fake_bigquery: FakeBigQuery, folder: Path, tmp_path: Path) -> None:
    fake_bigquery.load("month.202401", events_of(folder))
    local = ingest(folder, tmp_path / "folder", 31)
    remote = from_tables(tmp_path / "tables")
    assert hashes(tmp_path / "tables") == hashes(tmp_path / "folder")
    assert (remote.stars, remote.users, remote.repositories) == (local.stars, local.users, local.repositories)
    assert (remote.events, remote.rejected) == (local.events, local.rejected)
    hours = ("hour", "events", "stars", "duplicate", "missing_fields", "bad_values", "future")
    both = [
        pq.read_table(tmp_path / name / "hours.parquet").select(hours).slice(0, 31).to_pylist()
        for name in ("folder", "tables")
    ]
    assert both[0] == both[1]


def test_months_are_one_query_with_an_estimate_first_and_pages_of_rows(
    fake_bigquery: FakeBigQuery, folder: Path, tmp_path: Path
) -> None:
    fake_bigquery.load("month.202401", events_of(folder))
    fake_bigquery.load("month.202402", [star(1, 5, at=START + timedelta(days=40))])
    fake_bigquery.load("month.202403", [star(1, 5, at=START + timedelta(days=65))] * 1000)
    log: list[str] = []
    rows: list[int] = []
    client = BigQuery(bigquery.Client(), BigQuerySettings(dollars_per_tib=2.0**40), log.append)
    months, cost = read_months(client, ["2024-01", "2024-02"], tmp_path, True, 500, rows.append)
    dry, real = (body["configuration"] for body in fake_bigquery.job_requests)
    assert dry["dryRun"] is True
    assert real["query"]["maximumBytesBilled"] == str(1 << 40)
    assert real["labels"] == {"application": "starvec"}
    assert dry["query"]["query"] == real["query"]["query"]
    assert cost.bytes == cost.billed == cost.dollars > 0
    assert cost.job in fake_bigquery.jobs
    assert log == [f"BigQuery would read {cost}; the cap is 1,024.0 GiB", f"BigQuery job {cost.job}: 0.0 GiB billed"]
    assert [len(parts.hours) for parts in months] == [31 * 24, 29 * 24]
    assert sum(hour.stars for hour in months[1].hours) == 1
    assert max(rows) <= 1000 < sum(rows)


def test_rows_of_many_months_in_one_batch_are_grouped_by_month(
    fake_bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    months = [f"2024-{month:02}" for month in range(1, 13)]
    for nth, month in enumerate(months):
        at = START + timedelta(days=31 * nth)
        fake_bigquery.load(f"month.{month.replace('-', '')}", [star(n, n, at=at) for n in range(1, 301)])
    run = fake_bigquery._run  # BigQuery returns rows in no order
    monkeypatch.setattr(fake_bigquery, "_run", lambda query, dry: _shuffled(run(query, dry)))
    monkeypatch.setattr(bigquery_months, "ROW_GROUP", 200)
    batches: list[int] = []
    client = BigQuery(bigquery.Client(), BigQuerySettings())
    result, _ = read_months(client, months, tmp_path, True, 500, batches.append)
    assert len(batches) > 3
    for parts in result:
        file = pq.ParquetFile(parts.stars[0])
        assert file.metadata.num_rows == 300
        assert file.num_row_groups == 2, "one of at least 200 rows, one with the rest"


def _shuffled(table: pa.Table) -> pa.Table:
    return table.take(np.random.default_rng(0).permutation(len(table)))


def test_without_facts_payload_is_not_read_and_the_stars_are_the_same(
    fake_bigquery: FakeBigQuery, tmp_path: Path
) -> None:
    write_hour_files(tmp_path / "hours", 3)
    fake_bigquery.load("month.202401", events_of(tmp_path / "hours"))
    cheap, full = from_tables(tmp_path / "cheap", facts=False), from_tables(tmp_path / "full")
    assert hashes(tmp_path / "cheap")[0] == hashes(tmp_path / "full")[0]
    assert cheap.repositories == full.repositories
    queries = [body["configuration"]["query"]["query"] for body in fake_bigquery.job_requests]
    assert ["payload" in query for query in queries] == [False, False, True, True]
    sizes = [int(job["resource"]["statistics"]["totalBytesProcessed"]) for job in fake_bigquery.jobs.values()]
    assert sizes[0] * 5 < sizes[-1]


def test_the_first_facts_of_an_hour_are_taken_up_to_the_limit(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    repos = [pull_request(repo, f"a/b{repo}", "text", "C") for repo in (5, 4, 3, 2, 1)]
    fake_bigquery.load("month.202401", [star(), *repos])
    from_tables(tmp_path / "out", max_repo_facts=3)
    rows = pq.read_table(tmp_path / "out" / "repos.parquet").to_pylist()
    assert [row["repo_id"] for row in rows if row["description"]] == [3, 4, 5]


def test_an_export_gives_what_streaming_gives_and_leaves_nothing_behind(
    fake_bigquery: FakeBigQuery, folder: Path, tmp_path: Path
) -> None:
    fake_bigquery.load("month.202401", events_of(folder))
    from_tables(tmp_path / "streamed")
    from_tables(tmp_path / "exported", export=f"file://{tmp_path}/bucket")
    assert hashes(tmp_path / "streamed") == hashes(tmp_path / "exported")
    sql = fake_bigquery.job_requests[-1]["configuration"]["query"]["query"]
    assert sql.startswith(f"EXPORT DATA OPTIONS (uri = 'file://{tmp_path}/bucket/starvec-")
    assert not list((tmp_path / "bucket").iterdir())


def test_above_the_cap_nothing_runs(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fake_bigquery.load("month.202401", [star()] * 100)
    with pytest.raises(CapExceeded, match=r"would read 0\.0 GiB, \$.* cap is 0\.0 GiB; .*_MAX_GIB\) to 1"):
        from_tables(tmp_path / "out", max_gib_billed=1e-6)
    assert [body["configuration"]["dryRun"] for body in fake_bigquery.job_requests] == [True]


def test_a_query_beyond_its_estimate_is_stopped_by_bigquery(
    fake_bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_bigquery.load("month.202401", [star()] * 100)
    sizes = iter([10, 10_000])
    monkeypatch.setattr(fake_bigquery, "_bytes", lambda sql: next(sizes))
    with pytest.raises(StarvecError, match=r"Query exceeded limit for bytes billed: 1073\. .* Nothing is billed\."):
        from_tables(tmp_path / "out", max_gib_billed=1e-6)


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (ApiError(403, "accessDenied", "Access Denied: no jobs.create"), "BigQuery Job User in project stars-of-tests"),
        (
            ApiError(403, "quotaExceeded", "Quota exceeded: bytes"),
            "A quota of project stars-of-tests is spent",
        ),
        (ApiError(400, "invalidQuery", "Unrecognized name: payloat"), "Unrecognized name: payloat"),
        (ApiError(404, "notFound", "Not found: Project x"), "Check that project"),
        (ApiError(403, "responseTooLarge", "Response too large to return"), "STARVEC_BIGQUERY_EXPORT"),
    ],
)
def test_errors_of_bigquery_name_a_way_out(
    fake_bigquery: FakeBigQuery, tmp_path: Path, error: ApiError, way_out: str
) -> None:
    fake_bigquery.load("month.202401", [star()])
    fake_bigquery.error = error
    with pytest.raises(StarvecError, match=str(error)) as raised:
        from_tables(tmp_path / "out")
    assert way_out in str(raised.value)


def test_a_month_without_a_table_is_read_from_its_days(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fake_bigquery.load("month.202402", [star(at=START + timedelta(days=40))])
    for day in (1, 2):
        at = START + timedelta(days=day - 1, hours=5)
        fake_bigquery.load(f"day.2024010{day}", [star(day, 70, at=at)])
    summary = from_tables(tmp_path / "out")
    assert (summary.stars, summary.statuses) == (2, {"missing": 31 * 24 - 2, "ok": 2})
    with pytest.raises(StarvecError, match=r"no table githubarchive\.month\.202312, .* month there is 202402"):
        from_tables(tmp_path / "none", months=("2023-12", "2024-01"))


def test_a_month_that_just_ended_without_its_last_day_costs_nothing(
    fake_bigquery: FakeBigQuery,
) -> None:
    for day in range(1, 31):
        fake_bigquery.load(f"day.202401{day:02}", [star(at=START + timedelta(days=day - 1))])
    client = BigQuery(bigquery.Client(), BigQuerySettings())
    end = month_end(MONTH)
    with pytest.raises(NotYetPublished, match=r"its last 24 hours, from 31 00h on, are not in githubarchive\.day"):
        events_query(client, [MONTH], facts=False, now=end + timedelta(days=1))
    assert not fake_bigquery.job_requests
    assert "'240130'" in events_query(client, [MONTH], facts=False, now=end + PUBLISHED_AFTER)


def test_a_month_without_stars_is_an_error(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fake_bigquery.load("month.202401", [star() | {"type": "PushEvent"}])
    with pytest.raises(StarvecError, match="no star in 2024-01 from githubarchive: its tables hold 1 events"):
        from_tables(tmp_path / "out")


def test_stars_from_the_future_are_rejected_and_counted(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    end = START + timedelta(days=31)
    late = [end + timedelta(minutes=59), end + timedelta(hours=1), START + timedelta(days=20_000)]
    fake_bigquery.load("month.202401", [star(n, 1, at=at) for n, at in enumerate([START, *late], 1)])
    summary = from_tables(tmp_path / "out")
    assert (summary.stars, summary.rejected) == (2, {"future": 2})


def test_stars_and_pushes_have_event_ids_of_their_own(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    events = [
        make(at=START + timedelta(hours=h, minutes=minute)) | {"id": str(begin + growth * (60 * h + minute))}
        for h in range(10)
        for minute in range(0, 60, 10)
        for make, begin, growth in ((star, 10**10, 3), (push, 4 * 10**9, 7))
    ]
    fake_bigquery.load("month.202401", events)
    unseen = from_tables(tmp_path / "out").unseen_ids
    assert unseen.sequences == 2
    assert unseen.share == pytest.approx(1 - 12 / 600, abs=0.001)


def test_events_outside_their_month_count_at_its_ends(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    stars = [star(n, 1, at=START + timedelta(hours=h)) for n, h in enumerate((-1, 0, 31 * 24), 1)]
    fake_bigquery.load("month.202401", stars)
    assert from_tables(tmp_path / "out").stars == 3
    hours = pq.read_table(tmp_path / "out" / "hours.parquet")["stars"].to_pylist()
    assert (hours[0], hours[-1], sum(hours)) == (2, 1, 3)


def test_the_job_of_a_query_that_ran_today_is_reused(fake_bigquery: FakeBigQuery, tmp_path: Path) -> None:
    fake_bigquery.load("month.202401", [star()])
    from_tables(tmp_path / "first")
    log: list[str] = []
    again = BigQuery(bigquery.Client(), BigQuerySettings(), log.append)
    (tmp_path / "again").mkdir()
    _, cost = read_months(again, [MONTH], tmp_path / "again", True, 500)
    assert cost.billed == 0
    assert cost.job in log[-1]
    assert "reused" in log[-1]
    job_ids = [
        body["jobReference"]["jobId"] for body in fake_bigquery.job_requests if "dryRun" not in body["configuration"]
    ]
    assert job_ids == [cost.job, cost.job]  # requested twice, run once


def test_a_query_that_failed_today_is_run_again(
    fake_bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_bigquery.load("month.202401", [star()])
    sizes = iter([10, 10_000, 10, 10, 10])
    monkeypatch.setattr(fake_bigquery, "_bytes", lambda sql: next(sizes))
    with pytest.raises(StarvecError, match="bytes billed"):
        from_tables(tmp_path / "first", max_gib_billed=1e-6)
    assert from_tables(tmp_path / "again", max_gib_billed=1e-6).stars == 1
