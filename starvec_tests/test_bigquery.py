"""What Google's libraries raise becomes a message with a way out; rows come by the way that is open."""

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
def test_what_is_raised_is_told_with_a_way_out(raised: Exception, way_out: str) -> None:
    with pytest.raises(StarvecError, match=way_out) as error, google_errors("the query"):
        raise raised
    assert error.value.__cause__ is raised


def test_a_bill_says_its_price() -> None:
    assert str(QueryCost(1 << 40, 6.25)) == "1,024.0 GiB, $6.25 at $6.25 a TiB"
    assert QueryCost(1 << 39, 6.25).dollars == 3.125


def test_where_the_storage_api_is_not_allowed_rows_come_over_rest(
    fake_bigquery: FakeBigQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NotAllowed:
        def create_read_session(self, *_: object, **__: object) -> None:
            raise Forbidden("bigquery.readsessions.create denied")

    monkeypatch.setattr("starvec_assets.bigquery._read_client", lambda say: NotAllowed())
    said: list[str] = []
    asked = BigQuery(bigquery.Client(), BigQuerySettings(), said.append)
    bill, batches = asked.run_query("SELECT x, CAST(x AS STRING) AS y FROM UNNEST([1, 2, 3]) AS x")
    rows = pa.Table.from_batches(batches)
    assert sorted(rows["x"].to_pylist()) == [1, 2, 3]
    assert sorted(rows["y"].to_pylist()) == ["1", "2", "3"]
    assert any("bigquery.readsessions.create denied" in line and "REST" in line for line in said)
    assert bill.job


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    monkeypatch.setitem(sys.modules, "google.cloud.bigquery_storage", None)
    said: list[str] = []
    assert _read_client(said.append) is None
    assert "pip install 'starvec[bigquery]'" in said[0]


def test_an_export_cannot_leave_the_string_that_names_it() -> None:
    with pytest.raises(ValidationError, match="export"):
        BigQuerySettings(export="gs://bucket/x', overwrite = false) AS SELECT 1 --")
