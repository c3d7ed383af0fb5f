"""Matching: the measures are as computed by hand, and planted people are found by the rules."""

from pathlib import Path

import numpy as np
import pytest

from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import unit_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TOPICS, EACH = 8, 30


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """30 repositories about each of eight axes."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((TOPICS * EACH, 16))
    return unit_rows(np.repeat(np.eye(16)[:TOPICS], EACH, axis=0) + noise)


def people(count: int, topics: int) -> RaggedArray:
    """Each has starred 12 repositories of each of so many topics."""
    rng = np.random.default_rng(1)
    chosen = [rng.choice(TOPICS, topics, replace=False) for _ in range(count)]
    starred = [[t * EACH + rng.choice(EACH, 12, replace=False) for t in own] for own in chosen]
    return RaggedArray.of([rng.permutation(np.concatenate(lists)).astype(np.int32) for lists in starred])


def test_precision_is_of_those_who_are_not_known_to_have_starred():
    from matching import ranking_scores

    scores = np.array([[4.0], [3.0], [2.0], [1.0]])
    known, hidden = (np.array([[flag] for flag in flags], bool) for flags in ([1, 0, 0, 0], [0, 0, 1, 1]))
    average, ten = ranking_scores(scores, known, hidden)
    assert average == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert ten == 1


def test_the_other_half_of_a_topic_finds_its_stargazers(vectors: np.ndarray):
    from matching import Space, score_stargazers

    from starvec_assets.ranking.heldout import split_lists

    figures = score_stargazers(
        Space(vectors, np.ones(len(vectors), np.int64)), split_lists(people(60, 3), 10, 800, seed=0)
    )
    average = {rule: values[0] for rule, values in figures.items()}
    rule = next(name for name in average if name.startswith("**stars"))
    assert average[rule] > 2 * average["most active"]


def test_who_has_the_wish_is_found_among_everybody(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    import matching

    monkeypatch.setattr(matching, "TOPICS", TOPICS)
    figures, looked_for = matching.score_complements(
        matching.Space(vectors, np.ones(len(vectors), np.int64)), people(40, 3), seed=0
    )
    assert looked_for == 40
    (nearest,), (prototypes,) = figures["nearest"], figures["**eight int8 prototypes: √(shared × √closeness)**"]
    assert prototypes > 0.7  # somebody with all three topics may stand before
    assert nearest < 0.2


def test_each_part_of_a_person_has_half_of_what_they_share():
    from matching import split_people

    topics = np.repeat(np.arange(4, dtype=np.int32), 20)
    starred = RaggedArray.of([np.concatenate([np.arange(20), np.arange(20, 32), np.arange(40, 50)])])
    [(person, (mine, other), wanted)] = split_people(starred, topics, seed=0)
    assert (person, wanted) == (0, 2)
    assert np.bincount(topics[mine], minlength=4).tolist() == [10, 12, 0, 0]
    assert np.bincount(topics[other], minlength=4).tolist() == [10, 0, 10, 0]
    assert not set(mine) & set(other)
