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
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact, MonthlyArtifacts

if TYPE_CHECKING:
    import pyarrow as pa

    from starvec_assets.cli.unknown_repository import RepositoryText
    from starvec_assets.export.fp16 import ExportIndex
    from starvec_assets.github import GitHub
    from starvec_assets.text_search.index import TextIndex


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
    export = _open_export()
    for name in ("pandas-dev/pandas", "facebook/react", "rust-lang/rust", "kubernetes/kubernetes"):
        print_neighbours(export.similar(name, 5), f"nearest to {name}")
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
    print_run_summary(_store())


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

    require_asset(_store(), asset)
    for line in roll_back(_store(), asset, version, wait) if version else version_lines(_store(), asset):
        print(line)


def _run_months(
    months: Sequence[str], source: str, assignments: Sequence[Assignment] = (), wait: bool = False, **sources: str
) -> None:
    prepare_home()
    set_sources(source=source, **sources)  # before the definitions are imported: the backfill policy depends on it
    from starvec_assets.cli.output import print_run_summary
    from starvec_assets.cli.runs import run_months

    run_months(months, assignments, wait)
    print_run_summary(_store())


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

    export, title = _open_export(), f"nearest to {repository}"
    if export.get(repository) is not None:
        neighbours = export.similar(repository, count, purpose)
    else:
        text = _text_of_unknown(repository, export, github)
        if text.note:
            print(f"({text.note})", file=sys.stderr)
        if rows := export.rows_of([(text.repo_id, text.name)]):
            title = f"nearest to {text.name}, formerly {repository}"
            neighbours = export.neighbours(rows[0], count, purpose)
        else:
            vector, text_vector = text.place(_text_index_of_export())
            print(f"{text.name} is placed by {text.shown()}")
            neighbours = export.nearest(vector, count, text=text_vector, purpose=purpose)
    print_neighbours(neighbours, title)


