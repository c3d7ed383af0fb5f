"""Option and argument types of the commands, checked before Dagster or torch is imported."""

from collections.abc import Callable
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
        number: int = super().convert(value.removeprefix("=") if isinstance(value, str) else value, param, ctx)
        return number


class Login(click.ParamType):
    """GitHub login."""

    name = "login"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value`; fail unless it can be a login."""
        try:
            return check_login(value)
        except StarvecError as error:
            self.fail(str(error), param, ctx)


class Months(click.ParamType):
    """Months that can be ingested: "2024-01", or a range "2024-01..2024-03"."""

    name = "months"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the months in order.

        Raises StarvecError for text that is no month or range, and for a month that is not over.
        """
        months, last = parse_months(value), last_whole_month()
        if months[-1] > last:
            raise StarvecError(
                f"{months[-1]} cannot be ingested: months go from {FIRST_MONTH} to {last}, the last whole one"
            )
        return months


class AssignmentType(click.ParamType):
    """`ASSET.FIELD=VALUE`."""

    name = "assignment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Assignment:
        """Split at the first "=" and the first "."; raise StarvecError when a part is missing."""
        name, _, text = value.partition("=")
        asset, _, field = name.partition(".")
        if not (asset and field and "=" in value):
            raise StarvecError(f"--set {value!r}: write ASSET.FIELD=VALUE, for example trained_embeddings.epochs=3")
        return Assignment(value, asset, field, text)


def run_options(command: Command) -> Command:
    """Add the options that `run`, `refresh` and `rebuild` share."""
    for option in (
        click.option(
            "--set",
            "assignments",
            multiple=True,
            type=AssignmentType(),
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
