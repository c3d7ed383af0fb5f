import gzip
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.profiles.developers import read_developers
from starvec_assets.sample import SIMULATED, simulate
from starvec_assets.sample.catalogue import load_catalogue, load_little_known
from starvec_assets.sample.curators import simulate_lists
from starvec_assets.sample.events import simulate_events
from starvec_assets.sample.people import simulate_few_stars, simulate_stars
from starvec_assets.sample.planted_trends import BORN, planted_trends
from starvec_assets.sample.simulate import AWESOME, MARKER, PEOPLE, SampleSettings, SampleSummary, write_archive

SMALL_SAMPLE = SampleSettings(users=300, months=("2024-02",), noise=0.5, seed=3)
TINY_SAMPLE = SampleSettings(users=20, months=("2023-02",), noise=0)
LITTLE_KNOWN = {repo.name for repo in load_little_known()}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample") / "archive"
    write_archive(out, SMALL_SAMPLE)
    return out


@pytest.fixture(scope="module")
def events(archive: Path) -> list[dict[str, Any]]:
    return [event for file in archive.glob("*.json.gz") for event in read(file)]


def read(file: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, gzip.decompress(file.read_bytes()).splitlines())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_every_hour_of_the_month_has_a_file_with_events_of_that_hour(archive: Path) -> None:
    assert {f.name for f in archive.glob("*.json.gz")} == {
        f"2024-02-{day:02}-{hour}.json.gz" for day in range(1, 30) for hour in range(24)
    }
    for file in archive.glob("*.json.gz"):
        day, hour = file.name.removesuffix(".json.gz").rsplit("-", 1)
        times = [event["created_at"] for event in read(file)]
        assert times
        assert times == sorted(times)
        assert all(re.fullmatch(rf"{day}T{int(hour):02}:\d\d:\d\dZ", time) for time in times)


def test_events_have_the_shape_of_the_archive(events: list[dict[str, Any]]) -> None:
    assert len({event["id"] for event in events}) == len(events)
    for event in events:
        assert set(event) == {"id", "type", "actor", "repo", "payload", "public", "created_at"}
        assert event["public"] is True
        assert isinstance(event["actor"]["id"], int)
        assert event["repo"]["url"] == f"https://api.github.com/repos/{event['repo']['name']}"
        assert event["type"] != "WatchEvent" or event["payload"] == {"action": "started"}
    kinds = {"WatchEvent", "PushEvent", "ForkEvent", "PullRequestEvent", "CreateEvent", "IssuesEvent"}
    assert {event["type"] for event in events} == kinds


