"""What is installed: pinned, with hashes, and under licences that can be handed on."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", re.MULTILINE)
WITHOUT_HASH = {"torch", "gensim", "implicit", "smart-open", "wrapt"}
"""Torch's builds, with CUDA and without, have one version and files of many package indexes; the others are the extra
"peers", which a benchmark compares with and no make target installs."""


def pins(*names: str) -> dict[str, str]:
    """Return version by package of requirement files."""
    text = "\n".join((ROOT / name).read_text() for name in names)
    return {re.sub(r"[._-]+", "-", package).lower(): version for package, version in PIN.findall(text)}


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "scripts/licences.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_pinned_package_has_hashes_of_the_same_version():
    files = [f"requirements/{name}.txt" for name in ("core", "test", "deploy")]
    constraints, hashed = pins("constraints.txt"), pins(*files)
    assert {name: hashed.get(name) for name in constraints.keys() - WITHOUT_HASH} == {
        name: version for name, version in constraints.items() if name not in WITHOUT_HASH
    }
    for file in files:
        blocks = re.split(r"^(?=\S)", (ROOT / file).read_text(), flags=re.MULTILINE)
        assert all("--hash=sha256:" in block for block in blocks if block)


def test_core_is_hashed_without_what_only_tests_and_extras_need(licences: ModuleType):
    core = pins("requirements/core.txt")
    assert licences.packages() - WITHOUT_HASH <= core.keys()
    assert core.keys().isdisjoint({"pytest", "playwright", "transformers", "kubernetes", "pandas", "ziglang", "mypy"})
    assert core.keys().isdisjoint(pins("requirements/test.txt"))


def test_nothing_copyleft_outside_an_extra(licences: ModuleType):
    core = licences.packages()
    assert len(core) > 80
    assert {name: licences.licence(name) for name in core if licences.COPYLEFT.search(licences.licence(name))} == {}
    assert [name for name in core if licences.licence(name) == "not stated"] == []


def test_copyleft_of_an_extra_is_told(licences: ModuleType, capsys: pytest.CaptureFixture[str]):
    licences.main()
    table = capsys.readouterr().out
    assert re.search(r"\| psycopg2-binary \| \S+ \| GNU .*LGPL.* \| an extra \|", table)
    assert licences.COPYLEFT.search(licences.licence("psycopg2-binary"))
    assert re.search(r"\| numpy \| \S+ \| BSD.* \| core \|", table)
    assert sys.modules["importlib.metadata"].version("usearch") in table
