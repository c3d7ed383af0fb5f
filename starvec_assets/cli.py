"""`starvec`: what the Dagster UI does, from a terminal, and questions to the export."""

import argparse
import contextlib
import hashlib
import os
import re
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starvec_assets import progress
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.paths import PACKAGE, home
from starvec_assets.sample import SIMULATED
from starvec_assets.store import ArtifactStore

if TYPE_CHECKING:
    from starvec_assets.export.fp16 import Export, Neighbour


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script; the exit status is 0 or, with a message that says the way out, 1."""
    arguments = _parser().parse_args(argv)
    progress.attach_terminal(
        os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1)
    )  # Dagster redirects the number itself
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the answers has enough of them, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except StarvecError as error:
        print(f"starvec: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("starvec: interrupted; the next run resumes where this one was", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="starvec", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser("demo", help="the whole graph on the embedded sample, and what came of it")
    demo.set_defaults(run=_demo)

    run = commands.add_parser("run", help="ingest months and make everything below them, to the page")
    run.add_argument("--source", required=True, help="a folder of hour files, a base URL of them, bigquery, or sample")
    run.add_argument("--months", required=True, help="2024-01, or a range such as 2024-01..2024-02")
    _add_run_options(run)
    run.set_defaults(run=_run)

    refresh = commands.add_parser(
        "refresh", help="what the schedule does: the last whole month and everything below it"
    )
    refresh.add_argument("--source", default="", help="as for run; else $STARVEC_SOURCE, else GH Archive over HTTP")
    _add_run_options(refresh)
    refresh.set_defaults(run=_refresh)

    rebuild = commands.add_parser("rebuild", help="everything below the months that are there, without ingest")
    _add_run_options(rebuild)
    rebuild.set_defaults(run=_rebuild)

    similar = commands.add_parser("similar", help="repositories nearest to one")
    similar.add_argument("repository", help="owner/name, for example pandas-dev/pandas")
    similar.add_argument("-k", type=_count, default=10, help="how many (default 10)")
    similar.set_defaults(run=_similar)

    user = commands.add_parser("user", help="what a person would like, from the stars they gave")
    user.add_argument("login", type=_login, help="a GitHub login")
    user.add_argument("--github", action="store_true", help="ask the GitHub API for the stars, not the star log")
    user.add_argument("-k", type=_count, default=10, help="how many (default 10)")
    user.set_defaults(run=_user)

    serve = commands.add_parser("serve", help="the page, at http://127.0.0.1:8000")
    serve.add_argument("--port", type=int, default=8000, help="0 takes a free one (default 8000)")
    serve.set_defaults(run=_serve)

    publish = commands.add_parser("publish", help="the page as a folder for a static host such as GitHub Pages")
    publish.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a new folder, or an earlier publication"
    )
    publish.set_defaults(run=_publish)

    build = commands.add_parser("build-wasm", help="compile the page's search core, as web_bundle does")
    build.add_argument("--out", type=Path, help="write it there, too")
    build.set_defaults(run=_build_wasm)

    dev = commands.add_parser("dev", help="the Dagster UI with everything loaded")
    dev.add_argument("--port", type=int, default=3000)
    dev.set_defaults(run=_dev)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


def _login(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_-]{0,100}", text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} is no GitHub login: write the name alone, for example octocat")
    return text


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--awesome", default="", help="awesome lists to evaluate by: a folder of READMEs, github or none"
    )
    parser.add_argument("--readmes", default="", help="README texts: a folder of owner__name.md files, github or none")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="ASSET.FIELD=VALUE",
        help="one config field of an asset, for example trained_embeddings.epochs=3; may be repeated",
    )


def _run(arguments: argparse.Namespace) -> None:
    from starvec_assets.defs.common import last_whole_month
    from starvec_assets.ingest.calendar import FIRST_MONTH, parse_months

    months, last = parse_months(arguments.months), last_whole_month()
    if months[-1] > last:  # said before the first of many months is ingested
        raise StarvecError(
            f"{months[-1]} cannot be ingested: months go from {FIRST_MONTH} to {last}, the last whole one"
        )
    _materialize(arguments.source, months, arguments)


def _refresh(arguments: argparse.Namespace) -> None:
    from starvec_assets.defs.common import last_whole_month

    _materialize(arguments.source, [last_whole_month()], arguments)


def _materialize(source: str, months: Sequence[str], arguments: argparse.Namespace) -> None:
    from starvec_assets.defs.overrides import RAW, op_config
    from starvec_assets.defs.resources import from_bigquery
    from starvec_assets.defs.terminal import run_job
    from starvec_assets.ingest.calendar import ranges

    _prepare(source, arguments)
    config = op_config(arguments.set, "monthly_refresh")
    # BigQuery is asked once for a range of months; hour files are ingested a month a run.
    runs = ranges(months) if from_bigquery(os.environ) else [[month] for month in months]
    names = [run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    for run, name in zip(runs[:-1], names, strict=False):
        progress.say(f"{name}: ingest")
        run_job("ingest_month", run, {"ops": {k: v for k, v in config.items() if k == RAW}})
    progress.say(f"{names[-1]}: ingest, then everything below")
    run_job("monthly_refresh", runs[-1], {"ops": config})
    _report()


def _rebuild(arguments: argparse.Namespace) -> None:
    from starvec_assets.defs.overrides import op_config
    from starvec_assets.defs.terminal import run_job

    _prepare("", arguments)
    config = op_config(arguments.set, "rebuild")
    progress.say("everything below the months that are there")
    run_job("rebuild", [], {"ops": config})
    _report()


def _prepare(source: str, arguments: argparse.Namespace) -> None:
    """The sources that were named, where the resources look for them; a Dagster home."""
    from starvec_assets.defs.terminal import prepare_home

    for variable, value in (
        ("STARVEC_SOURCE", source),
        ("STARVEC_AWESOME", arguments.awesome),
        ("STARVEC_READMES", arguments.readmes),
    ):
        if value:
            os.environ[variable] = value
    prepare_home()


def _demo(arguments: argparse.Namespace) -> None:
    _materialize("sample", ["2024-01", "2024-02"], argparse.Namespace(awesome="", readmes="", set=[]))
    export = _export()
    for name in ("pandas-dev/pandas", "facebook/react", "rust-lang/rust", "kubernetes/kubernetes"):
        _print_neighbours(export.similar(name, 5), f"nearest to {name}")
    print("Next:")
    starvec = _command()
    for command, what in {
        "similar neovim/neovim": "neighbours of any repository of the sample",
        "serve": "the page: search, profile and compare, at http://127.0.0.1:8000",
        "dev": "the Dagster UI at http://localhost:3000, with these runs in it",
        "run --source https://data.gharchive.org --months 2024-01": "a real month, 40 to 100 GB of downloads",
    }.items():
        print(f"  {f'{starvec} {command}':44}  {what}")


def _command() -> str:
    """What to type for this program: its path where the shell would not find it by name."""
    return "starvec" if shutil.which("starvec") else os.path.relpath(sys.argv[0])


def _similar(arguments: argparse.Namespace) -> None:
    neighbours = _export().similar(arguments.repository, arguments.k)
    _print_neighbours(neighbours, f"nearest to {arguments.repository}")


def _user(arguments: argparse.Namespace) -> None:
    export, stars = _export(), _stars_of(arguments.login, arguments.github)
    rows = export.rows_of(stars)
    if not rows:
        raise StarvecError(
            f"{arguments.login} starred {len(stars):,} repositories, none of them among the {len(export):,} of this "
            "export: materialize more months, or a larger vocabulary in user_buckets"
        )
    print(f"{arguments.login}: {len(rows):,} of {len(stars):,} starred repositories are in the vocabulary")
    _print_neighbours(export.nearest(export.person(rows), arguments.k, without=set(rows)), "would like")


def _stars_of(login: str, github: bool) -> list[tuple[int, str]]:
    """Repo_id and name of what `login` starred; the log tells no names."""
    from starvec_assets.defs.log import star_files
    from starvec_assets.defs.resources import DuckDBWithSpill, GitHubResource
    from starvec_assets.ingest.user_lookup import stars_of

    if github:
        with GitHubResource().open() as client:
            return [(star.repo_id, star.name) for star in client.starred(login)]
    artifacts = _store()
    log = artifacts.latest("star_log")
    with DuckDBWithSpill().connect() as connection:
        given = stars_of(connection, star_files(log, artifacts)[0], [login])
    if not given:
        raise StarvecError(
            f"{login} starred nothing in the {log.manifest.rows['months']} months of the star log. With --github "
            "their stars are asked of the GitHub API instead"
        )
    return [(repo_id, "") for repo_id in next(iter(given.values()))]


def _dev(arguments: argparse.Namespace) -> None:
    from starvec_assets.defs.terminal import prepare_home

    prepare_home()
    with socket.socket() as tried:  # Dagster would go on without its page
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", arguments.port))
        except (OSError, OverflowError) as error:
            raise StarvecError(
                f"port {arguments.port} cannot be used ({error}): choose another one with --port, if it is not "
                "another `starvec dev` that has it"
            ) from error
    workspace = PACKAGE.parent / "workspace.yaml"  # in a checkout; an installed package has none
    what = ["-w", str(workspace)] if workspace.exists() else ["-m", "starvec_assets.definitions"]
    command = [sys.executable, "-m", "dagster", "dev", *what, "--port", str(arguments.port)]
    os.execv(sys.executable, command)


def _report() -> None:
    """What came of a run: the evaluation beside its baselines, and where things lie."""
    from starvec_assets.evaluation.evaluate import Evaluation
    from starvec_assets.evaluation.scoreboard import scoreboard, text_table

    artifacts = _store()
    report, export = artifacts.latest("evaluation"), artifacts.latest("fp16_export")
    scores = Evaluation.load(report.path)
    print(f"Stars: {', '.join(export.manifest.provenance)}")
    print(f"Evaluated on {scores.data['queries']:,} queries and {scores.data['users']:,} held-out people:")
    for line in text_table(*scoreboard(scores)):
        print(f"  {line}")
    print(f"Export: {export.path} ({export.manifest.rows['repositories']:,} repositories, {export.size / 1e6:.1f} MB)")
    print(f"Everything else: {artifacts.where}")


def _serve(arguments: argparse.Namespace) -> None:
    from starvec_assets.serve import server

    bundle = _store().latest("web_bundle")
    if SIMULATED in bundle.manifest.provenance:
        print(f"({SIMULATED})", file=sys.stderr)
    with server(bundle.path, arguments.port) as http:
        print(f"http://127.0.0.1:{http.server_port}/    (Ctrl-C ends it)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            http.serve_forever()


def _publish(arguments: argparse.Namespace) -> None:
    from starvec_assets.export.publish import publish

    size = publish(_store().latest("web_bundle").path, arguments.to)
    print(f"{arguments.to}: {size / 1e6:.1f} MB, ready for any static host")


def _build_wasm(arguments: argparse.Namespace) -> None:
    from starvec_assets.export.wasm import build

    core = build(home() / "cache" / "wasm")
    print(f"search.wasm: {len(core):,} bytes, SHA-256 {hashlib.sha256(core).hexdigest()}")
    if arguments.out:
        try:
            write_atomically(arguments.out, core)
        except OSError as error:
            raise StarvecError(f"--out {arguments.out} cannot be written ({error}): name a file in a folder") from error


def _print_neighbours(neighbours: "list[Neighbour]", title: str) -> None:
    from starvec_assets.export.catalogue_columns import plain  # a description may hold what steers a terminal

    print(title)
    width = max((len(found.name) for found in neighbours), default=0)
    for found in neighbours:
        about = plain(f"{found.language} {found.description}")
        print(f"  {found.cosine:.3f}  {found.name.ljust(width)}  {found.stars:>7,}  {about[:80]}".rstrip())
    print()


def _export() -> "Export":
    from starvec_assets.export.fp16 import Export

    artifact = _store().latest("fp16_export")
    if SIMULATED in artifact.manifest.provenance:
        print(f"({SIMULATED})", file=sys.stderr)
    return Export(artifact.path)


def _store() -> ArtifactStore:
    return ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", ""))
