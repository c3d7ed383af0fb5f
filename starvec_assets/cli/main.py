"""The commands of `starvec`.

Modules that import Dagster or torch are imported inside the commands, so that wrong arguments are refused at once.
"""

import contextlib
import hashlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import starvec_assets
from starvec_assets.cli.environment import prepare_home, set_sources
from starvec_assets.cli.interrupts import EXIT_CODE, announce_interrupt, exit_soon_after_interrupt, is_interrupt
from starvec_assets.cli.parameters import (
    Assignment,
    count_option,
    parse_login,
    parse_whole_months,
    run_options,
    wait_option,
)
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.github_names import repository_of
from starvec_assets.ingest.calendar import last_whole_month
from starvec_assets.paths import home
from starvec_assets.sample import SIMULATED
from starvec_assets.store import open_store

if TYPE_CHECKING:
    from starvec_assets.cli.unknown_repository import RepositoryText
    from starvec_assets.github import GitHub
    from starvec_assets.space import Space, Star


class StarvecGroup(click.Group):
    """Group of commands that prints an expected error as one line and exits with its status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of definition."""
        return list(self.commands)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run the command line of this process, or `args` as tests do."""
        if args is not None:
            return super().main(args, *rest, **options)
        with exit_soon_after_interrupt():
            return super().main(args, *rest, **options)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; exit with status 1 for a StarvecError, EXIT_CODE when interrupted."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()  # click exits with 1, without a traceback, where the reader has closed the pipe
        except StarvecError as error:
            click.echo(f"starvec: {error}", err=True)
            ctx.exit(1)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not is_interrupt(error):
                raise
            announce_interrupt()
            ctx.exit(EXIT_CODE)


@click.group(
    "starvec",
    cls=StarvecGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
def main() -> None:
    """Run the pipeline from a terminal, query its export, and serve the page."""


@main.command()
def demo() -> None:
    """Run the whole graph on the embedded sample."""
    from starvec_assets.cli.output import print_neighbours, print_next_commands
    from starvec_assets.sample.simulate import SampleSettings

    _run_months(SampleSettings().months, source="sample")
    space = _load_space()
    for name in ("pandas-dev/pandas", "facebook/react", "rust-lang/rust", "kubernetes/kubernetes"):
        print_neighbours(space.similar(name, 5), f"nearest to {name}")
    print_next_commands()


@main.command()
@click.option("--source", required=True, help="A folder of hour files, a base URL of them, bigquery, or sample.")
@click.option(
    "--months", required=True, callback=parse_whole_months, help="2024-01, or a range such as 2024-01..2024-02."
)
@run_options
def run(source: str, months: Sequence[str], **options: Any) -> None:
    """Ingest months and materialize everything below.

    star_history and starred_lists ask GitHub only if STARVEC_GITHUB_REQUESTS is set.
    """
    _run_months(months, source, github_requests=os.environ.get("STARVEC_GITHUB_REQUESTS") or "0", **options)


@main.command()
@click.option("--source", default="", help="As for run; default $STARVEC_SOURCE, else GH Archive over HTTP.")
@run_options
def refresh(source: str, **options: Any) -> None:
    """Run the last whole month, as the schedule does."""
    _run_months([last_whole_month()], source, **options)


@main.command()
@run_options
def rebuild(assignments: Sequence[Assignment], wait: bool, **sources: str) -> None:
    """Materialize everything below the ingested months."""
    prepare_home()
    set_sources(**sources)
    from starvec_assets.cli.output import print_run_summary
    from starvec_assets.cli.runs import run_rebuild

    run_rebuild(assignments, wait)
    print_run_summary(open_store())


@main.command()
@click.argument("asset")
@click.argument("version", required=False)
@wait_option
def rollback(asset: str, version: str | None, wait: bool) -> None:
    """Go back to an earlier version of an asset.

    ASSET is an asset, or a month such as raw_stars/2024-01. Without VERSION those that are there are listed.
    """
    prepare_home()
    from starvec_assets.cli.rollback import require_asset, roll_back, version_lines

    require_asset(open_store(), asset)
    for line in roll_back(open_store(), asset, version, wait) if version else version_lines(open_store(), asset):
        print(line)


def _run_months(
    months: Sequence[str], source: str, assignments: Sequence[Assignment] = (), wait: bool = False, **sources: str
) -> None:
    prepare_home()
    set_sources(source=source, **sources)  # before the definitions are imported: the backfill policy depends on it
    from starvec_assets.cli.output import print_run_summary
    from starvec_assets.cli.runs import run_months

    run_months(months, assignments, wait)
    print_run_summary(open_store())


@main.command()
@click.argument("repository")
@click.option(
    "--purpose",
    type=click.FloatRange(-1, 1),
    default=0.0,
    show_default=True,
    help="From -1, starred by the same people, to 1, of the same purpose.",
)
@click.option("--github", is_flag=True, help="Ask the GitHub API about a repository that the export does not have.")
@count_option
def similar(repository: str, purpose: float, github: bool, count: int) -> None:
    """Print the nearest repositories.

    REPOSITORY is an owner/name, for example pandas-dev/pandas. One that the export does not have is placed by its name,
    description, language and topics in the catalogue, or with --github by those at GitHub and its README.
    """
    from starvec_assets.cli.output import print_neighbours

    space, title = _load_space(), f"nearest to {repository}"
    if repository in space:
        neighbours = space.similar(repository, count, purpose=purpose)
    else:
        text = _text_of_unknown(repository, space, github)
        if text.note:
            print(f"({text.note})", file=sys.stderr)
        known = next((own for own in (text.repo_id, text.name) if own in space), None)
        if known is not None:
            title = f"nearest to {text.name}, formerly {repository}"
            neighbours = space.similar(known, count, purpose=purpose)
        else:
            place = space.place(
                name=text.name,
                description=text.description,
                language=text.language,
                topics=text.topics,
                readme=text.readme,
            )
            print(f"{text.name} is placed by {text.shown()}")
            neighbours = space.similar(place, count, purpose=purpose)
    print_neighbours(neighbours, title)


@main.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--language", default="", help="Only repositories of this main language.")
@click.option("--topic", default="", help="Only repositories with this topic at GitHub, such as machine-learning.")
@click.option("--min-stars", type=click.IntRange(min=0), default=0, help="Only repositories with so many stars.")
@click.option("--people", is_flag=True, help="Find listed developers in place of repositories.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@count_option
def search(
    words: Sequence[str], language: str, topic: str, min_stars: int, people: bool, as_json: bool, count: int
) -> None:
    """Find repositories by a description in words.

    For example: starvec search time series forecasting in rust
    """
    from starvec_assets.cli.output import print_found, print_people

    if people and (language or topic or min_stars):
        raise click.UsageError(
            "--language, --topic and --min-stars are about repositories: leave them out with --people"
        )
    space, query = _load_space(), " ".join(words)
    if people:
        print_people(space.search_developers(query, count), as_json)
    else:
        print_found(space.search(query, count, language=language, topic=topic, min_stars=min_stars), as_json)


def _text_of_unknown(repository: str, space: "Space", github: bool) -> "RepositoryText":
    """Return what the catalogue or GitHub says of a repository that the export does not have under this name."""
    from starvec_assets.cli.unknown_repository import LIMITS, text_at_github, text_in_catalogue
    from starvec_assets.ingest.repo_catalog import RepoCatalog

    name = repository_of(repository)
    try:
        if not github:
            return text_in_catalogue(name, RepoCatalog.load(open_store().latest("repo_catalog").path))
        with _github(limits=LIMITS, patience=LIMITS.timeout) as client:
            return text_at_github(name, client)
    except StarvecError as error:
        raise StarvecError(f"{space.unknown(repository)} {error}") from error


@main.command()
@click.argument("login", callback=parse_login)
@click.option("--github", is_flag=True, help="Read the stars from the GitHub API, not from the star log.")
@count_option
def user(login: str, github: bool, count: int) -> None:
    """Recommend repositories to a GitHub user.

    LOGIN is the name of the user, whose stars are read from the star log.
    """
    from starvec_assets.cli.output import print_neighbours

    space = _load_space()
    stars = _stars_from_github(login) if github else _stars_from_log(login)
    person = space.person(stars, login)
    print(f"{login}: {len(person.known):,} of {len(stars):,} starred repositories are in the vocabulary")
    print_neighbours(space.recommend(person, count), "would like")


def _stars_from_github(login: str) -> list[tuple[int, str]]:
    """Return repo_id and name of every repository that `login` starred."""
    with _github() as client:
        return [(star.repo_id, star.name) for star in client.starred(login)]


def _github(**settings: Any) -> "GitHub":
    """Return a client of the GitHub API, with the token of the environment if there is one."""
    from starvec_assets.github import GitHub, Token

    return GitHub(Token.from_environment(), **{"cache": home() / "cache" / "github"} | settings)


def _stars_from_log(login: str) -> "Sequence[Star]":
    """Return the numbers of the repositories that `login` starred in the star log."""
    from starvec_assets.cli.match import stars_in_log

    found = stars_in_log([login], open_store())
    if login in found.unknown:
        raise StarvecError(f"{login} {found.unknown[login]}")
    return found.stars[login]


@main.command()
@click.argument("repository")
@click.option(
    "--people",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Logins, one a line, of people of whom you may ask; # begins a comment.",
)
@click.option("--github", is_flag=True, help="Read the stars from the GitHub API, not from the star log.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@count_option
def match(repository: str, file: Path | None, github: bool, as_json: bool, count: int) -> None:
    """Rank people by how much they would star a repository, and say why.

    For example: starvec match pandas-dev/pandas --people contributors.txt

    Nothing about them is stored.
    """
    from starvec_assets.cli.match import people_in, read_logins, stars_at_github, stars_in_log
    from starvec_assets.cli.output import print_stargazers

    if file is None:
        raise click.UsageError(
            "name the people of whom you may ask, with --people FILE: match does not rank everybody in the log"
        )
    logins, space = read_logins(file), _load_space()
    name = space.names[space.find(repository)]
    if github:
        with _github(cache=None) as client:
            found = stars_at_github(logins, client)
    else:
        found = stars_in_log(logins, open_store())
    people, left_out = people_in(space, found)
    ranked = space.would_star(name, people) if people else []
    print_stargazers(ranked, left_out, name, count, as_json)


@main.command()
@click.option("--field", default="", help="Only those of a category of the radar, or of a cluster of the map: GenAI.")
@click.option("--language", default="", help="Only those in a language.")
@click.option("--like", "login", callback=parse_login, help="Nearest first to what this GitHub user starred.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@count_option
def rising(field: str, language: str, login: str | None, as_json: bool, count: int) -> None:
    """Print what is rising: repositories that grow fastest.

    LOGIN's stars are read from the star log; what LOGIN has starred is left out.
    """
    from starvec_assets.cli.output import print_rising

    space = _load_space()
    like = space.person(_stars_from_log(login), login) if login else None
    print_rising(space.rising(count, field=field, language=language, like=like), space.trends, as_json)


@main.command()
def mcp() -> None:
    """Answer an agent by the Model Context Protocol.

    The agent starts this and speaks over stdin and stdout: docs/python.md has its configuration.
    """
    try:
        from starvec_assets.cli.mcp_server import create_server
    except ImportError as error:
        raise StarvecError(f"serving agents needs more ({error.name}): pip install 'starvec[mcp]'") from error
    create_server(_load_space()).run("stdio")


@main.command()
@click.option("--port", type=int, default=8000, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
def serve(port: int) -> None:
    """Serve the newest page at http://127.0.0.1:8000."""
    from starvec_assets.serve import create_server, newest_page

    store = open_store()
    _warn_if_simulated(store.latest("web_bundle").manifest.provenance)
    with create_server(newest_page(store), port) as http:
        print(f"http://127.0.0.1:{http.server_port}/    (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            http.serve_forever()


@main.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new or empty folder, or an earlier publication, whose other files stay.",
)
def publish(to: Path) -> None:
    """Write the page as a folder for a static host."""
    from starvec_assets.export import publish

    size = publish.publish(open_store().latest("web_bundle"), to)
    print(f"{to}: {size / 1e6:.1f} MB, ready for any static host")


