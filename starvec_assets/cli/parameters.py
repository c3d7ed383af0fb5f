"""Options and arguments that several commands share, checked before Dagster or torch is imported."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import click

from starvec_assets.errors import StarvecError
from starvec_assets.github_names import check_login
from starvec_assets.ingest.calendar import FIRST_MONTH, last_whole_month, parse_months

Command = TypeVar("Command", bound=Callable[..., Any])


class Assignment(NamedTuple):
    """One `--set ASSET.FIELD=VALUE`, split."""

    text: str
    asset: str
    field: str
    value: str


class Count(click.IntRange):
    """Number of answers, 1 to 1000."""

    def __init__(self) -> None:
        super().__init__(1, 1000)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse an integer; click passes `-k=5` on as "=5"."""
        digits: Any = value.removeprefix("=") if isinstance(value, str) else value
        return super().convert(digits, param, ctx)


def parse_login(_ctx: click.Context, _param: click.Parameter, login: str) -> str:
    """Return a GitHub login; raise click.BadParameter for a text that cannot be one."""
    try:
        return check_login(login)
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
        assignments.append(Assignment(text, asset, field, value))
    return assignments


def run_options(command: Command) -> Command:
    """Add the options that `run`, `refresh` and `rebuild` share."""
    for option in (
        click.option(
            "--set",
            "assignments",
            multiple=True,
            callback=parse_assignments,
            metavar="ASSET.FIELD=VALUE",
            help="Config field of an asset, for example trained_embeddings.epochs=3; may be repeated.",
        ),
        click.option("--readmes", default="", help="README texts: a folder of owner__name.md files, github or none."),
        click.option(
            "--awesome", default="", help="Awesome lists for the evaluation: a folder of READMEs, github or none."
        ),
    ):
        command = option(command)
    return command


def count_option(command: Command) -> Command:
    """Add `-k`, the number of answers."""
    return click.option("-k", "count", type=Count(), default=10, show_default=True, help="Number of answers.")(command)
