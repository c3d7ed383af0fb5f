"""`starvec search` over a home with a finished run."""

import json
import re
from pathlib import Path

import pytest
from completed_run import CompletedRun, Invoke
from small_home import REAL

from starvec_assets.cli.output import print_found, print_people
from starvec_assets.space import ListedDeveloper, MatchedRepository


def test_a_description_prints_the_best_first_with_the_words_that_matched(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "search", "time", "series", "-k", "4")
    lines = result.stdout.splitlines()
    scores = [float(line.split()[0]) for line in lines]
    assert len(lines) == 4
    assert scores == sorted(scores, reverse=True)
    assert any(line.endswith("[time series]") for line in lines)
    assert result.stdout == invoke(completed_run.home, "search", "time series", "-k", "4").stdout


def test_json_is_an_object_a_line(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "search", "web framework", "--json", "--language", "PYTHON", "-k", "3")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(objects) == 3
    assert set(objects[0]) == {"name", "score", "stars", "language", "description", "matched", "placed_by_text"}
    assert {found["language"] for found in objects} == {"Python"}


def test_fewest_stars_are_kept_to(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "search", "web", "--json", "--min-stars", "30", "-k", "50")
    stars = [json.loads(line)["stars"] for line in result.stdout.splitlines()]
    assert stars
    assert min(stars) >= 30


def test_topic_is_kept_to(small_home: Path, invoke: Invoke):
    result = invoke(small_home, "search", "numbers", "--topic", "About Data", "--json", "-k", "50")
    found = [json.loads(line)["name"] for line in result.stdout.splitlines()]
    assert len(found) == 12
    assert all(name in REAL["data"] or name.endswith("/data") for name in found)


def test_listed_developers_are_found_by_a_description(small_home: Path, invoke: Invoke):
    result = invoke(small_home, "search", "reactive browser pages", "--people", "--json")
    people = [json.loads(line) for line in result.stdout.splitlines()]
    assert [person["login"] for person in people] == ["bob", "ann"]
    assert people[0]["score"] > people[1]["score"] >= 0
    lines = invoke(small_home, "search", "browser", "--people", "-k", "1").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [["bob", "Bob"]]


def test_where_nobody_is_listed_no_people_are_found(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "search", "web", "--people")
    assert result.exit_code == 1
    assert "developer_vectors has nobody in it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([""], 1, "the query is empty"),
        (["qqzzy\x1b[31m"], 1, r"no word of 'qqzzy\\x1b\[31m' is in the texts"),
        (["web", "--language", "pyhton"], 1, "is in the language 'pyhton'. Similar ones: python"),
        (["web", "--min-stars", "1000000"], 1, "no repository has 1,000,000 stars here"),
        (["web", "--topic", "cli"], 1, "no repository of this export has the topic 'cli'"),
        (["web", "--people", "--language", "go"], 2, "leave them out with --people"),
        (["web", "--people", "--topic", "cli"], 2, "leave them out with --people"),
        ([], 2, "Missing argument"),
        (["web", "-k", "0"], 2, "not in the range"),
    ],
    ids=["empty", "unknown", "language", "stars", "topic", "people", "people's topic", "nothing", "count"],
)
def test_what_cannot_be_answered_is_said(
    completed_run: CompletedRun, invoke: Invoke, arguments: list[str], status: int, message: str
):
    result = invoke(completed_run.home, "search", *arguments)
    assert result.exit_code == status
    assert re.search(message, result.stderr)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "JSON"])
def test_what_a_terminal_acts_on_is_not_printed(capsys: pytest.CaptureFixture[str], as_json: bool):
    hostile = "bad\x1b[2J\u202eevil\n\x07"
    print_found([MatchedRepository("a/b", 1.0, 3, hostile, False, 1, hostile, [hostile])], as_json)
    print_people([ListedDeveloper("login", hostile, 0.5)], as_json)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 2
    assert all(line.isprintable() for line in printed.splitlines())
