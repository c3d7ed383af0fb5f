"""Modules import only what lies below them, and Dagster and torch stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from starvec_assets.paths import PACKAGE

LAYERS = [
    *("ground floor", "ranking", "ingest", "sample", "corpus", "text", "training", "text_search", "repository_map"),
    *("evaluation", "profiles", "trends", "export", "space"),
    *("defs", "definitions", "cli", "__init__"),
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(parts: list[str]) -> str:
    """The layer of a module, given the parts of its name below starvec_assets; __init__, for `load`, is above all."""
    return parts[0] if parts and parts[0] in LAYERS else "ground floor"


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every import, those inside functions included; the name is empty for `import module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_its_own_layer_and_those_below(path: Path):
    own = layer(list(path.relative_to(PACKAGE).with_suffix("").parts))
    for module, name in imports(path):
        if module.partition(".")[0] != "starvec_assets":
            continue
        other = layer([*module.split(".")[1:], name])
        assert LAYERS.index(other) <= LAYERS.index(own), f"{own} imports {module}, of {other}"
        assert other == own or not name.startswith("_"), f"{own} imports the private {name} of {module}"


def test_only_the_assets_and_the_runs_of_the_command_line_know_dagster():
    knowing = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(module.partition(".")[0] in ("dagster", "dagster_duckdb") for module, _ in imports(path))
    }
    outside = {name for name in knowing if not name.startswith("defs/")}
    commands = ("runs", "rollback", "dead_runs", "dev_server", "config_overrides")
    assert outside <= {"definitions.py", *(f"cli/{name}.py" for name in commands)}


def test_no_private_module_of_another_package_is_imported():
    private = [
        f"{path.name}: {module}"
        for path in MODULES
        for module, _ in imports(path)
        if any(part.startswith("_") for part in module.split("."))
    ]
    assert private == []


def test_definitions_load_without_torch():
    code = "import sys; from starvec_assets.definitions import defs; defs(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
