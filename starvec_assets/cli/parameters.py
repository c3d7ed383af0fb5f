"""Options and arguments that several commands share, checked before Dagster or torch is imported."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from starvec_assets.errors import StarvecError
from starvec_assets.github_names import check_login
from starvec_assets.ingest.calendar import FIRST_MONTH, last_whole_month, parse_months

Command = TypeVar("Command", bound=Callable[..., Any])

Assignment = tuple[str, str, str]
"""Asset, field and value of `--set ASSET.FIELD=VALUE`."""


def parse_login(_ctx: click.Context, _param: click.Parameter, login: str | None) -> str | None:
    """Return a GitHub login, None for an option that is not given; raise click.BadParameter for what cannot be one."""
    try:
        return None if login is None else check_login(login)
    except StarvecError as error:
        raise click.BadParameter(str(error)) from error


def parse_whole_months(_ctx: click.Context, _param: click.Parameter, text: str) -> list[str]:
    """Return the months of "2024-01", or of a range "2024-01..2024-03", in order.

    Raises StarvecError for text that is no month or range, and for a month that is not over.
    """
    months, last = parse_months(text), last_whole_month()
    if months[-1] > last:
        raise StarvecError(
            f"{months[-1]} cannot be ingested: months go from {FIRST_MONTH} to {last}, the last whole one"
        )
    return months


def parse_assignments(_ctx: click.Context, _param: click.Parameter, texts: Sequence[str]) -> list[Assignment]:
    """Split every "ASSET.FIELD=VALUE" at its first "=" and first "."; raise StarvecError when a part is missing."""
    assignments = []
    for text in texts:
        name, equals, value = text.partition("=")
        asset, _, field = name.partition(".")
        if not (asset and field and equals):
            raise StarvecError(f"--set {text!r}: write ASSET.FIELD=VALUE, for example trained_embeddings.epochs=3")
        assignments.append((asset, field, value))
    return assignments


wait_option = click.option(
    "--wait",
    is_flag=True,
    help="Wait while another run has this home or what this run needs; without it, say who and stop.",
)


def run_options(command: Command) -> Command:
    """Add the options that `run`, `refresh` and `rebuild` share."""
    awesome = "Awesome lists for the evaluation: a folder of READMEs, github or none."
    readmes = "README texts: a folder of owner__name.md files, github or none."
    field = "ASSET.FIELD=VALUE: a config field, for example trained_embeddings.epochs=3; may be repeated."
    command = wait_option(command)
    command = click.option("--set", "assignments", multiple=True, callback=parse_assignments, help=field)(command)
    command = click.option("--readmes", default="", help=readmes)(command)
    return click.option("--awesome", default="", help=awesome)(command)


count_option = click.option(
    "-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Number of answers."
)
