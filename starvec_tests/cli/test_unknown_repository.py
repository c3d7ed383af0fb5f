"""Repositories that the export does not have: their text from the catalogue or GitHub, and the place it gives them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from completed_run import CompletedRun, Invoke
from fake_github import FakeGitHub

from starvec_assets.cli import main as commands
from starvec_assets.cli.unknown_repository import LIMITS, RepositoryText, text_at_github, text_in_catalogue
from starvec_assets.errors import StarvecError
from starvec_assets.github import Blocked, RateLimited, Unanswered
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
MARKUP = b'# <img src=x onerror="alert(1)">\n\x1b[2J\x00A parser of grammars\n'


@pytest.fixture
def catalogue(tmp_path: Path) -> RepoCatalog:
    """One repository, which was called old/name before."""
    facts = {"description": "A parser\x1b[31m", "language": "Rust", "topics": None, "stars": 1}
    names = {"name": "new/Name", "former_names": ["old/name"], "former_names_seen": [SEEN]}
    row = dict.fromkeys(CATALOG.names) | facts | names | {"repo_id": 7, "first_seen": SEEN, "last_seen": SEEN}
    pq.write_table(pa.Table.from_pylist([row], CATALOG), tmp_path / "repos.parquet")
    return RepoCatalog(tmp_path / "repos.parquet")


@pytest.mark.parametrize("name", ["new/name", "OLD/name"])
def test_the_catalogue_knows_a_repository_by_any_name_it_had(catalogue: RepoCatalog, name: str) -> None:
    text = text_in_catalogue(name, catalogue)
    assert text == RepositoryText(7, "new/Name", "A parser\x1b[31m", "Rust", [])
    assert text.shown() == "its description: A parser [31m"


def test_a_name_that_the_catalogue_never_heard_of_has_two_ways_out(catalogue: RepoCatalog) -> None:
    with pytest.raises(
        StarvecError, match=r"Nor is it in the catalogue: --github .*, and months in which it was starred"
    ):
        text_in_catalogue("some/body", catalogue)


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({}, "its name alone"),
        ({"topics": ["cli", "rust"]}, "its topics: cli, rust"),
        ({"description": " ", "readme": "# Hello\n<b>you</b>"}, "its README: Hello you"),
        ({"description": "A\u202etool", "topics": ["cli"]}, "its description and topics: A tool"),
        ({"description": "long " * 99, "topics": ["cli"], "readme": "x"}, "its description, topics and README: "),
    ],
    ids=["nothing", "topics", "README", "two", "three"],
)
def test_what_a_place_is_made_of_is_said_in_one_line(facts: dict[str, Any], shown: str) -> None:
    line = RepositoryText(1, "o/r", **{"description": None, "language": None} | facts).shown()
    assert line.startswith(shown)
    assert len(line) < 130
    assert line.isprintable()


def test_github_is_asked_for_facts_and_readme_by_two_requests() -> None:
    with FakeGitHub(readme=lambda _: MARKUP) as fake, fake.client(limits=LIMITS) as client:
        fake.rename_repository(5, "new/home")
        text = text_at_github("owner/repo5", client)
        assert (text.repo_id, text.name, text.language, text.topics) == (5, "new/home", "Rust", ["topic5"])
        assert text.readme == MARKUP.decode()
        assert text.shown() == "its description, topics and README: Repository number 5"
        assert (text.note, fake.requests["repository"], fake.requests["readme"]) == ("", 2, 1), "one is the redirect"


def test_a_readme_that_is_refused_or_too_large_leaves_the_other_texts() -> None:
    with FakeGitHub(readme=lambda _: b"parser " * 1_500_000) as fake, fake.client(limits=LIMITS) as client:
        text = text_at_github("owner/repo5", client)
    assert text.readme is None
    assert text.description == "Repository number 5"
    assert re.match(r"without its README: .*readme: .*1,048,576 bytes", text.note), text.note


def test_a_repository_that_github_does_not_show_is_an_error() -> None:
    with FakeGitHub() as fake, fake.client(limits=LIMITS) as client:
        for fault, error in (("gone", StarvecError), ("blocked", Blocked), ("down", Unanswered)):
            fake.repository_faults[5] = fault
            with pytest.raises(error):
                text_at_github("owner/repo5", client)


def test_a_spent_limit_says_when_to_come_back() -> None:
    with FakeGitHub() as fake, fake.client(limits=LIMITS, patience=LIMITS.timeout) as client:
        fake.requests_per_hour = 0
        with pytest.raises(RateLimited, match="2026-11-02"):
            text_at_github("owner/repo5", client)


def repositories(run: CompletedRun, asset: str) -> pa.Table:
    table: pa.Table = pq.read_table(run.store.latest(asset).path / "repos.parquet")
    return table


@pytest.fixture
def in_catalogue_alone(completed_run: CompletedRun) -> str:
    """Name of a repository that the export of the run does not have."""
    exported = repositories(completed_run, "fp16_export")["repo_id"]
    others = repositories(completed_run, "repo_catalog").filter(~pc.field("repo_id").isin(exported.combine_chunks()))
    name: str = others["name"][0].as_py()
    return name


def test_the_newest_outside_the_vocabulary_are_in_the_export_with_a_mark(
    completed_run: CompletedRun, invoke: Invoke
) -> None:
    vocabulary = repositories(completed_run, "user_buckets")["repo_id"].to_pylist()
    others = sorted(set(repositories(completed_run, "repo_catalog")["repo_id"].to_pylist()).difference(vocabulary))
    marked = repositories(completed_run, "fp16_export").filter(pc.field("placed_by_text"))
    assert marked["repo_id"].to_pylist() == others[::-1][:60]
    page = completed_run.store.latest("web_bundle").path / "data/model.json"
    assert '"placed":60,' in page.read_text()
    first, *names = marked["name"].to_pylist()
    result = invoke(completed_run.home, "similar", first, "-k", "1000")
    assert result.stdout.startswith(f"nearest to {first}\n"), result.stderr
    printed = [line.split()[1] for line in result.stdout.splitlines() if line.endswith("  (placed by its description)")]
    assert printed
    assert set(printed) <= set(names)


def test_a_repository_of_the_catalogue_alone_is_placed_and_says_so(
    completed_run: CompletedRun, in_catalogue_alone: str, invoke: Invoke
) -> None:
    for options in ([], ["--purpose", "1"]):
        result = invoke(completed_run.home, "similar", in_catalogue_alone, "-k", "3", *options)
        assert result.exit_code == 0, result.stderr
        first, second, *rest = result.stdout.splitlines()
        assert re.match(rf"{in_catalogue_alone} is placed by its description( and topics)?: \S", first)
        assert second == f"nearest to {in_catalogue_alone}"
        assert len([line for line in rest if line]) == 3


def test_a_repository_that_nobody_has_starred_is_placed_by_its_text_at_github(
    completed_run: CompletedRun, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"description": "Fast DataFrame library", "language": "Python", "topics": ["pandas", "csv"]}
    facts = {"created_at": None, "pushed_at": None, "archived": False, "stargazers_count": 0} | about
    with FakeGitHub(repositories={7: "someone/frames"}, facts=lambda _: facts, readme=lambda _: MARKUP) as fake:
        monkeypatch.setattr(commands, "_github", lambda **bounds: fake.client(**bounds))
        result = invoke(completed_run.home, "similar", "https://github.com/Someone/frames/", "--github", "-k", "20")
        assert result.exit_code == 0, result.stderr
        first, *_ = result.stdout.splitlines()
        assert first == "someone/frames is placed by its description, topics and README: Fast DataFrame library"
        assert {"pola-rs/polars", "rapidsai/cudf", "lux-org/lux"} & set(result.stdout.split()), "data frames are near"
        known = invoke(completed_run.home, "similar", "pandas-dev/pandas", "--github")
        assert known.stdout == invoke(completed_run.home, "similar", "pandas-dev/pandas").stdout
        assert fake.requests["repository"] == 1, "what the export has is not asked for"
        refused = invoke(completed_run.home, "similar", "no/body", "--github")
    assert refused.exit_code == 1
    assert re.search(r"'no/body' is not among the .*\. Nor does GitHub show a public repository", refused.stderr)


def test_an_unknown_repository_is_answered_with_both_ways_out(completed_run: CompletedRun, invoke: Invoke) -> None:
    result = invoke(completed_run.home, "similar", "someone/pandas")
    assert result.exit_code == 1
    assert re.search(r"Similar names: pandas-dev/pandas.*\. Nor is it in the catalogue: --github", result.stderr)


def test_a_text_index_that_is_gone_is_named(home_copy: Path, in_catalogue_alone: str, invoke: Invoke) -> None:
    [version] = (home_copy / "artifacts/text_index").glob("2*")
    (version / "words.parquet").unlink()
    result = invoke(home_copy, "similar", in_catalogue_alone)
    assert result.exit_code == 1
    assert "lacks 'words.parquet'" in result.stderr
    assert "materialize fp16_export as well" in result.stderr
