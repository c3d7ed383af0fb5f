"""BigQuery client with a cap on the cost of a query and results that are streamed."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.markdown import Metadata

GIB, TIB = 1 << 30, 1 << 40
PAGE_ROWS = 50_000  # over REST, where the Storage Read API is not available
EXPORT_BATCH_ROWS = 1 << 16


class BigQuerySettings(Settings):
    """The project that is billed, the cap on a query, and where large results are exported to."""

    project: str = Field("", description="project that is billed; empty: that of the credentials")
    location: str = Field("US", description="location of the queries; GH Archive's tables are in US")
    max_gib_billed: float = Field(
        1024.0, gt=0, description="a query that reads more is not run; 1,024 GiB a month are free of charge"
    )
    dollars_per_tib: float = Field(
        6.25, ge=0, description="on-demand price of a TiB read; used for the displayed cost only"
    )
    export: str = Field(
        "",
        pattern=r"^[^'\\\s]*$",
        description="gs://bucket/prefix that results are exported to as Parquet and read from; empty: streamed",
    )
    archive: str = Field("githubarchive", pattern=r"^[A-Za-z0-9_:.-]+$", description="project of GH Archive's tables")


class CapExceeded(StarvecError):
    """The query would read more than the cap allows; nothing was billed."""


@dataclass
class QueryCost:
    """The bytes that a query reads, by the dry run; `job` and the bytes `billed` are set once it ran."""

    bytes: int
    dollars_per_tib: float
    job: str = ""
    billed: int = 0

    @property
    def dollars(self) -> float:
        """Price of the estimated bytes, without the free allowance."""
        return self.bytes / TIB * self.dollars_per_tib

    def __str__(self) -> str:
        return f"{self.bytes / GIB:,.1f} GiB, ${self.dollars:,.2f} at ${self.dollars_per_tib} a TiB"


def bill_metadata(cost: QueryCost, months: Sequence[str]) -> Metadata:
    """Describe the cost of a query over `months`."""
    return {
        "BigQuery job": cost.job,
        "GiB read (dry run)": cost.bytes / GIB,
        "GiB billed": cost.billed / GIB,
        "price without the free allowance ($)": cost.dollars,
        "months of the query": len(months),
    }


class BigQuery:
    """A google.cloud.bigquery.Client with a cap on the bytes of a query; `log` receives estimates and billed bytes."""

    def __init__(self, client: Any, settings: BigQuerySettings, log: Callable[[str], None] = lambda line: None) -> None:
        self.client, self.settings, self._log = client, settings, log

    def tables(self, dataset: str) -> set[str]:
        """Return the names of the tables of a dataset `project.dataset`."""
        with google_errors(f"the tables of {dataset}", self.client.project):
            return {table.table_id for table in self.client.list_tables(dataset, page_size=1000)}

    def _estimate(self, query: str) -> QueryCost:
        """Return what the query would read, by a dry run, which is free; raises CapExceeded above the cap."""
        from google.cloud.bigquery import QueryJobConfig

        with google_errors("the dry run", self.client.project):
            dry = self.client.query(query, job_config=QueryJobConfig(dry_run=True, use_query_cache=False))
        cost = QueryCost(int(dry.total_bytes_processed), self.settings.dollars_per_tib)
        cap = self.settings.max_gib_billed
        self._log(f"BigQuery would read {cost}; the cap is {cap:,.1f} GiB")
        if cost.bytes > cap * GIB:
            raise CapExceeded(
                f"the query would read {cost}, and the cap is {cap:,.1f} GiB; it was not run and nothing is billed. "
                f"Take fewer months, leave out what costs most (facts of repositories), or raise max_gib_billed "
                f"(STARVEC_BIGQUERY_MAX_GIB) to {cost.bytes / GIB + 1:,.0f}"
            )
        return cost

    def run_query(self, query: str) -> tuple[QueryCost, Iterator[pa.RecordBatch]]:
        """Run the query under the cap; return its cost, complete after the last batch, and the rows in any order.

        Raises CapExceeded before anything is billed, StarvecError for errors of BigQuery.
        """
        cost = self._estimate(query)
        return cost, self._export(query, cost) if self.settings.export else self._stream(query, cost)

    def _run_job(self, query: str, cost: QueryCost, name: str) -> Any:
        """Run the query as the job `name`, and return the finished job."""
        from google.cloud.bigquery import QueryJobConfig

        cap = int(self.settings.max_gib_billed * GIB)
        config = QueryJobConfig(maximum_bytes_billed=cap, labels={"application": "starvec"})
        job = self.client.query(query, job_config=config, job_id=name, job_retry=None)
        cost.job = job.job_id
        job.result(max_results=0)
        cost.billed = int(job.total_bytes_billed or 0)
        self._log(f"BigQuery job {cost.job}: {cost.billed / GIB:,.1f} GiB billed")
        return job

    def _run_once_a_day(self, query: str, cost: QueryCost) -> Any:
        """Return the finished job of the query; the job of an earlier run of today is reused, unless it failed."""
        from google.api_core.exceptions import Conflict

        for attempt in range(100):
            name = f"starvec-{hashlib.sha256(query.encode()).hexdigest()[:16]}-{datetime.now(UTC):%Y%m%d}-{attempt}"
            try:
                return self._run_job(query, cost, name)
            except Conflict:
                job = self.client.get_job(name)
            if job.error_result is None:
                job.result(max_results=0)
                cost.job = name
                self._log(f"BigQuery job {name} of today is reused: nothing more is billed")
                return job
        raise StarvecError("the same query failed 100 times today: look at its jobs in BigQuery's console")

    def _stream(self, query: str, cost: QueryCost) -> Iterator[pa.RecordBatch]:
        from google.api_core.exceptions import Forbidden

        with google_errors("the query", self.client.project):
            job = self._run_once_a_day(query, cost)
            storage = _read_client(self._log)
            if storage is not None:
                batches = job.result().to_arrow_iterable(storage, max_queue_size=4, max_stream_count=4)
                try:
                    first = next(batches, None)
                except Forbidden as error:
                    self._log(f"no Storage Read API ({error.message}): rows are read over REST, ten times slower")
                else:
                    if first is not None:
                        yield first
                    yield from batches
                    return
            yield from job.result(page_size=PAGE_ROWS).to_arrow_iterable()

    def _export(self, query: str, cost: QueryCost) -> Iterator[pa.RecordBatch]:
        import fsspec

        name = f"starvec-{uuid.uuid4().hex}"
        folder = f"{self.settings.export.rstrip('/')}/{name}"
        try:
            files, path = fsspec.core.url_to_fs(folder)
        except (ImportError, ValueError) as error:
            raise StarvecError(
                f"export {self.settings.export!r}: {error}. It is a gs://bucket/prefix; for gs:// run: "
                "pip install 'starvec[gcs]'"
            ) from error
        options = f"uri = '{folder}/*.parquet', format = 'PARQUET', compression = 'ZSTD', overwrite = true"
        try:
            with google_errors(f"the export to {folder}", self.client.project):
                self._run_job(f"EXPORT DATA OPTIONS ({options}) AS {query}", cost, name)
                for part in sorted(files.glob(f"{path}/*.parquet")):
                    with files.open(part, "rb") as file:
                        yield from pq.ParquetFile(file).iter_batches(EXPORT_BATCH_ROWS)
        finally:
            if files.exists(path):
                files.rm(path, recursive=True)


def _read_client(log: Callable[[str], None]) -> Any:
    """Return the client of the Storage Read API; None where its package is missing or an emulator is used."""
    if os.environ.get("BIGQUERY_EMULATOR_HOST"):
        return None
    try:
        from google.cloud.bigquery_storage import BigQueryReadClient
    except ImportError:
        log("no Storage Read API (pip install 'starvec[bigquery]'): rows are read over REST, ten times slower")
        return None
    return BigQueryReadClient()  # type: ignore[no-untyped-call]


@contextmanager
def google_errors(action: str, project: str | None = None) -> Iterator[None]:
    """Raise exceptions of Google's libraries as a StarvecError that names the action and the way out."""
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    try:
        yield
    except auth.DefaultCredentialsError as error:
        raise StarvecError(
            "no Google credentials: run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS "
            f"to the key file of a service account ({error})"
        ) from error
    except auth.GoogleAuthError as error:
        raise StarvecError(
            f"{action}: Google does not accept the credentials ({error}): run `gcloud auth application-default login` "
            "again, or renew the service account's key"
        ) from error
    except api.GoogleAPICallError as error:
        reasons = {str(e.get("reason")) for e in error.errors if isinstance(e, dict)}
        message = " ".join(error.message.split()).rstrip(".")
        raise StarvecError(f"{action} failed: {message}. {_way_out(reasons, error, project)}") from error
    except api.GoogleAPIError as error:
        raise TransientError(f"{action}: Google does not answer ({error}). Check the network, and run again") from error
    except OSError as error:
        if "Project was not passed" in str(error):
            raise StarvecError(
                "no Google Cloud project to bill: set STARVEC_BIGQUERY_PROJECT (or GOOGLE_CLOUD_PROJECT), or run "
                "`gcloud config set project PROJECT`"
            ) from error
        raise TransientError(f"{action} failed: {error}. Check the network, and run again") from error


def _way_out(reasons: set[str], error: Any, project: str | None) -> str:
    if "bytesBilledLimitExceeded" in reasons:
        return "Nothing is billed. Take fewer months, or raise max_gib_billed (STARVEC_BIGQUERY_MAX_GIB)"
    if reasons & {"quotaExceeded", "rateLimitExceeded"}:
        return f"A quota of project {project} is spent: wait for its reset (a day at most), or have it raised"
    if reasons & {"responseTooLarge"}:
        return "Results over 10 GB have to be exported: set STARVEC_BIGQUERY_EXPORT to a gs://bucket/prefix"
    if error.code == 403:
        return (
            f"The account needs the role BigQuery Job User in project {project} (the one that is billed) and read "
            "access to the tables, and BigQuery's API enabled there"
        )
    if error.code == 404:
        return "Check that project, dataset and month exist"
    return "If it happens again, it is a defect worth a report" if error.code == 400 else "Run again"
