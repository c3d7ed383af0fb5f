"""Fingerprints of training runs: equal for equal settings, inputs, and code that the numbers depend on."""

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
TRAINING = "starvec_assets.training.worker"
"""The module whose imports are the code of a training run."""

EXCLUDED = {
    "starvec_assets.bigquery": "reads no number of a training",
    "starvec_assets.children": "starts and ends processes",
    "starvec_assets.config_base": "base class of settings; their values are in the fingerprint",
    "starvec_assets.errors": "wording of errors",
    "starvec_assets.files": "how bytes get on the disk",
    "starvec_assets.parquet": "how tables are written",
    "starvec_assets.paths": "where files lie",
    "starvec_assets.progress": "progress bars",
    "starvec_assets.training.checkpoint": "stores the state; its FORMAT is in the fingerprint",
    "starvec_assets.training.device": "chooses and describes the device, which may change between runs",
    "starvec_assets.training.fingerprint": "this module",
    "starvec_assets.training.job": "carries arguments to another process",
    "starvec_assets.training.settings": "bounds and descriptions; the values are in the fingerprint",
}
"""Modules that training imports and its numbers do not depend on, and why; their imports are not followed either."""


def run_fingerprint(settings: Mapping[str, Any], input_key: str, **more: Any) -> str:
    """Return the SHA-256 of settings, inputs, `more` and the training code, hexadecimal."""
    content = {"settings": dict(settings), "input": input_key, "code": code_digest(), **more}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def code_digest(root: str = TRAINING, package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the statements of module `root` and of all modules of `package` that it imports.

    Comments, docstrings and formatting do not count, nor do EXCLUDED modules.
    """
    digest = hashlib.sha256()
    for module, tree in sorted(dependencies(root, package).items()):
        digest.update(f"{module}\0{ast.unparse(_without_docstrings(tree))}\0".encode())
    return digest.hexdigest()


def dependencies(root: str, package: Path = PACKAGE) -> dict[str, ast.Module]:
    """Return the syntax trees of `root` and of what it imports from `package`, directly or not, by module name."""
    trees: dict[str, ast.Module] = {}
    pending = [root]
    while pending:
        module = pending.pop()
        path = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
        if module in trees or module in EXCLUDED or not path.is_file():
            continue
        trees[module] = ast.parse(path.read_text())
        pending += _imports(trees[module], package.name)
    return trees


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield names of modules that may be imported anywhere in `tree`: `from a.b import c` names a.b and a.b.c."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.startswith(f"{package}."))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_string(statement)] or [ast.Pass()]
    return tree


def _is_string(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
