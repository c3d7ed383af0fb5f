"""What several rooms test with."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export import wasm
from starvec_assets.paths import home

if TYPE_CHECKING:
    from fake_bigquery import FakeBigQuery

# A shell's background jobs ignore Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kept_sources() -> Path:
    """The folder of USearch's source archive: where a run of starvec keeps it, so that it is fetched once."""
    kept = home() / "cache" / "wasm"
    kept.mkdir(parents=True, exist_ok=True)
    try:
        wasm.sdist(kept)
    except StarvecError as error:
        pytest.skip(str(error))
    return kept


@pytest.fixture
def fake_bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[FakeBigQuery]":
    """A server that the real client takes for BigQuery, with credentials found as Google's libraries find them."""
    from fake_bigquery import FakeBigQuery

    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with FakeBigQuery(tmp_path) as fake:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", fake.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(fake.key))
        # Google's library would ask Google in which regions the account may be used.
        boundary = "google.auth.credentials.CredentialsWithRegionalAccessBoundary"
        monkeypatch.setattr(f"{boundary}._is_regional_access_boundary_lookup_required", lambda _: False)
        yield fake
