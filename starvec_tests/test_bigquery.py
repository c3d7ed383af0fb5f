"""Errors of Google's libraries name a way out; rows are read by the API that is available."""

import sys

import pyarrow as pa
import pytest
from fake_bigquery import FakeBigQuery
from google.api_core.exceptions import Forbidden, RetryError
from google.auth.exceptions import RefreshError
from google.cloud import bigquery
from pydantic import ValidationError

from starvec_assets.bigquery import BigQuery, BigQuerySettings, QueryCost, _read_client, google_errors
from starvec_assets.errors import StarvecError


@pytest.mark.parametrize(
    ("raised", "way_out"),
    [
        (RefreshError("invalid_grant: Token has been expired"), "gcloud auth application-default login"),
        (RetryError("Timeout of 600.0s exceeded", ConnectionError("no route")), "Check the network"),
        (ConnectionError("connection reset"), "Check the network"),
    ],
)
def test_exceptions_of_google_name_a_way_out(raised: Exception, way_out: str) -> None:
    with pytest.raises(StarvecError, match=way_out) as error, google_errors("the query"):
        raise raised
    assert error.value.__cause__ is raised


def test_a_cost_shows_its_price() -> None:
    assert str(QueryCost(1 << 40, 6.25)) == "1,024.0 GiB, $6.25 at $6.25 a TiB"
    assert QueryCost(1 << 39, 6.25).dollars == 3.125


def test_without_access_to_the_storage_api_rows_are_read_over_rest(
    fake_bigquery: FakeBigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Denied:
        def create_read_session(self, *_: object, **__: object) -> None:
            raise Forbidden("bigquery.readsessions.create denied")

    monkeypatch.setattr("starvec_assets.bigquery._read_client", lambda log: Denied())
    log: list[str] = []
    client = BigQuery(bigquery.Client(), BigQuerySettings(), log.append)
    cost, batches = client.run_query("SELECT x, CAST(x AS STRING) AS y FROM UNNEST([1, 2, 3]) AS x")
    rows = pa.Table.from_batches(batches)
    assert sorted(rows["x"].to_pylist()) == [1, 2, 3]
    assert sorted(rows["y"].to_pylist()) == ["1", "2", "3"]
    assert any("bigquery.readsessions.create denied" in line and "REST" in line for line in log)
    assert cost.job


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery_storage", None)
    log: list[str] = []
    assert _read_client(log.append) is None
    assert "pip install 'starvec[bigquery]'" in log[0]


def test_an_export_path_cannot_inject_sql() -> None:
    with pytest.raises(ValidationError, match="export"):
        BigQuerySettings(export="gs://bucket/x', overwrite = false) AS SELECT 1 --")