@main.command()
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A new or empty folder, or one that has this release.",
)
@click.option("--push", "name", metavar="OWNER/NAME", help="Publish it on the Hugging Face Hub, by $HF_TOKEN.")
def dataset(to: Path, name: str | None) -> None:
    """Write the dataset for others as a folder, and publish it."""
    from starvec_assets.export.dataset.release import push_release, write_release

    release = open_store().latest("dataset_release")
    _warn_if_simulated(release.manifest.provenance)
    folder = write_release(release, to)
    print(f"{folder}: {release.size / 1e6:.1f} MB; README.md is its card")
    if name is not None:
        print(f"published: {push_release(folder, release, name, os.environ)}")


@main.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file, too.")
def build_wasm(out: Path | None) -> None:
    """Compile the page's search core, as web_bundle does."""
    from starvec_assets.export import wasm

    core = wasm.build_search_core(home() / "cache" / "wasm")
    print(f"search.wasm: {len(core):,} bytes, SHA-256 {hashlib.sha256(core).hexdigest()}")
    if out:
        try:
            write_atomically(out, core)
        except OSError as error:
            raise StarvecError(f"--out {out} cannot be written ({error}): name a file in a folder") from error


@main.command()
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the UI on 127.0.0.1.")
def dev(port: int) -> None:
    """Start the Dagster UI with every asset loaded."""
    prepare_home()
    _require_free_port(port)
    # A process that knows nothing of exit_soon_after_interrupt: Dagster takes longer to end its processes.
    os.execv(sys.executable, [sys.executable, "-m", "starvec_assets.cli.dev_server", str(port)])


def _require_free_port(port: int) -> None:
    """Raise StarvecError for a port that cannot be bound: Dagster would start without its UI."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise StarvecError(
                f"port {port} cannot be used ({error}): choose another one with --port, unless another `starvec dev` "
                "is running there"
            ) from error


def _load_space() -> "Space":
    space = starvec_assets.load()
    _warn_if_simulated(space.provenance)
    return space


def _warn_if_simulated(provenance: Sequence[str]) -> None:
    """Print on stderr if what was made of these sources is made from the simulated sample."""
    if SIMULATED in provenance:
        print(f"({SIMULATED})", file=sys.stderr)
