import numpy as np
import pytest

from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.curators import CuratedList, shared_attributes, simulate_lists, themes


@pytest.fixture(scope="module")
def lists() -> list[CuratedList]:
    return list(simulate_lists(load_catalogue(), np.random.default_rng(1)))


def test_a_list_names_no_repository_twice_and_its_sections_make_groups(lists: list[CuratedList]) -> None:
    assert len({curated.title for curated in lists}) == len(lists)
    for curated in lists:
        members = np.concatenate(curated.sections)
        assert len(np.unique(members)) == len(members)
        assert min(map(len, curated.sections)) >= 3


def test_every_theme_has_a_list_most_of_which_fits_it(lists: list[CuratedList]) -> None:
    all_themes = themes(load_catalogue())
    assert [curated.title for curated in lists] == [theme.title for theme in all_themes]
    assert {"databases", "Rust", "game development and multimedia"} <= {theme.title for theme in all_themes}
    for theme, curated in zip(all_themes, lists, strict=True):
        assert all(theme.fits[section[0]] for section in curated.sections)
    fitting = [theme.fits[np.concatenate(c.sections)].mean() for theme, c in zip(all_themes, lists, strict=True)]
    assert 0.7 < np.mean(fitting) < 0.9


def test_sections_are_neither_topics_nor_random_and_share_words_within_a_topic(lists: list[CuratedList]) -> None:
    shared = shared_attributes(load_catalogue())
    sections = [section for curated in lists for section in curated.sections]
    first = np.concatenate([np.repeat(section, len(section)) for section in sections])
    second = np.concatenate([np.tile(section, len(section)) for section in sections])
    first, second = first[first != second], second[first != second]
    means = {name: pairs[first, second].mean() for name, pairs in shared.items()}
    assert 0.3 < means["topic"] < 0.6
    assert means["topic"] + 0.1 < means["field"] < 0.85
    assert 2 * shared["language"].mean() < means["language"] < 0.6
    topic = shared["topic"] == 1
    np.fill_diagonal(topic, False)
    beside = topic[first, second]
    assert shared["words"][first[beside], second[beside]].mean() > 1.2 * shared["words"][topic].mean()
