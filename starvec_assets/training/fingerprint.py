"""Fingerprints of training runs: equal for equal settings, inputs, and code that the numbers depend on."""

import ast
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
TRAINING = "starvec_assets.training.worker"
"""The module whose imports are the code of a training run."""

EXCLUDED = {
    "starvec_assets.children": "starts and ends processes",
    "starvec_assets.config_base": "base class of settings; their values are in the fingerprint",
    "starvec_assets.errors": "wording of errors",
    "starvec_assets.progress": "progress bars",
    "starvec_assets.text.vectors": "reads an input; its hash is in the fingerprint",
    "starvec_assets.training.checkpoint": "stores the state; its FORMAT is in the fingerprint",
    "starvec_assets.training.device": "chooses the device; its type and precision are in the fingerprint",
    "starvec_assets.training.fingerprint": "this module",
    "starvec_assets.training.job": "carries arguments to another process",
    "starvec_assets.training.settings": "bounds and descriptions; the values are in the fingerprint",
}
"""Modules that training imports and its numbers do not depend on, and why; their imports are not followed either."""


def run_fingerprint(settings: Mapping[str, Any], input_key: str, **more: Any) -> str:
    """Return the SHA-256 of settings, inputs, `more` and the training code, hexadecimal."""
    content = {"settings": dict(settings), "input": input_key, "code": code_digest(), **more}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def code_digest(root: str = TRAINING, package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the statements of module `root` and of all modules of `package` that it imports.

    Comments, docstrings and formatting do not count, nor do EXCLUDED modules.
    """
    digest = hashlib.sha256()
    for module, statements in sorted(dependencies(root, package).items()):
        digest.update(f"{module}\0{statements}\0".encode())
    return digest.hexdigest()


def dependencies(root: str, package: Path = PACKAGE) -> dict[str, str]:
    """Return the statements of `root` and of what it imports from `package`, directly or not, by module name."""
    found: dict[str, str] = {}
    pending = [root]
    while pending:
        module = pending.pop()
        path = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
        if module not in found and module not in EXCLUDED and path.is_file():
            found[module], imports = _parse(path.read_text())
            pending += [name for name in imports if name.startswith(f"{package.name}.")]
    return found


@cache
def _parse(source: str) -> tuple[str, list[str]]:
    """Return the statements without docstrings, and the modules imported: `from a.b import c` may be a.b or a.b.c."""
    tree, imports = ast.parse(source), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [statement for statement in node.body if not _is_string(statement)] or [ast.Pass()]
        elif isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return ast.unparse(tree), imports


def _is_string(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
