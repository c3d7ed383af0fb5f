"""A month killed at every file operation of its writing is the old one or the new one, and no hour is half-read."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from archive import MONTH, hour_file, write_hour_files
from kill_points import kill_everywhere

from starvec_assets.ingest.build_month import merge_month, read_month
from starvec_assets.ingest.calendar import month_hours, month_start
from starvec_assets.ingest.hour_cache import KINDS, cache_hour, cached_coverage, cached_path
from starvec_assets.ingest.hour_parser import HourLimits
from starvec_assets.ingest.sources import FolderSource
from starvec_assets.store import Artifact, ArtifactStore, MonthlyArtifacts

HOURS = 2
ASSETS = ("raw_stars", "raw_repos", "raw_people")
NOW = month_start(MONTH) + timedelta(hours=HOURS + 1)


def ingest(hours: Path, place: Path, merged: list[Path] | None = None) -> None:
    """Ingest the month as the asset does; `merged` are folders with the result of its query, where it is known.

    What was read of the hours is kept: else each run would read them again, in a process.
    """
    source, store = FolderSource(hours), ArtifactStore(place / "artifacts", keep=1)
    with (
        read_month(source, MONTH, place / "progress", workers=1, now=NOW) as parts,
        store.write_together({f"{asset}/{MONTH}": "1" for asset in ASSETS}) as drafts,
    ):
        if merged is None:
            with duckdb.connect() as connection:
                merge_month(connection, parts, *(draft.path for draft in drafts))
        else:
            for folder, draft in zip(merged, drafts, strict=True):
                shutil.copytree(folder, draft.path, dirs_exist_ok=True, ignore=lambda *_: {"manifest.json"})


def newest(place: Path) -> list[Artifact]:
    """The month's artifacts, which were written together."""
    store = ArtifactStore(place / "artifacts")
    stars = store.latest(f"raw_stars/{MONTH}")
    return [stars, *(MonthlyArtifacts(asset, store).beside(stars) for asset in ASSETS[1:])]


def test_a_month_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    """Takes seconds: a hundred kills, each with the run after it."""
    hours, place, results = tmp_path / "hours", tmp_path / "place", list[list[Artifact]]()
    for lines in (10, 20):
        write_hour_files(hours, HOURS, lines=lines)
        ingest(hours, tmp_path / f"of {lines}")
        results.append(newest(tmp_path / f"of {lines}"))

    def run(at: int) -> None:
        ingest(hours, place, [artifact.path for artifact in results[at % 2]])

    def hashes() -> list[str]:
        return [artifact.content_hash for artifact in newest(place)]

    expected = [[artifact.content_hash for artifact in result] for result in results]
    run(-1)
    kept = {path.name for path in (place / "progress").rglob("*")}

    def check(at: int) -> None:
        assert hashes() in expected

    def finished(at: int) -> None:
        assert hashes() == expected[at % 2]
        assert {path.name for path in (place / "progress").rglob("*")} == kept
        for artifact in newest(place):
            names = {path.name for path in artifact.path.parent.iterdir()}
            assert names == {".lock", "LATEST", artifact.manifest.version}

    assert len(kill_everywhere(run, check, finished)) > 80


def test_an_hour_killed_anywhere_is_read_whole_or_read_again(tmp_path: Path) -> None:
    hours, limits = month_hours(MONTH), HourLimits()
    write_hour_files(tmp_path / "hours", 1, lines=20)
    path, place = hour_file(tmp_path / "hours", hours[0]), tmp_path / "place"
    place.mkdir()

    def run(at: int) -> None:
        cache_hour(path, hours[at], place, limits)

    def check(at: int) -> None:
        if coverage := cached_coverage(place, hours[at], limits):
            assert coverage.stars > 0

    def finished(at: int) -> None:
        for kind in KINDS:
            assert pq.read_table(cached_path(place, hours[at], kind)) == pq.read_table(
                cached_path(place, hours[-1], kind)
            )
        assert {path.suffix for path in place.iterdir()} == {".parquet"}

    run(-1)
    assert len(kill_everywhere(run, check, finished)) >= len(KINDS)
