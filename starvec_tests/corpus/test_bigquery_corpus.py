"""BigQuery and DuckDB build the same corpus from the same stars."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_bigquery import FakeBigQuery
from google.cloud import bigquery
from test_corpus_build import SMALL

from starvec_assets.bigquery import BigQuery, BigQuerySettings, CapExceeded
from starvec_assets.corpus.bigquery_corpus import build_in_bigquery
from starvec_assets.corpus.build import build_corpus
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.ingest.bigquery_months import read_months
from starvec_assets.ingest.build_month import merge_month
from starvec_assets.ingest.repo_catalog import RepoCatalog, build_repo_catalog

MONTHS = ("2024-01", "2024-02")
FILES = {"items.npy", "offsets.npy", "repos.parquet"}
FILES |= {f"heldout_{part}{what}.npy" for part in ("", "a_", "b_") for what in ("items", "offsets")}


def load_events(fake: FakeBigQuery) -> None:
    """Load two months of users of every outcome, with repeated stars, equal times, bots and a rename."""
    draw = random.Random(0)
    for month, table in enumerate(("month.202401", "month.202402"), 1):
        events: list[dict[str, Any]] = []
        for user in range(1, 161):
            login = f"tool{user}[bot]" if user % 20 == 0 else f"user{user}"
            for _ in range(60 if user % 25 == 1 else draw.randint(1, 22)):
                repo = min(int(draw.expovariate(0.03)) + 1, 120)
                at = datetime(2024, month, 1 + draw.randint(0, 3), draw.randint(0, 5), tzinfo=UTC)
                name = f"owner/{'new' if repo == 3 and month == 2 else 'repo'}{repo}"
                events.append(
                    {
                        "id": str(len(events) + 1),
                        "type": "WatchEvent",
                        "actor": {"id": user * 977, "login": login},
                        "repo": {"id": repo * 31, "name": name},
                        "payload": {"action": "started"},
                        "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                    }
                )
        fake.load(table, events)


def client(**settings: Any) -> BigQuery:
    return BigQuery(bigquery.Client(), BigQuerySettings(**settings))


@pytest.fixture
def catalogue(fake_bigquery: FakeBigQuery, tmp_path: Path) -> RepoCatalog:
    """A catalogue of both months; the months' stars lie beside it, one folder per month."""
    load_events(fake_bigquery)
    read, _ = read_months(client(), MONTHS, tmp_path, False, 500)
    with duckdb.connect() as connection:
        for parts in read:
            out = tmp_path / parts.month
            out.mkdir()
            merge_month(connection, parts, out, out, out)
        paths = [[tmp_path / month / f"{kind}.parquet" for month in MONTHS] for kind in ("stars", "repos")]
        build_repo_catalog(connection, paths[0], paths[1], tmp_path)
    return RepoCatalog(tmp_path / "repos.parquet")


def test_both_engines_write_the_same_files(catalogue: RepoCatalog, tmp_path: Path) -> None:
    local_out, remote_out = tmp_path / "local", tmp_path / "remote"
    local_out.mkdir()
    remote_out.mkdir()
    with duckdb.connect() as connection:
        stars = [tmp_path / month / "stars.parquet" for month in MONTHS]
        local = build_corpus(connection, stars, catalogue, local_out, SMALL)
    remote, cost = build_in_bigquery(client(), MONTHS, catalogue, remote_out, SMALL)
    assert {path.name for path in remote_out.iterdir()} == FILES
    assert [sha256(remote_out / name) for name in sorted(FILES)] == [sha256(local_out / name) for name in sorted(FILES)]
    assert remote.users == local.users
    assert all(remote.users[outcome] for outcome in ("bot", "too_few", "too_many", "heldout", "trained"))
    assert {k: v for k, v in remote.stars.items() if k != "repeated"} == {
        k: v for k, v in local.stars.items() if k != "repeated"
    }
    assert sum(remote.stars.values()) == remote.rows
    assert "owner/new3" in Corpus.load(remote_out).names
    assert cost.billed == cost.bytes > 0


def test_one_query_reads_all_months_without_payload(
    fake_bigquery: FakeBigQuery, catalogue: RepoCatalog, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    before = len(fake_bigquery.job_requests)
    build_in_bigquery(client(), MONTHS, catalogue, out, SMALL)
    queries = [body["configuration"]["query"]["query"] for body in fake_bigquery.job_requests[before:]]
    assert len(queries) == 2  # a dry run and the run
    assert "'2401', '2402'" in queries[0]
    assert "payload" not in queries[0]


def test_a_repository_missing_from_the_catalogue_gets_its_last_starred_name(
    catalogue: RepoCatalog, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"repo_id": pa.array([31]), "name": ["else/where"]}), catalogue.path)
    out = tmp_path / "out"
    out.mkdir()
    build_in_bigquery(client(), MONTHS, catalogue, out, SMALL)
    corpus = Corpus.load(out)
    names = dict(zip(corpus.repo_ids.tolist(), corpus.names, strict=True))
    assert (names[31], names[62], names[93]) == ("else/where", "owner/repo2", "owner/new3")


def test_empty_vocabulary_no_months_and_exceeded_cap_are_errors(catalogue: RepoCatalog, tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match="empty vocabulary"):
        build_in_bigquery(client(), MONTHS, catalogue, tmp_path, SMALL.model_copy(update={"min_stargazers": 5000}))
    with pytest.raises(StarvecError, match="no month"):
        build_in_bigquery(client(), [], catalogue, tmp_path, SMALL)
    with pytest.raises(CapExceeded, match="nothing is billed"):
        build_in_bigquery(client(max_gib_billed=1e-6), MONTHS, catalogue, tmp_path, SMALL)
