"""The resources: set once for a deployment, by environment variables (docs/operation.md) or in the launchpad."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, ValidationError

from starvec_assets.config_base import format_validation_error
from starvec_assets.defs.bigquery_resource import BigQueryResource
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.build import list_names, read_folder
from starvec_assets.evaluation.awesome.fetch import FetchSettings, fetch_lists
from starvec_assets.files import locked_temp_dir
from starvec_assets.github import GitHub, Token
from starvec_assets.ingest.sources import FolderSource, HttpSettings, HttpSource, Source
from starvec_assets.paths import home
from starvec_assets.profiles.developers import Developer, read_developers
from starvec_assets.sample import SIMULATED
from starvec_assets.sample.simulate import AWESOME, PEOPLE, SampleSettings, write_archive
from starvec_assets.store import ArtifactStore
from starvec_assets.text.documents import Readmes, first_readmes, folder_readmes, no_readmes
from starvec_assets.text.encoders import TextEncoder, TfidfSvdEncoder
from starvec_assets.text.sentence_transformer import MODEL, SentenceTransformerEncoder
from starvec_assets.training.device import Device, DeviceChoice, Precision, pick_device


class StoreResource(dg.ConfigurableResource[None]):
    """Where artifacts are kept."""

    bucket: str = Field(default="", description="a URL such as gs://bucket/prefix; empty keeps all in STARVEC_HOME")
    keep: int = Field(default=3, ge=1, le=100, description="versions of an asset to keep")

    def open(self) -> ArtifactStore:
        """The store of this deployment."""
        return ArtifactStore(home() / "artifacts", bucket=self.bucket, keep=self.keep)


class GpuResource(dg.ConfigurableResource[None]):
    """The device that trains and encodes; picked inside the step, since only there it is known what is free."""

    device: DeviceChoice = Field(default="auto", description="auto takes CUDA, then MPS, then the CPU")
    require_gpu: bool = Field(default=False, description="fail rather than run on the CPU")
    precision: Precision = Field(default="auto", description="auto is bfloat16 where CUDA has it, float32 elsewhere")

    def pick(self, log: dg.DagsterLogManager) -> Device:
        """The device, said in the log with its memory."""
        device = pick_device(self.device, self.require_gpu, self.precision)
        log.info(f"device: {device}")
        return device


class DuckDBWithSpill(DuckDBResource):
    """DuckDB in memory that spills to a folder of STARVEC_HOME when a query outgrows its share."""

    database: str = Field(default=":memory:", description="an in-memory database; artifacts are read as Parquet")
    memory_limit_gb: float = Field(default=4.0, gt=0.1, description="memory a query may take before it spills to disk")
    threads: int = Field(default=0, ge=0, le=1024, description="threads of a query; 0 takes every core")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the limits set."""
        # DuckDB names its files alike in every process: two that spill into one folder read each other's.
        with locked_temp_dir(home() / "spill") as spill, self.get_connection() as connection:
            connection.execute(f"SET memory_limit = '{self.memory_limit_gb}GB'")
            connection.execute(f"SET threads = {self.threads or os.cpu_count() or 1}")
            connection.execute("SET temp_directory = ?", [str(spill)])
            connection.execute("SET preserve_insertion_order = false")
            yield connection


BIGQUERY = "bigquery"
IN_BIGQUERY = "GH Archive in BigQuery"


class StarSource(dg.ConfigurableResource[None]):
    """Where hour files come from."""

    location: str = Field(
        default="https://data.gharchive.org",
        description="a base URL of hour files, a folder that holds them, bigquery, or sample for the embedded one",
    )
    concurrency: int = Field(default=6, ge=1, le=32, description="downloads at once")
    tries: int = Field(default=8, ge=1, le=100, description="tries of one hour before it is recorded as failed")
    timeout: float = Field(default=30.0, gt=0, description="seconds without an answer")
    keep_hours: str = Field(default="", description="folder to keep downloaded hour files in; empty keeps none")

    def open(self) -> tuple[Source, str]:
        """The source, and its provenance as every artifact below will name it."""
        if self.location == "sample":
            folder = home() / "sample"
            write_archive(folder, SampleSettings())
            return FolderSource(folder), SIMULATED
        if self.location.startswith(("http://", "https://")):
            settings = HttpSettings(
                base_url=self.location,
                concurrency=self.concurrency,
                tries=self.tries,
                timeout=self.timeout,
                keep_hours=self.keep_hours,
            )
            return HttpSource(settings), self.location
        if "://" in self.location:
            raise StarvecError(
                f"stars from {self.location}: hour files are read over http:// or https://, or from a folder of this "
                "machine; bigquery and sample are the other sources"
            )
        return FolderSource(Path(self.location).expanduser()), f"hour files in {Path(self.location).name}"


