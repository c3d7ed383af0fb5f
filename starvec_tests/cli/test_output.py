"""What the commands print."""

import sys
from pathlib import Path

import pytest

from starvec_assets.cli.output import print_neighbours, program_name
from starvec_assets.space import Repository


def test_control_characters_of_a_description_are_removed(capsys: pytest.CaptureFixture[str]):
    print_neighbours([Repository("o/r", 0.5, 7, "", False, 1, "red \x1b[31m\r\nthing")], "nearest")
    print_neighbours([], "nobody")
    assert capsys.readouterr().out == "nearest\n  0.500  o/r        7  red [31m thing\n\nnobody\n\n"


def test_a_repository_placed_by_its_text_is_marked(capsys: pytest.CaptureFixture[str]):
    print_neighbours([Repository("o/new", 0.5, 2, "C", True, 9, "long " * 40)], "nearest")
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("  0.500  o/new        2  C long")
    assert line.endswith("  (placed by its description)")


def test_the_next_command_is_the_path_of_the_program_unless_the_shell_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    program = tmp_path / "bin" / "starvec"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program_name() == "bin/starvec"
    monkeypatch.setenv("PATH", str(program.parent))
    assert program_name() == "starvec"
