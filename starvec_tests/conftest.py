"""Fixtures that tests of several packages share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browsers import launch_chromium
from completed_run import CompletedRun, complete_run
from filelock import FileLock
from hypothesis import settings
from small_home import write_small_home

from starvec_assets.errors import StarvecError
from starvec_assets.export import wasm
from starvec_assets.paths import home

if TYPE_CHECKING:
    from fake_bigquery import FakeBigQuery

# A shell starts background jobs with SIGINT ignored, which every process started by a test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine fails no test.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slowest files first and last: parallel processes end together, and do not wait for the one run."""
    position = {"webserver": 0, "cli": 2}
    items.sort(key=lambda item: position.get(item.path.parent.name, 1))


@pytest.fixture(scope="session")
def wasm_cache() -> Path:
    """The folder where a run of starvec caches USearch's sources and what is compiled from them."""
    cache = home() / "cache" / "wasm"
    cache.mkdir(parents=True, exist_ok=True)
    try:
        wasm.sdist(cache)
    except StarvecError as error:
        pytest.skip(str(error))
    return cache


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with what a Space opens, for reading: see small_home.py."""
    home = tmp_path_factory.mktemp("small") / "home"
    write_small_home(home)
    return home


@pytest.fixture(scope="session")
def completed_run(tmp_path_factory: pytest.TempPathFactory, wasm_cache: Path) -> CompletedRun:
    """A finished `starvec run` over one simulated month, for reading; one for all processes of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "completed"
    with FileLock(f"{folder}.lock"):
        if not (folder / "stdout").exists():
            wasm.build_search_core(wasm_cache)
            complete_run(folder, wasm_cache)
    return CompletedRun(folder)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Any]:
    """Playwright, which drives Chromium and Firefox."""
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test page and UI")
    with api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(playwright: Any) -> Iterator[Any]:
    """Chromium, started once for all tests of a process."""
    browser = launch_chromium(playwright)
    yield browser
    browser.close()


@pytest.fixture
def fake_bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[FakeBigQuery]":
    """A fake BigQuery server, its address and credentials in the environment variables that Google's client reads."""
    from fake_bigquery import FakeBigQuery

    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with FakeBigQuery(tmp_path) as fake:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", fake.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(fake.key))
        # Google's library would send a request for the regions of the account.
        boundary = "google.auth.credentials.CredentialsWithRegionalAccessBoundary"
        monkeypatch.setattr(f"{boundary}._is_regional_access_boundary_lookup_required", lambda _: False)
        yield fake