def test_people_cannot_be_mistaken_for_real_ones(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert re.fullmatch(r"sim-\d{6}", event["actor"]["login"])
        assert min(event["actor"]["id"], event["repo"]["id"]) >= 10**12


def test_every_user_gives_10_to_120_different_stars_beside_those_of_the_little_known(
    events: list[dict[str, Any]],
) -> None:
    given = [event for event in events if event["type"] == "WatchEvent" and event["repo"]["name"] not in LITTLE_KNOWN]
    stars = [(event["actor"]["id"], event["repo"]["id"]) for event in given]
    assert len(set(stars)) == len(stars)
    counts = Counter(person for person, _ in stars)
    assert len(counts) == SMALL_SAMPLE.users
    assert min(counts.values()) >= 10
    assert max(counts.values()) <= 120
    assert 20 < np.median(list(counts.values())) < 40


def test_the_summary_counts_the_written_events(archive: Path, events: list[dict[str, Any]]) -> None:
    summary = write_archive(archive, SMALL_SAMPLE)
    starred = [event["repo"]["name"] for event in events if event["type"] == "WatchEvent"]
    known = sum(name not in LITTLE_KNOWN for name in starred)
    size = sum(file.stat().st_size for file in archive.glob("*.json.gz"))
    repos = len(load_catalogue()) + len(LITTLE_KNOWN)
    assert summary == SampleSummary(SMALL_SAMPLE.users, repos, len(starred), len(events), 29 * 24, size)
    assert len(events) == len(starred) + round(SMALL_SAMPLE.noise * known) + repos


def test_every_repository_is_described_by_an_event_of_the_month(events: list[dict[str, Any]]) -> None:
    ids = {}
    for event in events:
        assert ids.setdefault(event["repo"]["name"], event["repo"]["id"]) == event["repo"]["id"]
    assert len(set(ids.values())) == len(ids)
    facts = {
        base["full_name"]: (base["description"], base["language"], base["stargazers_count"], base["id"])
        for event in events
        if event["type"] == "PullRequestEvent"
        for base in [event["payload"]["pull_request"]["base"]["repo"]]
    }
    repos = [*load_catalogue(), *load_little_known()]
    born = {name for name, trend in planted_trends(load_catalogue()).items() if trend == BORN}
    assert facts == {
        r.name: (r.description, r.language, facts[r.name][2] if r.name in born else r.stars, ids[r.name]) for r in repos
    }
    starred = Counter(event["repo"]["name"] for event in events if event["type"] == "WatchEvent")
    assert all(facts[name][2] <= starred[name] for name in born), "a newborn has the stars that it was given"
    assert any(facts[name][2] for name in born)


def test_forks_and_creations_carry_the_description_too(events: list[dict[str, Any]]) -> None:
    repos = {repo.name: repo for repo in load_catalogue()}
    forks = [(repos[e["repo"]["name"]], e["payload"]["forkee"]) for e in events if e["type"] == "ForkEvent"]
    assert forks
    for repo, fork in forks:
        assert (fork["description"], fork["language"], fork["fork"]) == (repo.description, repo.language, True)
        assert fork["owner"]["login"].startswith("sim-")
    creations = [e for e in events if e["type"] == "CreateEvent"]
    assert creations
    assert all(e["payload"]["description"] == repos[e["repo"]["name"]].description for e in creations)


def test_awesome_lists_read_back_as_the_sections_that_were_drawn(archive: Path) -> None:
    repos = load_catalogue()
    for drawn in simulate_lists(repos, np.random.default_rng(SMALL_SAMPLE.seed)):
        readme = (archive / AWESOME / f"{drawn.title.replace(' ', '-')}.md").read_text()
        sections: dict[str, list[str]] = {}
        for entry in parse_readme(readme).entries:
            sections.setdefault(entry.section, []).append(entry.repo_name)
        assert list(sections.values()) == [[repos[i].name for i in section] for section in drawn.sections]


def test_the_readme_names_the_simulation(archive: Path) -> None:
    assert SIMULATED == "simulated stargazers over real repositories"
    assert (archive / "README.txt").read_text().startswith(SIMULATED)


def test_equal_seeds_give_equal_bytes_and_others_do_not(tmp_path: Path) -> None:
    write_archive(tmp_path / "one", TINY_SAMPLE)
    write_archive(tmp_path / "two", TINY_SAMPLE)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    write_archive(tmp_path / "two", replace(TINY_SAMPLE, seed=2))
    assert contents(tmp_path / "one").keys() == contents(tmp_path / "two").keys()
    assert contents(tmp_path / "one") != contents(tmp_path / "two")


def test_an_existing_sample_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_archive(tmp_path / "out", TINY_SAMPLE)
    expected = contents(tmp_path / "out")
    monkeypatch.setattr(simulate, "simulate_events", lambda *_: pytest.fail("simulated again"))
    assert write_archive(tmp_path / "out", TINY_SAMPLE) == first
    assert contents(tmp_path / "out") == expected


def test_a_sample_with_a_missing_or_torn_hour_is_written_again(tmp_path: Path) -> None:
    write_archive(tmp_path / "out", TINY_SAMPLE)
    expected = contents(tmp_path / "out")
    hour = tmp_path / "out/2023-02-03-4.json.gz"
    for damage in (hour.unlink, lambda: hour.write_bytes(b"")):
        damage()
        write_archive(tmp_path / "out", TINY_SAMPLE)
        assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("settings", [TINY_SAMPLE, replace(TINY_SAMPLE, seed=2)])
def test_a_half_written_sample_is_never_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: SampleSettings
) -> None:
    write_archive(tmp_path / "out", TINY_SAMPLE)
    whole = contents(tmp_path / "out")
    if settings == TINY_SAMPLE:
        shutil.rmtree(tmp_path / "out")
    with monkeypatch.context() as broken:
        broken.setattr(simulate, "_write_awesome_lists", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_archive(tmp_path / "out", settings)
    assert not (tmp_path / "out").exists() or contents(tmp_path / "out") == whole
    assert not list(tmp_path.glob(f".out.*/{MARKER}"))
    write_archive(tmp_path / "out", settings)
    assert (contents(tmp_path / "out") == whole) == (settings == TINY_SAMPLE)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["out"]


def test_a_folder_of_other_files_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StarvecError, match="is no sample"):
        write_archive(tmp_path, TINY_SAMPLE)
    with pytest.raises(StarvecError, match="is no sample"):
        write_archive(tmp_path / "thesis.tex", TINY_SAMPLE)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert write_archive(tmp_path / "empty", TINY_SAMPLE).hours == 28 * 24


@pytest.mark.parametrize("month", ["2024-13", "2024-1", "January", "2014-12", "2024-01-01", ""])
def test_an_impossible_month_is_named(tmp_path: Path, month: str) -> None:
    with pytest.raises(StarvecError, match=re.escape(month or "''")):
        write_archive(tmp_path / "out", SampleSettings(months=(month,)))
    assert not (tmp_path / "out").exists()


