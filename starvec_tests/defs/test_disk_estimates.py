"""What assets write is estimated before they begin, and they are refused on a disk that is too small."""

import shutil
from pathlib import Path

import pytest
from completed_run import CompletedRun
from graph import failure_message, materialize

from starvec_assets.defs import ingest, training
from starvec_assets.defs.resources import DuckDBWithSpill, GpuResource, StarSource
from starvec_assets.disk_space import RESERVE
from starvec_assets.export.dataset.build import disk_bytes as dataset_bytes
from starvec_assets.export.fp16_build import disk_bytes as export_bytes
from starvec_assets.ingest.hour_cache import disk_bytes as month_bytes
from starvec_assets.ingest.sources import HOUR_FILE_BYTES
from starvec_assets.store import ArtifactStore
from starvec_assets.text.vectors import disk_bytes as text_bytes
from starvec_assets.training.checkpoint import disk_bytes as training_bytes

MONTH = "2024-01"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    return tmp_path


def leave_free(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=size))


def test_a_training_that_does_not_fit_is_refused_before_anything_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(home / "artifacts")
    for asset in ("user_buckets", "readme_init_vectors"):
        with store.write(asset, code_version="1") as draft:
            draft.rows = {"repositories": 300_000}
    before = sorted(home.rglob("*"))
    leave_free(1_500_000_000, monkeypatch)
    result = materialize(
        training.trained_embeddings, resources={"gpu": GpuResource(device="cpu")}, raise_on_error=False
    )
    assert failure_message(result).startswith(
        f"trained_embeddings needs about 1.6 GB in {home}, where 1.5 GB are free: free space there, or set STARVEC_HOME"
    )
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(("source", "needed"), [("folder", "41 MB"), ("https://data.gharchive.org", "5.3 GB")])
def test_a_month_that_does_not_fit_is_refused_before_anything_is_written(
    source: str, needed: str, home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder the sizes are known, of a server those of its largest months are taken."""
    if source == "folder":
        folder = tmp_path_factory.mktemp("hours")
        with (folder / "2024-01-10-12.json.gz").open("wb") as file:
            file.truncate(500_000_000)
        source = str(folder)
    leave_free(5_000_000 + RESERVE, monkeypatch)
    resources = {"duckdb": DuckDBWithSpill(threads=1), "star_source": StarSource(location=source)}
    result = materialize(ingest.raw_months, resources=resources, partition_key=MONTH, raise_on_error=False)
    assert failure_message(result).startswith(f"{MONTH} needs about {needed} in {home}/progress, where 22 MB are free")
    assert not list(home.rglob("*"))


def test_hours_that_are_cached_are_not_needed_again(tmp_path: Path) -> None:
    sizes = [HOUR_FILE_BYTES] * 744
    whole = month_bytes(sizes, tmp_path)
    assert whole == pytest.approx(2.9e9, rel=0.05)
    (tmp_path / "2024-01-01T00.stars.parquet").write_bytes(bytes(1_000_000))
    assert month_bytes(sizes, tmp_path) == whole - 1_000_000


def test_estimates_cover_what_a_run_wrote_and_are_of_its_order(completed_run: CompletedRun) -> None:
    store = completed_run.store
    rows = store.latest("trained_embeddings").manifest.rows["repositories"]
    placed = store.latest("text_index").manifest.rows["placed"]
    (checkpoint,) = (completed_run.home / "checkpoints/trained_embeddings").glob("????????")
    stars, hours = store.latest(f"raw_stars/{MONTH}").size, completed_run.archive.glob("*.json.gz")
    for estimate, written in (
        (training_bytes(rows, 128), store.latest("trained_embeddings").size + 2 * size(checkpoint)),
        (text_bytes(rows, 128), store.latest("readme_init_vectors").size),
        (export_bytes(store.latest("trained_embeddings").size, rows, placed), store.latest("fp16_export").size),
        (dataset_bytes(rows + placed, 128, 50), store.latest("dataset_release").size),
        (month_bytes([path.stat().st_size for path in hours], Path("none")), stars),
    ):
        assert written < 1.1 * estimate
