"""What the commands print on stdout."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.scoreboard import scoreboard, text_table
from starvec_assets.export.catalogue_columns import sanitize_line
from starvec_assets.space import (
    ListedDeveloper,
    MatchedRepository,
    Repository,
    RisingNearby,
    RisingRepository,
    Stargazer,
)
from starvec_assets.store import ArtifactStore

_FOUND_FIELDS = ("name", "score", "stars", "language", "description", "matched", "placed_by_text")
PLACED_MARK = "  (placed by its description)"


def print_neighbours(neighbours: Sequence[Repository], title: str) -> None:
    """Print a title and a line for each repository: cosine, name, stars, language and description."""
    print(title)
    width = max((len(neighbour.name) for neighbour in neighbours), default=0)
    for neighbour in neighbours:
        # A description may contain control characters that a terminal acts on.
        about = sanitize_line(f"{neighbour.language} {neighbour.description}")
        mark = PLACED_MARK if neighbour.placed_by_text else ""
        name = neighbour.name.ljust(width)
        print(f"  {neighbour.score:.3f}  {name}  {neighbour.stars:>7,}  {about[:80]}{mark}".rstrip())
    print()


def print_found(repositories: Sequence[MatchedRepository], as_json: bool) -> None:
    """Print a line for each repository that a search found: score, name, stars, language, description, matched words.

    As JSON it is an object a line.
    """
    width = max((len(repository.name) for repository in repositories), default=0)
    for repository in repositories:
        if as_json:
            print(json.dumps({name: getattr(repository, name) for name in _FOUND_FIELDS}))
            continue
        about = sanitize_line(f"{repository.language} {repository.description}")[:80]
        mark = PLACED_MARK if repository.placed_by_text else ""
        matched = f"  [{sanitize_line(' '.join(repository.matched))}]" if repository.matched else ""
        name = repository.name.ljust(width)
        print(f"  {repository.score:6.3f}  {name}  {repository.stars:>7,}  {about}{matched}{mark}".rstrip())


def print_people(people: Sequence[ListedDeveloper], as_json: bool) -> None:
    """Print a line for each developer that a search found: score, login and name; as JSON an object a line."""
    width = max((len(person.login) for person in people), default=0)
    for person in people:
        if as_json:
            print(json.dumps(asdict(person)))
        else:
            print(f"  {person.score:.3f}  {person.login.ljust(width)}  {sanitize_line(person.name)}".rstrip())


def print_stargazers(
    people: Sequence[Stargazer], left_out: Mapping[str, str], repository: str, count: int, as_json: bool
) -> None:
    """Print the first `count` people who would star a repository, then who has starred it, and who is left out and why.

    As JSON it is an object for each of them, whose "status" is "would star", "has starred" or "left out".
    """
    ranked = [person for person in people if not person.starred][:count]
    starred = [person for person in people if person.starred]
    if as_json:
        for person in [*ranked, *starred]:
            status = "has starred" if person.starred else "would star"
            facts = asdict(person)
            print(json.dumps({"login": facts.pop("name"), "status": status} | facts))
        for login, reason in left_out.items():
            print(json.dumps({"login": login, "status": "left out", "reason": reason}))
        return
    print(f"who would star {repository}, of {len(people) + len(left_out):,}")
    width = max((len(person.name) for person in people), default=0)
    for person in ranked:
        reasons = f"  for {', '.join(person.because)}" if person.because else ""
        print(f"  {person.score:6.2f}  {person.name.ljust(width)}  {person.stars:>5,} stars{reasons}")
    if starred:
        print(f"has starred it already: {', '.join(person.name for person in starred)}")
    for login, reason in left_out.items():
        print(f"left out: {login} {sanitize_line(reason)}")


def print_rising(repositories: Sequence[RisingRepository], about: Mapping[str, Any], as_json: bool) -> None:
    """Print what is compared and a line for each repository that grows, or all of it as JSON.

    `about` is trends.json. A line has the expected growth in 28 days, name, stars a day with their interval, language
    and category; the cosine to a person comes first.
    """
    if as_json:
        ranking = {**about, "repositories": [asdict(found) for found in repositories]}
        print(json.dumps(ranking, default=str, ensure_ascii=False, indent=1))
        return
    for sentence in [*about["notes"], *about["gaps"][-12:]]:
        print(f"({sentence})")
    if window := about["window"]:
        print(f"rising by the stars from {window['first']} to {window['last']}, as expected for the next 28 days")
    if not repositories:
        print("  none: no repository has the evidence")
    width = max((len(found.name) for found in repositories), default=0)
    for found in repositories:
        cosine = f"{found.cosine:.3f}  " if isinstance(found, RisingNearby) else ""
        per_day = f"{found.per_day:.2g} a day ({found.low:.2g} to {found.high:.2g})"
        about_it = sanitize_line(f"{found.language or ''} {found.category or ''}")
        print(f"  {cosine}{100 * found.growth:+6.2f} %  {found.name.ljust(width)}  {per_day:28}  {about_it}".rstrip())


def print_run_summary(artifacts: ArtifactStore) -> None:
    """Print provenance, the evaluation beside its baselines, and the paths of the export and the artifacts."""
    report, export = artifacts.latest("evaluation"), artifacts.latest("fp16_export")
    scores = Evaluation.load(report.path)
    print(f"Stars: {', '.join(export.manifest.provenance)}")
    print(f"Evaluated on {scores.data['queries']:,} queries and {scores.data['users']:,} held-out people:")
    for line in text_table(*scoreboard(scores)):
        print(f"  {line}")
    print(f"Export: {export.path} ({export.manifest.rows['repositories']:,} repositories, {export.size / 1e6:.1f} MB)")
    print(f"Everything else: {artifacts.where}")


def print_next_commands() -> None:
    """Print commands to try after the demo."""
    print("Next:")
    for command, description in {
        "similar neovim/neovim": "neighbours of any repository of the sample",
        "search terminal file manager": "repositories by a description; --people finds people",
        "rising": "what grows fastest in it",
        "serve": "the page: search, profile and compare, at http://127.0.0.1:8000",
        "dev": "the Dagster UI at http://localhost:3000, with these runs in it",
        "run --source https://data.gharchive.org --months 2024-01": "a real month, 40 to 100 GB of downloads",
    }.items():
        print(f"  {f'{program_name()} {command}':44}  {description}")


def program_name() -> str:
    """Return "starvec" if the shell finds it by that name, else the path of this program as typed from here."""
    return "starvec" if shutil.which("starvec") else os.path.relpath(sys.argv[0])
