"""Scores of the same questions by several systems: means, and paired bootstrap intervals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from starvec_assets.ranking.bootstrap import percentile_interval, resampled_means
from starvec_assets.ranking.search import Floats

Intervals = dict[str, dict[str, tuple[float, float]]]
"""By system and metric key: ends of a 95 % interval."""


@dataclass(frozen=True)
class Sample:
    """Scores by system and metric key, float64 [questions] each; all systems were asked the same questions.

    `clusters` [c, questions] has a one for each question in every cluster that it is of: questions of one cluster are
    not independent, and are drawn together. None: every question stands for itself.
    """

    scores: dict[str, dict[str, Floats]]
    clusters: sp.csr_array | None = None

    def means(self) -> dict[str, dict[str, float]]:
        """Return the mean of each score."""
        return {system: {key: float(v.mean()) for key, v in own.items()} for system, own in self.scores.items()}

    @property
    def has_intervals(self) -> bool:
        """Whether a mean can vary with what is drawn: there are scores, and more than one cluster."""
        return any(self.scores.values()) and (self.clusters is None or self.clusters.shape[0] > 1)


@dataclass(frozen=True)
class OtherScores:
    """Samples of questions beyond those of vectors alone, and counts of what was asked, by name."""

    samples: Sequence[Sample] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def join(parts: Sequence["OtherScores"]) -> "OtherScores":
        """Return the samples and counts of all parts."""
        samples = [sample for part in parts for sample in part.samples]
        return OtherScores(samples, {name: count for part in parts for name, count in part.counts.items()})


NO_OTHERS = OtherScores()


def clusters_of(names: Sequence[str]) -> sp.csr_array:
    """Return `Sample.clusters` of questions that are each of one cluster, given its name."""
    _, numbers = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    columns = np.arange(len(numbers))
    return sp.csr_array((np.ones(len(numbers)), (numbers, columns)))


def paired_intervals(samples: Iterable[Sample], first: str, resamples: int, seed: int) -> tuple[Intervals, Intervals]:
    """Return the intervals of every mean, and of those of system `first` minus each other's, on the same resamples.

    Samples without intervals are left out.
    """
    intervals: Intervals = {}
    differences: Intervals = {}
    for sample in samples:
        for name in sample.scores:
            intervals.setdefault(name, {})
            if name != first:
                differences.setdefault(name, {})
        if not sample.has_intervals:
            continue
        values = {(name, key): v for name, own in sample.scores.items() for key, v in own.items()}
        means = resampled_means(np.stack(list(values.values()), axis=1), resamples, seed, sample.clusters)
        drawn = dict(zip(values, means.T, strict=True))
        for (name, key), own in drawn.items():
            intervals[name][key] = percentile_interval(own)
            if name != first and (first, key) in drawn:
                differences[name][key] = percentile_interval(drawn[first, key] - own)
    return intervals, differences
