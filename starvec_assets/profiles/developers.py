"""Vectors of well-known developers, from their public stars."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.github import ItemRefused, RateLimited, StarredRepository
from starvec_assets.github_names import is_login
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.user_lookup import starred_repos, user_ids
from starvec_assets.item_faults import ItemFaults
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.quantiles import (
    Uniformity,
    direction_tables,
    direction_uniformity,
    uniformity_metadata,
)
from starvec_assets.progress import bar
from starvec_assets.prototypes import Prototypes
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, user_vectors

DEVELOPERS = Path(__file__).with_name("developers.tsv")
STAR_LOG, GITHUB_API = "the star log", "the GitHub API"
FetchStarred = Callable[[str, int | None], Iterable[StarredRepository]]
"""GitHub.starred: the stars of a login, or of the user id where the login no longer exists."""

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
class DeveloperStars:
    """Vocabulary rows starred by lower-case login, their source, and why GitHub refused logins.

    `stopped`: the limit that ended the requests, or "".
    """

    rows: Mapping[str, Sequence[int]]
    source: str
    refused: dict[str, str]
    stopped: str = ""


@dataclass(frozen=True)
class DevelopersSummary:
    """Starred vocabulary repositories by login, of developers with a vector and of those without.

    `heldout`: how uniform the percentiles of held-out people are, each for one random developer, by stars in words.
    """

    included: dict[str, int]
    excluded: dict[str, int]
    heldout: dict[str, Uniformity | None]


def read_developers(path: Path = DEVELOPERS) -> list[Developer]:
    """Parse a table of login, display name and field: tab-separated, one person per line, `#` starts a comment line.

    Raises StarvecError for an unreadable file, a malformed line, an invalid login or a duplicate.
    """
    developers: dict[str, Developer] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StarvecError(f"cannot read the developers' table {path} ({error}): name another one") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) != 3 or not all(fields) or not is_login(fields[0]):
            raise StarvecError(
                f"{path.name}, line {number}: {line!r} is not login, display name, field separated by tabs"
            )
        if fields[0].lower() in developers:
            raise StarvecError(f"{path.name}, line {number}: duplicate login {fields[0]}")
        developers[fields[0].lower()] = Developer(*fields)
    return list(developers.values())


def use_github_api(stars_from: str, has_token: bool, simulated: bool) -> bool:
    """Return whether to fetch stars from GitHub: `stars_from` is log, github, or auto.

    auto: with a token, unless users are simulated, who exist in the star log only.
    """
    return stars_from == "github" or (stars_from == "auto" and has_token and not simulated)


def find_developer_stars(
    developers: Sequence[Developer],
    corpus: Corpus,
    catalogue: RepoCatalog,
    connection: duckdb.DuckDBPyConnection,
    star_files: Sequence[Path],
    starred: FetchStarred | None = None,
) -> DeveloperStars:
    """Return the vocabulary rows that each developer starred, from GitHub if `starred` is given, else from the log.

    From the log as well if GitHub's limit was spent before a developer's turn. `star_files`: the stars.parquet of every
    month. Raises what `fetch_stars` raises.
    """
    logins = [developer.login for developer in developers]
    rows, source, refused, stopped = dict[str, list[int]](), STAR_LOG, dict[str, str](), ""
    if starred is not None:
        stars, refused, stopped = fetch_stars(starred, logins, user_ids(connection, star_files, logins))
        rows = starred_rows(stars, corpus.row_of, catalogue.repo_ids)
        source = f"{GITHUB_API} and {STAR_LOG}" if stopped else GITHUB_API
    if starred is None or stopped:
        others = [login for login in logins if login.lower() not in rows and login not in refused]
        repo_ids = starred_repos(connection, star_files, others)
        rows |= {login: [corpus.row_of[i] for i in ids if i in corpus.row_of] for login, ids in repo_ids.items()}
    return DeveloperStars(rows, source, refused, stopped)


def fetch_stars(
    starred: FetchStarred, logins: Sequence[str], user_ids: Mapping[str, int]
) -> tuple[dict[str, list[StarredRepository]], dict[str, str], str]:
    """Return the stars by lower-case login, why logins were refused, and the limit that ended the requests, or "".

    `user_ids` are by lower-case login. Raises ServiceDown when GitHub answers about nobody, GitHubError for a refused
    token.
    """
    stars: dict[str, list[StarredRepository]] = {}
    faults = ItemFaults("people at GitHub")
    with bar(len(logins), "stars of people", "person") as progress:
        for login in logins:
            try:
                stars[login.lower()] = list(starred(login, user_ids.get(login.lower())))
                faults.passed()
            except RateLimited as error:
                return stars, faults.reasons, str(error)
            except ItemRefused as error:
                faults.add(login, str(error), error.kind, error.ordinary)
            progress.update()
    return stars, faults.reasons, ""


def starred_rows(
    stars: Mapping[str, Sequence[StarredRepository]],
    row_of: Mapping[int, int],
    repo_ids: Callable[[Iterable[str]], Mapping[str, int]],
) -> dict[str, list[int]]:
    """Return the vocabulary rows of each login's stars, found by repository id, else by name.

    `row_of`: vocabulary row by repo_id; `repo_ids`: RepoCatalog.repo_ids, which also knows former names.
    """
    id_of = repo_ids({star.name for starred in stars.values() for star in starred if star.repo_id not in row_of})
    rows = {
        login: [row_of.get(star.repo_id, row_of.get(id_of.get(star.name.lower(), -1))) for star in starred]
        for login, starred in stars.items()
    }
    return {login: [row for row in starred if row is not None] for login, starred in rows.items()}


def build_developers(
    rows: Mapping[str, Sequence[int]],
    vectors: Matrix,
    stars: Counts,
    developers: Sequence[Developer],
    people: PeopleSample,
    heldout: PeopleSample,
    out: Path,
    min_stars: int = 10,
) -> DevelopersSummary:
    """Write vectors.npy, float32 [m, d], developers.parquet, quantiles.npy, star_bins.json and `Prototypes` into `out`.

    quantiles.npy is `direction_tables` of `people`. `rows`: vocabulary rows starred, by lower-case login; developers
    with fewer than `min_stars` are excluded. `stars` [n]: stargazers of each row of `vectors`. `heldout`: other people
    than `people`.
    """
    unique = {d.login: np.unique(np.asarray(rows.get(d.login.lower(), ()), np.int32)) for d in developers}
    counts = {login: len(rows) for login, rows in unique.items()}
    included = [d for d in developers if counts[d.login] >= min_stars]
    starred = RaggedArray.of([unique[d.login] for d in included])
    known = user_vectors(vectors, starred, stars)
    tables = direction_tables(known, people, "a developer")
    np.save(out / "vectors.npy", known)
    np.save(out / "quantiles.npy", tables)
    Prototypes.of(vectors, starred).save(out)
    people.bins.save(out)
    table = [vars(d) | {"stars_used": counts[d.login]} for d in included]
    write_table(pa.Table.from_pylist(table, SCHEMA), SCHEMA, out / "developers.parquet")
    return DevelopersSummary(
        included={login: count for login, count in counts.items() if count >= min_stars},
        excluded={login: count for login, count in counts.items() if count < min_stars},
        heldout=direction_uniformity(known, tables, heldout),
    )


def exclusion_reasons(summary: DevelopersSummary, stars: DeveloperStars) -> dict[str, str]:
    """Return why each excluded login has no vector."""
    return {
        login: stars.refused.get(login, f"{n} starred repositories of the vocabulary")
        for login, n in summary.excluded.items()
    }


def exclusion_warning(reasons: Mapping[str, str], min_stars: int, shown: int = 5) -> str:
    """Return a log message that names the first excluded developers."""
    first = "; ".join(f"{login}: {reason}" for login, reason in list(reasons.items())[:shown])
    more = f"; and {len(reasons) - shown} more, in the metadata" if len(reasons) > shown else ""
    return f"left out, {min_stars} repositories of the vocabulary are needed: {first}{more}"


def developer_vectors_metadata(folder: Path, summary: DevelopersSummary, stars: DeveloperStars) -> Metadata:
    """Return what the UI shows of developer_vectors, written to `folder`."""
    return {
        "stars of developers from": stars.source,
        "left out": markdown_table(["login", "why"], list(exclusion_reasons(summary, stars).items())),
        **uniformity_metadata(summary.heldout, "held-out people"),
        "developers": parquet_preview(folder / "developers.parquet", SCHEMA.names, len(summary.included)),
    }