@main.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--language", default="", help="Only repositories of this main language.")
@click.option("--min-stars", type=click.IntRange(min=0), default=0, help="Only repositories with so many stars.")
@click.option("--people", is_flag=True, help="Find listed developers in place of repositories.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@count_option
def search(words: Sequence[str], language: str, min_stars: int, people: bool, as_json: bool, count: int) -> None:
    """Find repositories by a description in words.

    For example: starvec search time series forecasting in rust
    """
    from starvec_assets.cli.output import print_found, print_people
    from starvec_assets.export.search import ExportSearch

    if people and (language or min_stars):
        raise click.UsageError("--language and --min-stars are about repositories: leave them out with --people")
    export = _store().latest("fp16_export")
    _warn_if_simulated(export)
    found = ExportSearch(export.path, _text_index_of_export())
    query = " ".join(words)
    if people:
        print_people(found.people(query, count, _developers_of(export)), as_json)
    else:
        print_found(found.repositories(query, count, language, min_stars), as_json)


def _developers_of(export: Artifact) -> Path:
    """Return the folder of developer_vectors; raises StarvecError when it is of other vectors than the export."""
    developers = _store().latest("developer_vectors")
    (_, own), (_, exported) = (artifact.manifest.inputs["trained_embeddings"] for artifact in (developers, export))
    if own != exported:
        raise StarvecError(
            "developer_vectors and fp16_export are of different vectors: materialize both from the newest "
            "trained_embeddings"
        )
    return developers.path


def _text_of_unknown(repository: str, export: "ExportIndex", github: bool) -> "RepositoryText":
    """Return what the catalogue or GitHub says of a repository that the export does not have under this name."""
    from starvec_assets.cli.unknown_repository import LIMITS, text_at_github, text_in_catalogue
    from starvec_assets.ingest.repo_catalog import RepoCatalog

    name = repository_of(repository)
    try:
        if not github:
            return text_in_catalogue(name, RepoCatalog.load(_store().latest("repo_catalog").path))
        with _github(limits=LIMITS, patience=LIMITS.timeout) as client:
            return text_at_github(name, client)
    except StarvecError as error:
        raise StarvecError(f"{export.unknown(repository)} {error}") from error


def _text_index_of_export() -> "TextIndex":
    """Open the text_index that the newest export was made with."""
    from starvec_assets.text_search.index import TextIndex

    store = _store()
    made_from = store.latest("fp16_export").manifest.inputs
    if "text_index" not in made_from:
        raise StarvecError("this export is of an older starvec, without text_index: materialize fp16_export again")
    try:
        return TextIndex.load(store.open("text_index", made_from["text_index"][0]).path)
    except CorruptArtifact as error:
        raise StarvecError(f"{error}. This export was made with it: materialize fp16_export as well") from error


@main.command()
@click.argument("login", callback=parse_login)
@click.option("--github", is_flag=True, help="Read the stars from the GitHub API, not from the star log.")
@count_option
def user(login: str, github: bool, count: int) -> None:
    """Recommend repositories to a GitHub user.

    LOGIN is the name of the user, whose stars are read from the star log.
    """
    from starvec_assets.cli.output import print_neighbours

    export = _open_export()
    stars = _stars_from_github(login) if github else _stars_from_log(login)
    rows, known = _rows_of_person(export, login, stars)
    print(f"{login}: {len(known):,} of {len(stars):,} starred repositories are in the vocabulary")
    print_neighbours(export.nearest(export.user_vector(known), count, exclude=rows), "would like")


def _rows_of_person(export: "ExportIndex", login: str, stars: Sequence[tuple[int, str]]) -> tuple[list[int], list[int]]:
    """Return the rows of a person's stars, and those of them in the vocabulary, of which there must be one."""
    rows = export.rows_of(stars)
    known = export.in_vocabulary(rows)
    if not known:
        raise StarvecError(
            f"{login} starred {len(stars):,} repositories, none of them in the vocabulary of this export: materialize "
            "more months, or a larger vocabulary in user_buckets"
        )
    return rows, known


def _stars_from_github(login: str) -> list[tuple[int, str]]:
    """Return repo_id and name of every repository that `login` starred."""
    with _github() as client:
        return [(star.repo_id, star.name) for star in client.starred(login)]


def _github(**bounds: Any) -> "GitHub":
    """Return a client of the GitHub API, with the token of the environment if there is one."""
    from starvec_assets.github import GitHub, Token

    return GitHub(Token.from_environment(), cache=home() / "cache" / "github", **bounds)


def _stars_from_log(login: str) -> list[tuple[int, str]]:
    """Return repo_id and "" for every repository that `login` starred in the star log, which has no names."""
    from starvec_assets.defs.resources import DuckDBWithSpill
    from starvec_assets.ingest.star_log import star_files
    from starvec_assets.ingest.user_lookup import starred_repos

    artifacts = _store()
    log, months = artifacts.latest("star_log"), MonthlyArtifacts("raw_stars", artifacts)
    with DuckDBWithSpill().connect() as connection:
        files = star_files(log, months, artifacts.latest("star_history"), artifacts.find("starred_lists"))
        stars = starred_repos(connection, files, [login])
    if not stars:
        raise StarvecError(
            f"{login} starred nothing in the {log.manifest.rows['months']} months of the star log; with --github "
            "the stars are read from the GitHub API"
        )
    return [(repo_id, "") for repo_id in next(iter(stars.values()))]


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
    from starvec_assets.trends.rankings import load_about, read_ranking

    trends = _store().latest("trends")
    about = load_about(trends.path)
    table = read_ranking(trends.path, "rising", field, language)
    if login:
        table = _nearest_to(login, table)
    else:
        _warn_if_simulated(trends)
    print_rising(table.slice(0, count), about, as_json)


def _nearest_to(login: str, table: "pa.Table") -> "pa.Table":
    """Return the rows of repositories that `login` has not starred, nearest first, with their cosines."""
    import pyarrow as pa

    export = _open_export()
    starred, known = _rows_of_person(export, login, _stars_from_log(login))
    found = [export.rows_of([(repo_id, "")]) for repo_id in table["repo_id"].to_pylist()]
    chosen = {i: row for i, rows in enumerate(found) for row in rows if row not in starred}
    cosines = export.vectors(list(chosen.values())) @ export.user_vector(known)
    table = table.take(pa.array(list(chosen), pa.int64())).append_column("cosine", pa.array(cosines))
    return table.sort_by([("cosine", "descending")])


@main.command()
@click.option("--port", type=int, default=8000, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
def serve(port: int) -> None:
    """Serve the newest page at http://127.0.0.1:8000."""
    from starvec_assets.serve import create_server, newest_page

    store = _store()
    _warn_if_simulated(store.latest("web_bundle"))
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

    size = publish.publish(_store().latest("web_bundle"), to)
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

    release = _store().latest("dataset_release")
    _warn_if_simulated(release)
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


def _open_export() -> "ExportIndex":
    from starvec_assets.export.fp16 import ExportIndex

    export = _store().latest("fp16_export")
    _warn_if_simulated(export)
    return ExportIndex(export.path)


def _warn_if_simulated(artifact: Artifact) -> None:
    """Print on stderr if an artifact is made from the simulated sample."""
    if SIMULATED in artifact.manifest.provenance:
        print(f"({SIMULATED})", file=sys.stderr)


def _store() -> ArtifactStore:
    return ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", ""))