def test_months_may_be_in_any_order_and_stars_are_spread_over_them(tmp_path: Path) -> None:
    write_archive(tmp_path, SampleSettings(users=50, months=("2023-02", "2022-12"), noise=0))
    months: dict[str, int] = defaultdict(int)
    for file in tmp_path.glob("*.json.gz"):
        months[file.name[:7]] += sum(event["type"] == "WatchEvent" for event in read(file))
    assert set(months) == {"2022-12", "2023-02"}
    assert min(months.values()) > 0.3 * sum(months.values())


def test_co_starred_repositories_share_fields_far_more_than_chance_but_not_always() -> None:
    repos, users = load_catalogue(), 2_000
    stars = simulate_stars(repos, users, np.random.default_rng(1))
    matrix = sp.csr_array((np.ones(len(stars.user)), (stars.user, stars.repo)), shape=(users, len(repos)))
    degree = np.asarray(matrix.sum(axis=0)).ravel()
    assert degree.min() > 0
    cosine = (matrix.T @ matrix).toarray() / np.sqrt(np.outer(degree, degree))
    np.fill_diagonal(cosine, 0)
    field = np.array([repo.field for repo in repos])
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :10]
    shared = float(np.mean(field[nearest] == field[:, None]))
    chance = float(np.mean([np.mean(field == f) for f in field]))
    assert chance < 0.06
    assert 8 * chance < shared < 0.95


def test_co_starring_predicts_stars_better_than_popularity() -> None:
    repos, users, heldout = load_catalogue(), 2_000, 200
    stars = simulate_stars(repos, users, np.random.default_rng(2))
    matrix = sp.csr_array((np.ones(len(stars.user)), (stars.user, stars.repo)), shape=(users, len(repos)))
    known, degree = matrix[heldout:], np.asarray(matrix[heldout:].sum(axis=0)).ravel()
    cosine = (known.T @ known).toarray() / np.sqrt(np.outer(degree, degree) + 1e-9)
    hits = {"co-starred": 0, "popular": 0}
    for user in range(heldout):
        own = stars.repo[stars.user == user]
        given, hidden = own[::2], own[1::2]
        for name, score in (("co-starred", cosine[given].sum(axis=0)), ("popular", degree.copy())):
            score[given] = -1
            hits[name] += int(np.isin(np.argsort(-score)[:10], hidden).sum())
    assert hits["co-starred"] > 1.5 * hits["popular"] > 0


def test_a_little_known_repository_has_two_to_four_stargazers_who_star_its_topic_more_than_others_do() -> None:
    repos, little_known, users = load_catalogue(), load_little_known(), 2_000
    stars = simulate_stars(repos, users, np.random.default_rng(1))
    few = simulate_few_stars(little_known, repos, stars, np.random.default_rng(2))
    assert few.repo.min() == len(repos)
    stargazers = np.bincount(few.repo - len(repos))
    assert len(stargazers) == len(little_known)
    assert set(stargazers.tolist()) == {2, 3, 4}
    assert len(set(zip(few.user.tolist(), few.repo.tolist(), strict=True))) == len(few.user)
    topic = np.array([f"{repo.field}/{repo.topic}" for repo in repos])
    ratios = []
    for row, repo in enumerate(little_known, len(repos)):
        shared = np.bincount(stars.user, topic[stars.repo] == f"{repo.field}/{repo.topic}")
        ratios.append(shared[few.user[few.repo == row]].mean() / shared.mean())
    assert np.median(ratios) > 5


def test_little_known_repositories_change_no_other_event() -> None:
    repos, hours = load_catalogue(), month_hours("2024-02", datetime.max.replace(tzinfo=UTC))
    settings = {"users": 100, "noise": 0.5, "hours": hours, "seed": 3}
    without, events = (simulate_events(repos, **settings, little_known=few) for few in ((), load_little_known()))
    others = events.repo < len(repos)
    for column, expected in vars(without).items():
        assert np.array_equal(getattr(events, column)[others], expected), column


def test_stars_follow_popularity() -> None:
    repos = load_catalogue()
    stars = simulate_stars(repos, 1_000, np.random.default_rng(4))
    degree = np.bincount(stars.repo, minlength=len(repos))
    magnitude = np.array([repo.stars for repo in repos])
    means = [degree[magnitude == m].mean() for m in sorted(set(magnitude.tolist()))]
    assert means == sorted(means)
    assert means[-1] > 5 * means[0]


def test_specialists_star_mostly_in_their_field(archive: Path, events: list[dict[str, Any]]) -> None:
    field_of = {repo.name: repo.field for repo in [*load_catalogue(), *load_little_known()]}
    given = defaultdict(list)
    for event in events:
        if event["type"] == "WatchEvent":
            given[event["actor"]["login"]].append(field_of[event["repo"]["name"]])
    people = read_developers(archive / PEOPLE)
    assert len(people) >= 10
    assert len({person.field for person in people}) == len(people)
    for person in people:
        assert len(given[person.login]) >= 20
        assert Counter(given[person.login]).most_common(1)[0][0] == person.field
