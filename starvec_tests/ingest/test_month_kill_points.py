"""A month killed at every file operation of its writing is the old one or the new one, and no hour is half-read."""

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
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


def hashes(place: Path) -> list[str]:
    return [artifact.content_hash for artifact in newest(place)]


def test_a_month_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    """Takes seconds: a hundred kills, each with the run after it."""
    hours, start, whole = tmp_path / "hours", tmp_path / "start", tmp_path / "whole"
    write_hour_files(hours, HOURS, lines=10)
    ingest(hours, start)
    write_hour_files(hours, HOURS, lines=20)
    ingest(hours, whole)
    old, new, merged = hashes(start), hashes(whole), [artifact.path for artifact in newest(whole)]
    with read_month(FolderSource(hours), MONTH, start / "progress", workers=1, now=NOW):
        pass
    kept = {path.name for path in (start / "progress").rglob("*")}
    (tmp_path / "places").mkdir()

    def prepare(place: Path) -> None:
        shutil.copytree(start, place, dirs_exist_ok=True)

    def check(place: Path) -> None:
        assert hashes(place) in (old, new)

    points = kill_everywhere(tmp_path / "places", prepare, lambda place: ingest(hours, place, merged), check)
    assert len(points) > 80
    for place in (tmp_path / "places").iterdir():
        assert hashes(place) == new
        assert {path.name for path in (place / "progress").rglob("*")} == kept
        for artifact in newest(place):
            names = {path.name for path in artifact.path.parent.iterdir()}
            assert names == {".lock", "LATEST", artifact.manifest.version}


def test_an_hour_killed_anywhere_is_read_whole_or_read_again(tmp_path: Path) -> None:
    write_hour_files(tmp_path / "hours", 1, lines=20)
    hour, limits = month_hours(MONTH)[0], HourLimits()
    path, places = hour_file(tmp_path / "hours", hour), tmp_path / "places"
    places.mkdir()

    def run(place: Path) -> None:
        cache_hour(path, hour, place, limits)

    def check(place: Path) -> None:
        if coverage := cached_coverage(place, hour, limits):
            assert coverage.stars > 0

    assert len(kill_everywhere(places, lambda place: None, run, check)) >= len(KINDS)
    for place in places.iterdir():
        for kind in KINDS:
            expected = cached_path(places / "whole", hour, kind).read_bytes()
            assert cached_path(place, hour, kind).read_bytes() == expected
