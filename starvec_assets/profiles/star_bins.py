"""Bins of people by how many stars their vector is the mean of: a person is compared with people of the same bin.

A mean of many stars lies nearer to the centre than a mean of few, so it is closer to everybody and scores differently
in every category. Percentiles and scores are therefore calibrated for each bin by itself.
"""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.markdown import Markdown, markdown_table
from starvec_assets.vectors import Counts

SHARES_BELOW = (0.0, 0.3, 0.6, 0.85, 0.97)
"""Share of people below each bin: stars are skewed, so that with equal shares 60 and 600 stars would share a bin."""
MIN_PEOPLE = 500
"""People that a bin needs: the standard error of the share below a 95th percentile is then 1 %."""
STAR_BINS_RULE: dict[str, Any] = {"shares_below": SHARES_BELOW, "min_people": MIN_PEOPLE}
FILE = "star_bins.json"


@dataclass(frozen=True)
class StarBins:
    """Bin i holds people of lowest[i] to lowest[i + 1] - 1 stars, the last bin also those with more.

    People with fewer stars than lowest[0] belong to bin 0. `people`: by bin, how many people the bins were made of.
    """

    lowest: tuple[int, ...]
    people: tuple[int, ...]

    @classmethod
    def of(cls, stars: Counts) -> "StarBins":
        """Divide people with `stars` [m] at SHARES_BELOW; a bin that lacks MIN_PEOPLE is merged with a neighbour."""
        lowest = np.unique(np.quantile(stars, SHARES_BELOW, method="lower"))
        while True:
            people = np.bincount(_bin_of(lowest, stars), minlength=len(lowest))
            if len(lowest) == 1 or people.min() >= MIN_PEOPLE:
                return cls(tuple(lowest.tolist()), tuple(people.tolist()))
            lowest = np.delete(lowest, max(1, int(people.argmin())))

    def __len__(self) -> int:
        return len(self.lowest)

    def bin_of(self, stars: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return the bins of people with `stars`, in the shape of `stars`."""
        return _bin_of(self.lowest, stars)

    @property
    def labels(self) -> list[str]:
        """The stars of each bin in words: "10 to 14", and "157 or more" for the last."""
        ranges = [f"{low} to {above - 1}" if above - low > 1 else f"{low}" for low, above in pairwise(self.lowest)]
        return [*ranges, f"{self.lowest[-1]} or more"]

    def facts(self) -> dict[str, Any]:
        """Return the bins as manifests record them and the page reads them."""
        return {"lowest": list(self.lowest), "people": list(self.people)}

    def save(self, folder: Path) -> None:
        """Write star_bins.json."""
        (folder / FILE).write_text(json.dumps(self.facts()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "StarBins":
        """Read the bins that `save` wrote; raises StarvecError where there are none, as in older artifacts."""
        try:
            facts = json.loads((folder / FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise StarvecError(f"cannot read {folder / FILE} ({error}): materialize its asset again") from error
        return cls(tuple(facts["lowest"]), tuple(facts["people"]))

    def table(self) -> Markdown:
        """Return the bins as a table, with a sentence below it where bins were merged."""
        rows = markdown_table(["stars", "people"], list(zip(self.labels, self.people, strict=True)))
        if len(self) == len(SHARES_BELOW):
            return rows
        return Markdown(
            f"{rows}\n\n{len(self)} of {len(SHARES_BELOW)} bins: the others would have held fewer than {MIN_PEOPLE} of "
            f"the {sum(self.people):,} people, and were merged with these."
        )


def _bin_of(lowest: npt.ArrayLike, stars: npt.ArrayLike) -> npt.NDArray[np.intp]:
    return np.maximum(np.searchsorted(lowest, stars, side="right") - 1, 0)
