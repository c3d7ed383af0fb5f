"""`starvec search` over a home with a finished run."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from completed_run import CompletedRun, Invoke

from starvec_assets.cli import main as commands
from starvec_assets.cli.output import print_found, print_people
from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import read_export
from starvec_assets.export.search import FoundPerson, FoundRepository
from starvec_assets.prototypes import Prototypes
from starvec_assets.ragged import RaggedArray


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


def test_listed_developers_are_found_by_a_description(
    completed_run: CompletedRun, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    export = completed_run.store.latest("fp16_export").path
    vectors, _ = read_export(export)
    names = pq.read_table(export / "repos.parquet")["name"].to_pylist()
    lists = [[names.index("pandas-dev/pandas")], [names.index("neovim/neovim")]]
    Prototypes.of(vectors, RaggedArray.of(lists)).save(tmp_path)
    pq.write_table(pa.table({"login": ["ann", "bob"], "name": ["Ann", "Bob"]}), tmp_path / "developers.parquet")
    monkeypatch.setattr(commands, "_developers_of", lambda export: tmp_path)
    result = invoke(completed_run.home, "search", "text editor for the terminal", "--people", "--json")
    people = [json.loads(line) for line in result.stdout.splitlines()]
    assert [person["login"] for person in people] == ["bob", "ann"]
    assert people[0]["score"] > people[1]["score"] >= 0
    lines = invoke(completed_run.home, "search", "text editor", "--people", "-k", "1").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [["bob", "Bob"]]


def test_where_nobody_is_listed_no_people_are_found(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "search", "web", "--people")
    assert result.exit_code == 1
    assert "developer_vectors has nobody in it" in result.stderr


def test_developers_of_other_vectors_are_refused(completed_run: CompletedRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_HOME", str(completed_run.home))
    export = completed_run.store.latest("fp16_export")
    assert commands._developers_of(export) == completed_run.store.latest("developer_vectors").path
    other = replace(export.manifest, inputs={"trained_embeddings": ("version", "another hash")})
    with pytest.raises(StarvecError, match="developer_vectors and fp16_export are of different vectors"):
        commands._developers_of(replace(export, manifest=other))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([""], 1, "the query is empty"),
        (["qqzzy\x1b[31m"], 1, r"no word of 'qqzzy\\x1b\[31m' is in the texts"),
        (["web", "--language", "pyhton"], 1, "is in the language 'pyhton'. Similar ones: python"),
        (["web", "--min-stars", "1000000"], 1, "no repository has 1,000,000 stars here"),
        (["web", "--people", "--language", "go"], 2, "leave them out with --people"),
        ([], 2, "Missing argument"),
        (["web", "-k", "0"], 2, "not in the range"),
    ],
    ids=["empty", "unknown", "language", "stars", "people", "nothing", "count"],
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
    print_found([FoundRepository("a/b", 1.0, 3, hostile, hostile, [hostile], False)], as_json)
    print_people([FoundPerson("login", hostile, 0.5)], as_json)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 2
    assert all(line.isprintable() for line in printed.splitlines())
