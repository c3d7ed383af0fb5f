"""BigQuery as a resource: who pays and how much at most; and the months of GH Archive that it holds."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from starvec_assets.bigquery import GIB, BigQuery, BigQuerySettings, QueryCost, google_errors
from starvec_assets.defs.common import throttled
from starvec_assets.files import locked_temp_dir
from starvec_assets.ingest.bigquery_months import read_months
from starvec_assets.ingest.build_month import MonthSummary, finish_month
from starvec_assets.paths import home
from starvec_assets.progress import bar

MonthIngest = Callable[[str, Path, Path, duckdb.DuckDBPyConnection], MonthSummary]
"""Makes a month: its name, the folders of its stars and of its repositories, and a connection to do it with."""


class BigQueryResource(BigQuerySettings, dg.ConfigurableResource[None]):
    """Google BigQuery under a cap; credentials are found as Google's libraries find them, and kept nowhere."""

    @contextmanager
    def open(self, say: Callable[[str], None]) -> Iterator[BigQuery]:
        """A client; `say` is told what queries would cost and did cost."""
        # 2 s to import, which every step of every run would pay
        from dagster_gcp import BigQueryResource as Google

        settings = BigQuerySettings(**{name: getattr(self, name) for name in BigQuerySettings.model_fields})
        with google_errors("signing in to BigQuery"):
            google = Google(project=self.project or None, location=self.location).get_client()
            client = google.__enter__()
        try:
            yield BigQuery(client, settings, say)
        finally:
            google.__exit__(None, None, None)


@contextmanager
def open_months(
    context: dg.AssetExecutionContext,
    resource: BigQueryResource,
    months: Sequence[str],
    facts: bool,
    max_repo_facts: int,
) -> Iterator[tuple[MonthIngest, QueryCost]]:
    """Fetch the months in one query; what makes each of them, and the query's bill."""
    began, rows, say = time.monotonic(), 0, throttled(context.log.info)
    with (
        locked_temp_dir(home() / "spill") as folder,
        resource.open(context.log.info) as bigquery,
        bar(0, "BigQuery", "row") as shown,
    ):

        def on_rows(count: int) -> None:
            nonlocal rows
            rows += count
            shown.update(count)
            say(f"{rows:,} rows came from BigQuery")

        read, bill = read_months(bigquery, months, folder, facts, max_repo_facts, on_rows)

        def ingest(month: str, stars: Path, repos: Path, connection: duckdb.DuckDBPyConnection) -> MonthSummary:
            return finish_month(connection, month, *read[month], stars, repos, began)

        yield ingest, bill


def bill_metadata(bill: QueryCost, months: Sequence[str]) -> dict[str, Any]:
    """A bill as metadata."""
    return {
        "BigQuery job": bill.job,
        "GiB read (dry run)": bill.bytes / GIB,
        "GiB billed": bill.billed / GIB,
        "price without the free allowance ($)": bill.dollars,
        "months of the query": len(months),
    }
