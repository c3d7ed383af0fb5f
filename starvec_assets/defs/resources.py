"""The resources: set once for a deployment, by environment variables (docs/operation.md) or in the launchpad."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field

from starvec_assets.home import home
from starvec_assets.store import ArtifactStore


class StoreResource(dg.ConfigurableResource[None]):
    """Where artifacts are kept."""

    bucket: str = Field("", description="fsspec URL such as gs://bucket/prefix; empty keeps them in STARVEC_HOME alone")
    keep: int = Field(3, ge=1, le=100, description="versions of an asset to keep")

    def open(self) -> ArtifactStore:
        """The store of this deployment."""
        return ArtifactStore(home() / "artifacts", bucket=self.bucket, keep=self.keep)


class SpillingDuckDB(DuckDBResource):
    """DuckDB in memory that spills to a folder of STARVEC_HOME when a query outgrows its share."""

    database: str = Field(":memory:", description="an in-memory database; artifacts are read as Parquet")
    memory_limit_gb: float = Field(4.0, gt=0.1, description="memory a query may take before it spills to disk")
    threads: int = Field(0, ge=0, le=1024, description="threads of a query; 0 takes every core")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the limits set."""
        spill = home() / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        with self.get_connection() as connection:
            connection.execute(f"SET memory_limit = '{self.memory_limit_gb}GB'")
            connection.execute(f"SET threads = {self.threads or os.cpu_count() or 1}")
            connection.execute("SET temp_directory = ?", [str(spill)])
            connection.execute("SET preserve_insertion_order = false")
            yield connection
