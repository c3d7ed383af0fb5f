"""Named SQL queries, kept in .sql files beside the modules that run them."""

import re
from pathlib import Path


def load_queries(path: Path) -> dict[str, str]:
    """Return the queries of a .sql file by name: each follows a line `-- name: x`, text before the first is ignored."""
    _, *sections = re.split(r"^-- name: (\w+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: query.strip() for name, query in zip(sections[::2], sections[1::2], strict=True)}
