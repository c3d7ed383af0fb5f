"""The examples of docstrings and of docs/python.md, run on a small export."""

import doctest
import re
from pathlib import Path

import pytest

from starvec_assets.space import Space
from starvec_assets.space import space as space_module

GUIDE = Path(__file__).parents[2] / "docs/python.md"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_examples_of_docstrings_hold(space: Space):
    result = doctest.testmod(space_module, extraglobs={"space": space}, optionflags=OPTIONS)
    assert result.attempted > 20
    assert result.failed == 0


def test_the_examples_of_the_guide_hold(small_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_HOME", str(small_home))
    text = re.sub(r"(?m)^```.*$", "", GUIDE.read_text())
    examples = doctest.DocTestParser().get_doctest(text, {}, GUIDE.name, str(GUIDE), 0)
    assert len(examples.examples) > 15
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(examples).failed == 0
