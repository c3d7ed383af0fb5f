"""The one rule of every loop over a foreign service: one item's fault is recorded, the service's own ends the loop."""

from starvec_assets.errors import TransientError
from starvec_assets.markdown import Markdown, markdown_table

ORDINARY = 10  # times the limit: so many ordinary faults in a row are no chance either, the service has closed


class ServiceDown(TransientError):
    """Several different items in a row failed alike: the service, not the items, is at fault."""


class ItemFaults:
    """Faults of single items of a loop, `reasons` by item; the loop goes on with the next item.

    `what`: plural name of the items, such as "READMEs from GitHub". `limit`: different items in a row that fail alike
    before `add` raises ServiceDown.
    """

    def __init__(self, what: str, limit: int = 5) -> None:
        self.what, self.limit = what, limit
        self.reasons: dict[str, str] = {}
        self._kind = ""
        self._row: set[str] = set()  # items that failed alike since the last one that passed

    def passed(self) -> None:
        """Record that an item was answered well."""
        self._row.clear()

    def add(self, item: str, reason: str, kind: str = "", ordinary: bool = False) -> None:
        """Record why an item failed; faults of the same `kind` are alike.

        `ordinary`: the service answers, but has no such item (any longer), which ten times as many items in a row may
        share. Raises ServiceDown when too many items in a row have failed alike; this one is recorded as well.
        """
        self.reasons[item] = reason
        if kind != self._kind:
            self._row.clear()
            self._kind = kind
        self._row.add(item)
        if len(self._row) >= self.limit * (ORDINARY if ordinary else 1):
            raise ServiceDown(
                f"{self.what}: the last {len(self._row)} all failed, {item} with: {reason}. No more are requested; "
                "try again later"
            )

    def warning(self, shown: int = 3) -> str:
        """Return a line that names the first items and their reasons, "" if there are none."""
        if not self.reasons:
            return ""
        first = "; ".join(f"{item}: {reason}" for item, reason in list(self.reasons.items())[:shown])
        more = f"; and {len(self.reasons) - shown:,} more, in the metadata" if len(self.reasons) > shown else ""
        return f"{self.what}: {len(self.reasons):,} passed over: {first}{more}"

    def table(self, shown: int = 100) -> Markdown:
        """Return the first items and their reasons as a table."""
        return markdown_table(["item", "why"], list(self.reasons.items())[:shown], max_characters=300)
