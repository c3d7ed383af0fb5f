"""The artifact store as a Dagster resource, and the IO manager that opens an asset's inputs in it."""

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import Field

from starvec_assets import progress
from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.paths import home
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact, MonthlyArtifacts

RETRIES = dg.RetryPolicy(max_retries=3, delay=300, backoff=dg.Backoff.EXPONENTIAL)
"""Of a step that met a TransientError: again after 5, 15 and 35 minutes; the schedule tries again in hours."""


def errors_as_failures(function: Callable[..., Any]) -> Callable[..., Any]:
    """Raise StarvecError as dg.Failure with its message, without retries: the same input fails again.

    A TransientError of an asset is retried by RETRIES, but in a run of a terminal, whose operator is told at once.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except StarvecError as error:
            context = next((value for value in args if isinstance(value, dg.AssetExecutionContext)), None)
            if context and isinstance(error, TransientError) and not progress.has_terminal():
                _retry(context, error)
            raise dg.Failure(str(error), metadata={"kind": type(error).__name__}, allow_retries=False) from error

    # Dagster takes a return annotation for that of the only output, and a check is an output too.
    wrapper.__signature__ = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {n: a for n, a in getattr(function, "__annotations__", {}).items() if n != "return"}
    return wrapper


def _retry(context: dg.AssetExecutionContext, error: TransientError) -> None:
    """Raise dg.RetryRequested unless the step was retried often enough."""
    attempt = context.retry_number + 1
    if attempt <= RETRIES.max_retries:
        seconds = RETRIES.calculate_delay(attempt)
        context.log.warning(
            f"{error}. Attempt {attempt + 1} of {RETRIES.max_retries + 1} in {seconds / 60:.0f} minutes"
        )
        raise dg.RetryRequested(max_retries=RETRIES.max_retries, seconds_to_wait=seconds) from error


class StoreResource(dg.ConfigurableResource[None]):
    """The artifact store: a folder, mirrored to a bucket if one is given."""

    bucket: str = Field(
        default="", description="URL such as gs://bucket/prefix; empty stores everything in STARVEC_HOME"
    )
    keep: int = Field(default=3, ge=1, le=100, description="versions of an asset to keep")

    def open(self) -> ArtifactStore:
        """Return the store of this deployment."""
        return ArtifactStore(home() / "artifacts", bucket=self.bucket, keep=self.keep)


def newest_of_other_vectors(
    asset: str, store: ArtifactStore, trained: Artifact, warn: Callable[[str], None]
) -> Artifact | None:
    """Open the newest version of `asset` that was made from other vectors than `trained`: what to compare with.

    So a step that is run again compares with the same version. A damaged one is passed over with a warning.
    """
    with contextlib.suppress(CorruptArtifact):
        store.find(asset)  # downloads it where the store is a bucket
    for version in reversed(store.versions(asset)):
        try:
            artifact = store.open(asset, version)
        except CorruptArtifact as error:
            warn(f"not compared with a damaged version: {error}")
            continue
        if artifact.manifest.inputs["trained_embeddings"][1] != trained.content_hash:
            return artifact
    return None


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Opens the inputs of `artifact_asset`s in the artifact store; outputs are written by the decorator itself."""

    store: StoreResource

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse values: assets return dg.MaterializeResult."""
        raise TypeError(f"{context.asset_key.to_user_string()} must write its artifact through the store")

    def load_input(self, context: dg.InputContext) -> Artifact | MonthlyArtifacts | None:
        """Open the newest artifact of the input's asset; raises dg.Failure when it is missing or damaged."""
        store, asset = self.store.open(), context.asset_key.to_user_string()
        kind = context.definition_metadata["kind"]
        if kind == "monthly":
            return MonthlyArtifacts(asset, store)
        opened: Artifact | None = errors_as_failures(store.find if kind == "optional" else store.latest)(asset)
        return opened
