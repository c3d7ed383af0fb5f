"""Print the licence of every package that starvec depends on, and whether the core or an extra needs it.

python scripts/licences.py
"""

import importlib.metadata as metadata
import re
from collections import deque
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = "starvec"
COPYLEFT = re.compile(r"\b(A|L)?GPL|General Public License|EUPL|CDDL|SSPL")
"""Licences that reach into what is built on a package; the Mozilla Public License covers its own files only."""


def packages(extras: Iterable[str] = ()) -> set[str]:
    """Return the installed packages that the project depends on, directly or not, with these extras."""
    found: set[str] = set()
    queue = deque([(PROJECT, frozenset(extras))])
    seen = set(queue)
    while queue:
        name, wanted = queue.popleft()
        for text in metadata.requires(name) or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in wanted or {""}):
                continue
            dependency = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if dependency not in seen and is_installed(dependency[0]):
                seen.add(dependency)
                queue.append(dependency)
                found.add(dependency[0])
    return found - {PROJECT}


def is_installed(name: str) -> bool:
    """Return whether a package is installed here."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def licence(name: str) -> str:
    """Return the licence that a package states: its SPDX expression, else its classifiers, else its licence field."""
    stated = metadata.metadata(name)
    classifiers = [text.split(" :: ")[-1] for text in stated.get_all("Classifier") or [] if "License ::" in text]
    lines = (stated["License-Expression"] or "; ".join(classifiers) or stated["License"] or "").strip().splitlines()
    return lines[0][:80] if lines else "not stated"


def main() -> None:
    """Print the table."""
    core = packages()
    everything = packages(metadata.metadata(PROJECT).get_all("Provides-Extra") or [])
    print("| package | version | licence | needed by |\n|---|---|---|---|")
    for name in sorted(everything | core):
        print(f"| {name} | {metadata.version(name)} | {licence(name)} | {'core' if name in core else 'an extra'} |")


if __name__ == "__main__":
    main()
