"""BigQuery as a Dagster resource, and the ingest of months from GH Archive's tables in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import dagster as dg

from starvec_assets.bigquery import BigQuery, BigQuerySettings, QueryCost, google_errors
from starvec_assets.errors import StarvecError
from starvec_assets.files import locked_temp_dir
from starvec_assets.ingest.bigquery_months import read_months
from starvec_assets.ingest.build_month import MonthParts
from starvec_assets.paths import home
from starvec_assets.progress import bar, throttled


class BigQueryResource(BigQuerySettings, dg.ConfigurableResource[None]):
    """Google BigQuery with a cap on each query; credentials are found by Google's libraries and never stored."""

    @contextmanager
    def open(self, log: Callable[[str], None]) -> Iterator[BigQuery]:
        """Yield a client that passes the cost of queries to `log`."""
        try:
            # Imported here because it takes 2 s, in every step of every run.
            from dagster_gcp import BigQueryResource as Google
        except ImportError as error:
            raise StarvecError(
                f"BigQuery's client is not installed ({error}): pip install -c constraints.txt -e '.[bigquery]'"
            ) from error

        with ExitStack() as stack:
            with google_errors("signing in to BigQuery"):
                google = Google(project=self.project or None, location=self.location)
                client = stack.enter_context(google.get_client())
            yield BigQuery(client, self, log)


@contextmanager
def open_months(
    context: dg.AssetExecutionContext,
    resource: BigQueryResource,
    months: Sequence[str],
    facts: bool,
    max_repo_facts: int,
) -> Iterator[tuple[list[MonthParts], QueryCost]]:
    """Read the months in one query; yield the parts of each, in order, and the query's cost."""
    rows, log = 0, throttled(context.log.info)
    with (
        locked_temp_dir(home() / "spill") as folder,
        resource.open(context.log.info) as bigquery,
        bar(0, "BigQuery", "row") as progress,
    ):

        def on_rows(count: int) -> None:
            nonlocal rows
            rows += count
            progress.update(count)
            log(f"{rows:,} rows read from BigQuery")

        yield read_months(bigquery, months, folder, facts, max_repo_facts, on_rows)
