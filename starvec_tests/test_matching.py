"""Rules of matching: who would star a repository, and who has what one looks for."""

import numpy as np
import pytest

from starvec_assets.matching import has_wish, shared_interests, who_has_wish, would_star
from starvec_assets.prototypes import PROTOTYPES, Prototypes, closeness_of_stars
from starvec_assets.ragged import RaggedArray

DIM = 4


def prototypes(people: list[list[tuple[list[int], float]]]) -> Prototypes:
    """People with these directions and weights."""
    vectors = np.zeros((len(people), PROTOTYPES, DIM), np.int8)
    weights = np.zeros((len(people), PROTOTYPES), np.float32)
    for i, person in enumerate(people):
        for k, (vector, weight) in enumerate(person):
            vectors[i, k, : len(vector)], weights[i, k] = vector, weight
    return Prototypes(vectors, weights)


TWO = prototypes([[([127, 0, 0], 0.5), ([0, 127, 0], 0.25)], [([127, 127, 0], 0.4), ([0, 0, 127], 0.3)]])


def test_the_rules_give_what_is_computed_by_hand():
    closeness = TWO.closeness(np.array([[3, 4, 0, 0]], np.float32))
    assert closeness[:, 0] == pytest.approx([0.34, 0.392])
    assert would_star(closeness, np.array([40, 100]))[:, 0] == pytest.approx([6.503197, 15.605801])
    wish = np.array([0, 3, 4, 0], np.float32)
    assert who_has_wish(TWO, 0, wish)[1] == pytest.approx(np.sqrt(0.53333333 * 0.51380930))
    assert who_has_wish(TWO, 1, wish)[0] == pytest.approx(np.sqrt(0.53571429 * 0.3))


def test_of_equal_interests_who_stars_more_would_rather_star():
    closeness = np.array([[0.2], [0.2], [0.3]])
    assert np.argsort(-would_star(closeness, np.array([10, 100, 10]))[:, 0]).tolist() == [1, 2, 0]


def test_a_person_shares_all_interests_with_oneself_and_with_whoever_has_more():
    own = np.array([0.3, 0.1])
    shared = shared_interests(np.array([0.6, 0.2]), own, np.array([own, 2 * own, [0.3, 0.0], [0.0, 0.0]]))
    assert shared == pytest.approx([1, 1, 0.75, 0])


def test_who_shares_an_interest_and_has_the_wish_stands_before_who_has_but_one():
    rust, go, art, law = np.eye(4, dtype=int).tolist()
    me = [(rust, 0.5), (go, 0.5)]
    both, shares, has, neither = [(rust, 0.5), (art, 0.5)], me, [(art, 1.0)], [(law, 1.0)]
    people = prototypes([[([100 * x for x in v], w) for v, w in who] for who in (me, both, shares, has, neither)])
    scores = who_has_wish(people, 0, np.array(art, np.float32))
    assert np.argmax(scores) == 1
    assert scores[2:] == pytest.approx(0)


def test_stars_give_the_same_shares_as_prototypes_that_stand_for_them_exactly():
    vectors = np.eye(DIM, dtype=np.float32)
    lists = RaggedArray.of([[0, 1], [1, 2], [3]])
    exact = closeness_of_stars(vectors, lists, vectors[lists[0]])
    of_stars = shared_interests(np.full(2, 0.5), exact[0], exact)
    people = Prototypes.of(vectors, lists)
    wish = vectors[1]
    expected = has_wish(of_stars, closeness_of_stars(vectors, lists, wish[None])[:, 0])
    assert who_has_wish(people, 0, wish) == pytest.approx(expected)


def test_a_person_without_a_known_star_shares_nothing_and_would_star_nothing():
    people = prototypes([[], [([127, 0, 0], 0.5)]])
    wish = np.array([1, 0, 0, 0], np.float32)
    assert who_has_wish(people, 0, wish).tolist() == [0, 0]
    assert who_has_wish(people, 1, wish)[0] == 0
    assert would_star(people.closeness(wish[None]), np.array([0, 5]))[0] == 0