class AwesomeSource(dg.ConfigurableResource[None]):
    """Where awesome lists come from."""

    location: str = Field(
        default="auto",
        description="github, a folder of READMEs, none, or auto: the sample's own for the sample, else github",
    )

    def read(self, provenance: Sequence[str]) -> tuple[Mapping[str, str], list[str]]:
        """README by list name, and a note on each list that could not be had as it is now."""
        match self.location:
            case "none":
                return {}, []
            case "auto" if SIMULATED in provenance:
                return read_folder(home() / "sample" / AWESOME), []
            case "auto" | "github":
                fetched = fetch_lists(list_names(), home() / "cache" / "awesome", FetchSettings())
                notes = [f"{name}: {why}" for name, why in sorted(fetched.failed.items())]
                notes += [f"{name}: the copy of an earlier run, {why}" for name, why in sorted(fetched.stale.items())]
                return fetched.readmes, notes
            case folder:
                return read_folder(Path(folder).expanduser()), []


class DeveloperSource(dg.ConfigurableResource[None]):
    """Who the well-known developers are."""

    path: str = Field(
        default="", description="a table like profiles/developers.tsv; empty takes that, and the sample's own for it"
    )

    def read(self, provenance: Sequence[str]) -> list[Developer]:
        """The listed developers, or simulated people where the stars are simulated."""
        if self.path:
            return read_developers(Path(self.path).expanduser())
        return read_developers(home() / "sample" / PEOPLE) if SIMULATED in provenance else read_developers()


class GitHubResource(dg.ConfigurableResource[None]):
    """The GitHub API. The token is read from the environment variable GITHUB_TOKEN inside the step and kept nowhere."""

    base_url: str = Field(default="https://api.github.com", description="the API's address")

    @property
    def has_token(self) -> bool:
        """Whether the environment holds a token."""
        return Token.from_environment() is not None

    def open(self) -> GitHub:
        """A client; close it after use."""
        return GitHub(Token.from_environment(), cache=home() / "cache" / "github", base_url=self.base_url)


class TextEncoderResource(dg.ConfigurableResource[None]):
    """What turns text into vectors, and where READMEs come from."""

    encoder: Literal["tfidf", "qwen3"] = Field(
        default="tfidf",
        description="tfidf needs no download; qwen3 is a model (extra: starvec[qwen])",
    )
    model: str = Field(default=MODEL, description="a name at Hugging Face, or a folder")
    revision: str = Field(default="", description="revision of the model; empty takes the newest")
    batch_size: int = Field(default=32, ge=1, le=4096, description="texts the model reads at once")
    readmes: str = Field(default="none", description="none, github, or a folder of owner__name.md files")
    most_readmes: int = Field(
        default=4_000,
        ge=1,
        description="READMEs asked of GitHub, most starred first: 5,000 requests an hour are allowed",
    )

    def open(self, device: str) -> TextEncoder:
        """The encoder; `device` is where a model runs, as torch names it."""
        if self.encoder == "tfidf":
            return TfidfSvdEncoder()
        return SentenceTransformerEncoder(
            home() / "cache" / "text", self.model, self.revision or None, self.batch_size, device
        )

    @contextmanager
    def open_readmes(self, github: GitHubResource) -> Iterator[Readmes]:
        """A function from owner/name to README text or None."""
        if self.readmes == "none":
            yield no_readmes
        elif self.readmes == "github":
            with github.open() as client:
                yield first_readmes(client.readme, self.most_readmes)
        else:
            yield folder_readmes(Path(self.readmes).expanduser())


def from_bigquery(environ: Mapping[str, str]) -> bool:
    """Whether the deployment's stars come from BigQuery."""
    return environ.get("STARVEC_SOURCE") == BIGQUERY


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The resources of a deployment, by the environment variables that docs/operation.md lists.

    Raises StarvecError that names the variable whose value is refused.
    """

    def made(resource: Callable[..., Any], **variables: str) -> Any:
        try:
            return resource(**{field: environ[name] for field, name in variables.items() if environ.get(name)})
        except ValidationError as error:
            raise StarvecError(
                f"{format_validation_error(error, variables)} (docs/operation.md has the settings)"
            ) from error

    return {
        "store": made(StoreResource, bucket="STARVEC_BUCKET"),
        "duckdb": made(DuckDBWithSpill, memory_limit_gb="STARVEC_MEMORY_GB"),
        "gpu": made(GpuResource, device="STARVEC_DEVICE"),
        "bigquery": made(
            BigQueryResource,
            project="STARVEC_BIGQUERY_PROJECT",
            max_gib_billed="STARVEC_BIGQUERY_MAX_GIB",
            export="STARVEC_BIGQUERY_EXPORT",
        ),
        "star_source": made(StarSource, location="STARVEC_SOURCE"),
        "awesome_source": made(AwesomeSource, location="STARVEC_AWESOME"),
        "developer_source": made(DeveloperSource, path="STARVEC_DEVELOPERS"),
        "github": GitHubResource(),
        "text_encoder": made(TextEncoderResource, encoder="STARVEC_ENCODER", readmes="STARVEC_READMES"),
    }
