"""`starvec match`: the file of logins, the ranking, and who is left out."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from completed_run import MONTH, CompletedRun, Invoke
from fake_github import FakeGitHub

import starvec_assets
from starvec_assets.cli.match import MAX_LOGINS, StarsOfPeople, people_in, read_logins, stars_at_github
from starvec_assets.cli.output import print_stargazers
from starvec_assets.errors import StarvecError
from starvec_assets.space import Space


@pytest.fixture
def space(small_home: Path) -> Space:
    return starvec_assets.load(small_home)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_file_has_each_login_once_without_blanks_and_comments(tmp_path: Path):
    text = "\ufeff# members\r\nAnn\r\n\r\n  bob  # since 2024\r\nann\r\nCarol-1\r\n"
    assert read_logins(write(tmp_path / "people.txt", text)) == ["Ann", "bob", "Carol-1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no login: write one a line"),
        ("# nobody\n\n", "has no login: write one a line"),
        ("ann\n\nann lee\n", "line 3: 'ann lee' is no GitHub login"),
        ("ann\n@bob\n", "line 2: '@bob' is no GitHub login"),
        (b"ann\n\xff\xfe\n", "cannot be read .*name a text file"),
        ("".join(f"p{i}\n" for i in range(MAX_LOGINS + 1)), "1,000 logins are the most: .*not rank everybody in a log"),
        ("#" * 300_000, "is too long"),
        ("é" * 300_000, "is too long"),
    ],
    ids=["empty", "comments", "space", "at", "bytes", "everybody", "huge", "cut in a character"],
)
def test_a_file_that_is_no_list_of_some_people_is_refused(tmp_path: Path, content: str | bytes, message: str):
    with pytest.raises(StarvecError, match=message):
        read_logins(write(tmp_path / "people.txt", content))


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(StarvecError, match=r"nobody\.txt cannot be read"):
        read_logins(tmp_path / "nobody.txt")


def test_people_are_ranked_with_the_stars_that_say_so_and_the_others_named(
    completed_run: CompletedRun, invoke: Invoke, tmp_path: Path
):
    stars = pq.read_table(completed_run.store.latest(f"raw_stars/{MONTH}").path / "stars.parquet")
    logins, repository = stars["user_login"].unique().to_pylist()[:30], "pandas-dev/pandas"
    file = write(tmp_path / "people.txt", "\n".join([*logins, logins[0].upper(), "", "nobody-here"]))
    before = files(completed_run.home)
    found = [
        json.loads(line)
        for line in invoke(
            completed_run.home, "match", repository, "--people", str(file), "--json", "-k", "5"
        ).stdout.splitlines()
    ]
    ranked = [person for person in found if person["status"] == "would star"]
    assert len(ranked) == 5
    assert [person["score"] for person in ranked] == sorted((person["score"] for person in ranked), reverse=True)
    assert all(person["because"] and repository not in person["because"] for person in ranked)
    left_out = {person["login"]: person["reason"] for person in found if person["status"] == "left out"}
    assert "starred nothing in the 1 months of the star log" in left_out["nobody-here"]
    lines = invoke(completed_run.home, "match", repository, "--people", str(file), "-k", "5").stdout.splitlines()
    assert lines[0] == "who would star pandas-dev/pandas, of 31"
    assert [line.split()[1] for line in lines[1:6]] == [person["login"] for person in ranked]
    assert files(completed_run.home) == before


def test_who_has_starred_it_is_marked_and_not_ranked(space: Space, capsys: pytest.CaptureFixture[str]):
    found = StarsOfPeople({"ann": ["numpy/numpy"], "bob": ["pandas-dev/pandas"]}, {"carol": "starred nothing"})
    people, left_out = people_in(space, found)
    print_stargazers(space.would_star("pandas-dev/pandas", people), left_out, "pandas-dev/pandas", 10, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[1:] == ["ann", "1", "stars", "for", "numpy/numpy"]
    assert lines[2:] == ["has starred it already: bob", "left out: carol starred nothing"]


def test_a_person_without_a_known_star_is_left_out_with_the_reason(space: Space):
    people, left_out = people_in(space, StarsOfPeople({"ann": ["no/where", "nor/here"], "bob": ["numpy/numpy"]}))
    assert [person.name for person in people] == ["bob"]
    assert left_out == {"ann": "has starred 2 repositories, none of them in the vocabulary"}


def test_at_github_who_is_refused_or_comes_after_a_spent_limit_is_left_out_with_the_reason():
    with FakeGitHub(people=20) as fake:
        ann, bob = fake.login(1), fake.login(2)
        fake.faults[2] = "gone"
        found = stars_at_github([ann, bob], fake.client())
    assert list(found.stars) == [ann]
    assert found.stars[ann]
    assert "there is no GitHub user" in found.unknown[bob]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["pandas-dev/pandas"], 2, "match does not rank everybody in the log"),
        (["pandas-dev/pandsa", "--people", "FILE"], 1, "Similar names: pandas-dev/pandas"),
        (["pandas-dev/pandas", "--people", "nowhere.txt"], 1, "nowhere.txt cannot be read"),
        (["pandas-dev/pandas", "--people", "FILE", "-k", "0"], 2, "not in the range"),
    ],
    ids=["everybody", "unknown repository", "no file", "count"],
)
def test_what_cannot_be_answered_is_said(
    completed_run: CompletedRun, invoke: Invoke, tmp_path: Path, arguments: list[str], status: int, message: str
):
    file = write(tmp_path / "people.txt", "ann\n")
    result = invoke(completed_run.home, "match", *(str(file) if x == "FILE" else x for x in arguments))
    assert result.exit_code == status
    assert message in result.stderr
