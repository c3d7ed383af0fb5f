"""The people of whom `starvec match` asks who would star a repository: their logins and their stars."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starvec_assets.errors import StarvecError
from starvec_assets.github import GitHub
from starvec_assets.github_names import check_login
from starvec_assets.space import Person, Space, Star
from starvec_assets.store import ArtifactStore, MonthlyArtifacts

MAX_LOGINS = 1_000
_MAX_BYTES = 250_000  # of so many lines with comments


@dataclass(frozen=True)
class StarsOfPeople:
    """Repositories starred by login, and why nobody knows the stars of others: sentences by login."""

    stars: dict[str, list[Star]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def read_logins(path: Path) -> list[str]:
    """Return the logins of a file, one a line, each once in any letter case; `#` begins a comment.

    Raises StarvecError for a file that cannot be read, a line that is no login, no login at all, and more than
    MAX_LOGINS.
    """
    too_long = StarvecError(
        f"--people {path} is too long, {MAX_LOGINS:,} logins are the most: match is for people of whom you may ask, "
        "such as contributors, applicants or members, and does not rank everybody in a log"
    )
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise too_long
        lines = content.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StarvecError(f"--people {path} cannot be read ({error}): name a text file with a login a line") from error
    logins: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if login := line.partition("#")[0].strip():
            try:
                logins.setdefault(login.lower(), check_login(login))
            except StarvecError as error:
                raise StarvecError(f"--people {path}, line {number}: {error}") from error
    if not logins:
        raise StarvecError(f"--people {path} has no login: write one a line")
    if len(logins) > MAX_LOGINS:
        raise too_long
    return list(logins.values())


def stars_in_log(logins: Sequence[str], artifacts: ArtifactStore) -> StarsOfPeople:
    """Return the numbers of the repositories that people starred in the star log."""
    from starvec_assets.defs.resources import DuckDBWithSpill
    from starvec_assets.ingest.star_log import star_files
    from starvec_assets.ingest.user_lookup import starred_repos

    log, months = artifacts.latest("star_log"), MonthlyArtifacts("raw_stars", artifacts)
    with DuckDBWithSpill().connect() as connection:
        files = star_files(log, months, artifacts.latest("star_history"), artifacts.find("starred_lists"))
        repo_ids = starred_repos(connection, files, logins)
    found = StarsOfPeople()
    for login in logins:
        if login.lower() in repo_ids:
            found.stars[login] = list(repo_ids[login.lower()])
        else:
            found.unknown[login] = (
                f"starred nothing in the {log.manifest.rows['months']} months of the star log; with --github the stars "
                "are read from the GitHub API"
            )
    return found


def stars_at_github(logins: Sequence[str], client: GitHub) -> StarsOfPeople:
    """Return number and name of each repository that people have starred, from the GitHub API.

    Whom GitHub refuses, or whom a spent limit leaves no request for, has no stars here. Raises GitHubError for a
    refused token, ServiceDown when GitHub answers about nobody.
    """
    from starvec_assets.profiles.developers import fetch_stars

    starred, refused, stopped = fetch_stars(client.starred, logins, {})
    found = StarsOfPeople()
    for login in logins:
        if login.lower() in starred:
            found.stars[login] = [(star.repo_id, star.name) for star in starred[login.lower()]]
        else:
            found.unknown[login] = refused.get(login, stopped)
    return found


def people_in(space: Space, found: StarsOfPeople) -> tuple[list[Person], dict[str, str]]:
    """Return the people with a star that counts in the space, and why the others cannot be ranked, by login."""
    people, left_out = [], dict(found.unknown)
    for login, stars in found.stars.items():
        try:
            people.append(space.person(stars, login))
        except StarvecError:
            left_out[login] = f"has starred {len(stars):,} repositories, none of them in the vocabulary"
    return people, left_out
