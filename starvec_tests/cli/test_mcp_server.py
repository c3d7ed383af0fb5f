"""`starvec mcp` asked by the SDK's own client, over stdin and stdout of one process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from completed_run import Invoke, starvec_command, starvec_environment
from small_home import REAL

pytest.importorskip("mcp", reason="pip install 'starvec[mcp]' to test the server of agents")

from mcp import Client, StdioServerParameters, stdio_client

from starvec_assets.cli.mcp_server import plain
from starvec_assets.space import MatchedRepository

STARS = [*REAL["data"], 101, "no/where"]
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "similar": ("similar", {"repositories": ["pandas-dev/pandas"], "k": 3}),
    "basket": ("similar", {"repositories": REAL["data"][:2], "minus": ["facebook/react"], "purpose": 1, "k": 1}),
    "search": ("search", {"words": "reactive browser pages", "topic": "about-web", "min_stars": 20, "k": 4}),
    "recommend": ("recommend", {"stars": STARS, "k": 5}),
    "repositories": ("compare", {"first": "pandas-dev/pandas", "second": "numpy/numpy"}),
    "people": ("compare", {"first": STARS, "second": REAL["web"]}),
    "rising": ("rising", {"field": "web", "k": 2}),
    "near": ("rising", {"stars": REAL["web"], "k": 1}),
    "unknown": ("similar", {"repositories": ["someone/pandas"]}),
    "nobody": ("recommend", {"stars": ["no/where"]}),
    "mixed": ("compare", {"first": "pandas-dev/pandas", "second": ["numpy/numpy"]}),
    "no field": ("rising", {"field": "cooking"}),
    "no word": ("search", {"words": "qqzzy"}),
    "empty": ("similar", {"repositories": []}),
    "too many": ("recommend", {"stars": ["numpy/numpy"] * 10_001}),
    "too long": ("search", {"words": "x" * 501}),
    "too large": ("similar", {"repositories": ["numpy/numpy"], "k": 101}),
    "wrong type": ("recommend", {"stars": [{"login": "somebody"}]}),
    "all wrong": ("compare", {"first": [{}] * 10_000, "second": [1.5] * 10_000}),
    "no number": ("recommend", {"stars": [10**300]}),
}


@pytest.fixture(scope="module")
def session(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, dict[str, Any], str]:
    """What the server says of itself, its tools, its answers by the keys of CALLS, and what it prints on stderr."""
    log = tmp_path_factory.mktemp("mcp") / "stderr"
    command, *arguments = starvec_command("mcp")
    environment = starvec_environment(small_home)

    async def ask() -> tuple[Any, Any, dict[str, Any]]:
        with log.open("w") as stderr:
            server = StdioServerParameters(command=command, args=arguments, env=environment)
            async with Client(stdio_client(server, stderr)) as client:
                tools = (await client.list_tools()).tools
                answers = {key: await client.call_tool(*call) for key, call in CALLS.items()}
                return client.instructions, tools, answers

    with ThreadPoolExecutor(1) as thread:  # the main one has Playwright's loop if the page was tested in this process
        return *thread.submit(asyncio.run, ask()).result(), log.read_text()


def found(answer: Any) -> Sequence[Any]:
    assert not answer.is_error, answer.content
    content: dict[str, Any] = answer.structured_content
    listed: Sequence[Any] = content["result"] if "result" in content else content["repositories"]
    return listed


def test_the_tools_only_read_and_say_what_they_are_for(session: Any):
    instructions, tools, _, _ = session
    assert "100 GitHub repositories" in instructions
    assert "a small home of the tests" in instructions
    assert [tool.name for tool in tools] == ["similar", "search", "recommend", "compare", "rising"]
    for tool in tools:
        assert tool.annotations.read_only_hint
        assert len(tool.description) > 100
        assert all("description" in field for field in tool.input_schema["properties"].values()), tool.name
        assert tool.output_schema


def test_answers_are_those_of_the_space(session: Any, small_home: Path):
    _, _, answers, _ = session
    assert {repository["name"] for repository in found(answers["similar"])} == set(REAL["data"][1:])
    assert [repository["language"] for repository in found(answers["search"])] == ["JavaScript"] * 4
    assert found(answers["basket"])[0]["language"] == "Python"
    assert json.loads(answers["similar"].content[0].text) == found(answers["similar"])[0], "for clients of text alone"


def test_recommendations_leave_out_what_is_starred(session: Any):
    answer = session[2]["recommend"]
    assert (answer.structured_content["known"], answer.structured_content["unknown"]) == (5, ["no/where"])
    assert not set(REAL["data"]).intersection(repository["name"] for repository in found(answer))


def test_two_repositories_and_two_people_are_compared(session: Any):
    repositories, people = (session[2][key].structured_content for key in ("repositories", "people"))
    assert repositories["percentile"] > 90
    assert (repositories["shared"], repositories["interests"]) == (None, [])
    assert 0 < people["shared"] < 0.5
    assert people["unknown"] == ["no/where"]
    assert max(people["interests"], key=lambda interest: interest["had"])["repositories"] == ["facebook/react"]


def test_what_rises_is_filtered_or_near_to_stars(session: Any):
    _, _, answers, _ = session
    assert [repository["category"] for repository in found(answers["rising"])] == ["web", "web"]
    assert answers["rising"].structured_content["window"] == {"first": "2024-01-01", "last": "2024-01-28"}
    assert found(answers["near"])[0]["category"] == "web"
    assert found(answers["near"])[0]["cosine"] > 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("unknown", "'someone/pandas' is not among the 100 repositories of this export. Similar names: pandas"),
        ("nobody", "this person starred 1 repositories, none of them in the vocabulary of this export: materialize"),
        ("mixed", "compare two repositories by their names, or two people by a list of stars each"),
        ("no field", "no repository with stars has the field 'cooking'. There are data, learning, systems, web"),
        ("no word", "no word of 'qqzzy' is in the texts of two repositories or more: describe it in other words"),
        ("empty", "at least 1 item"),
        ("too many", "at most 10000 items"),
        ("too long", "at most 500 characters"),
        ("too large", "less than or equal to 100"),
        ("wrong type", "valid string"),
        ("all wrong", "valid string"),
        ("no number", "less than 9223372036854775808"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_the_tools_error(session: Any, call: str, message: str):
    answer = session[2][call]
    assert answer.is_error
    assert message in answer.content[0].text
    assert len(answer.content[0].text) < 2_000, "a model reads it"


def test_nothing_that_is_asked_is_logged(session: Any):
    assert session[3] == ""


def test_descriptions_are_one_line_without_what_hides_text():
    hostile = MatchedRepository("o/r", 1.0, 2, "C", False, 7, "see\u202e\x1b[2J\nthis " * 300, ["see"])
    [found] = plain([hostile])
    assert found.description.isprintable()
    assert found.description.startswith("see [2J this see")
    assert len(found.description) <= 350
    assert replace(found, description=hostile.description) == hostile


def test_stdout_has_the_protocol_alone(small_home: Path):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "rising", "arguments": {"k": 1}}},
    ]
    with subprocess.Popen(
        starvec_command("mcp"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=starvec_environment(small_home)
    ) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(b"not json\n" + b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        server.stdin.flush()
        answers: list[dict[str, Any]] = []
        while not any(answer.get("id") == 2 for answer in answers):
            answers.append(json.loads(server.stdout.readline()))
        server.stdin.close()
        assert server.stdout.read() == b""
        assert server.wait(60) == 0
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)


def test_without_an_export_it_ends_with_what_to_do(invoke: Invoke, tmp_path: Path):
    result = invoke(tmp_path, "mcp")
    assert result.exit_code == 1
    assert "materialize fp16_export" in result.stderr
    assert result.stdout == ""


def test_a_missing_extra_is_named(invoke: Invoke, small_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "starvec_assets.cli.mcp_server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    result = invoke(small_home, "mcp")
    assert result.exit_code == 1
    assert "pip install 'starvec[mcp]'" in result.stderr
