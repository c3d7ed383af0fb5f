"""Vectors of well-known developers, from the stars that they gave in public."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.github import NotFound, Star
from starvec_assets.parquet import column, write_table
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, user_vectors

DEVELOPERS = Path(__file__).with_name("developers.tsv")
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9]|-(?=[A-Za-z0-9])){0,38}")

SCHEMA = pa.schema(
    [
        column("login", pa.string(), "GitHub login; the row number is that of vectors.npy"),
        column("name", pa.string(), "display name"),
        column("field", pa.string(), "what the person is known for"),
        column("stars_used", pa.int32(), "repositories of the vocabulary that the vector is the mean of"),
    ]
)


@dataclass(frozen=True)
class Developer:
    """One line of developers.tsv."""

    login: str
    name: str
    field: str


@dataclass(frozen=True)
class Asked:
    """What GitHub answered: `stars` by lower-case login, and why there are none, of `unknown` ones."""

    stars: dict[str, list[Star]]
    unknown: dict[str, str]


@dataclass(frozen=True)
class DevelopersSummary:
    """`kept` and `left_out`: login to stars that count."""

    kept: dict[str, int]
    left_out: dict[str, int]


def read_developers(path: Path = DEVELOPERS) -> list[Developer]:
    """Login, display name and field, tab separated, a person a line; `#` begins a comment line. Delete a line to
    remove someone.

    Raises StarvecError for a file that cannot be read, a line of another shape, an impossible login or one that stands
    twice.
    """
    developers: dict[str, Developer] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StarvecError(f"the developers' table {path} cannot be read ({error}): name another one") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("\t")]
        if len(parts) != 3 or not all(parts) or not _LOGIN.fullmatch(parts[0]):
            raise StarvecError(
                f"{path.name}, line {number}: {line!r} is not login, display name, field separated by tabs"
            )
        if parts[0].lower() in developers:
            raise StarvecError(f"{path.name}, line {number}: {parts[0]} stands twice")
        developers[parts[0].lower()] = Developer(*parts)
    return list(developers.values())


def ask_github(
    starred: Callable[[str, int | None], Iterable[Star]], developers: Sequence[Developer], user_ids: Mapping[str, int]
) -> Asked:
    """The stars of every developer; `starred` is `GitHub.starred`, `user_ids` their numbers by lower-case login.

    Raises GitHubError when GitHub answers nobody: a spent rate limit, a refused token, no network.
    """
    stars, unknown = {}, {}
    with bar(len(developers), "stars of developers", "person") as progress:
        for developer in developers:
            login = developer.login.lower()
            try:
                stars[login] = list(starred(developer.login, user_ids.get(login)))
            except NotFound as error:
                unknown[developer.login] = str(error)
            progress.update()
    return Asked(stars, unknown)


def starred_rows(
    stars: Mapping[str, Sequence[Star]], row_of: Mapping[int, int], ids_of: Callable[[Iterable[str]], Mapping[str, int]]
) -> dict[str, list[int]]:
    """Vocabulary rows of what each person starred: by the repository's number, else by its name.

    `row_of`: row of each repo_id; `ids_of`: repo_ids by lower-case name, present or former, of the names asked for.
    """
    strangers = {star.name for given in stars.values() for star in given if star.repo_id not in row_of}
    by_name = {name: row_of[repo_id] for name, repo_id in ids_of(strangers).items() if repo_id in row_of}
    found = {
        login: [row_of.get(star.repo_id, by_name.get(star.name.lower())) for star in given]
        for login, given in stars.items()
    }
    return {login: [row for row in rows if row is not None] for login, rows in found.items()}


def build_developers(
    stars_of: Mapping[str, Sequence[int]],
    vectors: Matrix,
    stars: Counts,
    developers: Sequence[Developer],
    out: Path,
    min_stars: int = 10,
) -> DevelopersSummary:
    """Write vectors.npy float32 [m, d] and developers.parquet into `out`, in the order of `developers`.

    `stars_of`: vocabulary rows starred, by lower-case login; who is absent, or has fewer than `min_stars`, is left out.
    `stars` [n]: how many people starred each row of `vectors`.
    """
    rows = {d.login: np.unique(np.asarray(stars_of.get(d.login.lower(), ()), np.int32)) for d in developers}
    kept = [d for d in developers if len(rows[d.login]) >= min_stars]
    np.save(out / "vectors.npy", user_vectors(vectors, RaggedArray.of([rows[d.login] for d in kept]), stars))
    table = [{"login": d.login, "name": d.name, "field": d.field, "stars_used": len(rows[d.login])} for d in kept]
    write_table(pa.Table.from_pylist(table, SCHEMA), SCHEMA, out / "developers.parquet")
    return DevelopersSummary(
        kept={d.login: len(rows[d.login]) for d in kept},
        left_out={d.login: len(rows[d.login]) for d in developers if d not in kept},
    )
