"""Questions to a space: exact neighbours, the dial, baskets, people, words, and what is refused with a sentence."""

import copy
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from small_home import EACH, REAL, TOPICS, D

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.purpose import text_weight
from starvec_assets.space import Place, Space
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

N = 4 * EACH  # in the vocabulary; four more are placed by their text


def unit(space: Space) -> Matrix:
    return unit_rows(space.vectors.astype(np.float32))


def names(found: Any) -> list[str]:
    return [repository.name for repository in found]


def test_vectors_are_a_memory_map_with_a_name_a_row(space: Space):
    assert isinstance(space.vectors, np.memmap)
    assert (space.vectors.shape, space.vectors.dtype) == ((len(space), D), np.float16)
    assert len(space.names) == len(space) == N + 4
    assert re.fullmatch(r"<Space of 100 repositories in 16 dimensions: export /.* \(a small home .*\)>", repr(space))


@pytest.mark.parametrize("row", [0, 37, N + 3])
def test_neighbours_are_those_of_brute_force(space: Space, row: int):
    cosines = unit(space) @ unit(space)[row]
    cosines[row] = -2
    found = space.similar(space.names[row].upper(), 7)
    assert names(found) == [space.names[i] for i in np.argsort(-cosines)[:7]]
    np.testing.assert_allclose([repository.score for repository in found], np.sort(cosines)[::-1][:7], atol=1e-6)


@pytest.mark.parametrize("purpose", [-1, -0.5, 0.5, 1])
def test_the_dial_weighs_the_text_beside_the_vectors(space: Space, purpose: float):
    texts, weight = unit_rows(np.asarray(space._source.text, np.float32)), text_weight(purpose)
    scores = (unit(space) @ unit(space)[5] + weight * (texts @ texts[5])) / (1 + weight)
    scores[5] = -2
    found = space.similar(space.names[5], 5, purpose=purpose)
    assert names(found) == [space.names[i] for i in np.argsort(-scores)[:5]]
    assert names(found) != names(space.similar(space.names[5], 5))


def test_a_basket_is_the_mean_less_half_the_mean_of_what_to_steer_clear_of(space: Space):
    plus, minus = [0, 4], [1]
    place = unit(space)[plus].mean(axis=0) - 0.5 * unit(space)[minus].mean(axis=0)
    scores = unit(space) @ place
    scores[[*plus, *minus]] = -9
    found = space.similar([space.names[0], int(space.repositories["repo_id"][4].as_py())], 5, minus=space.names[1])
    assert names(found) == [space.names[i] for i in np.argsort(-scores)[:5]]
    row = space.find("numpy/numpy")
    number = space.repositories["repo_id"].to_numpy()[row]
    baskets: list[Any] = ["numpy/numpy", ["numpy/numpy"], number]
    for one in baskets:
        assert names(space.similar(one)) == names(space.similar("https://github.com/numpy/numpy/"))


def test_more_neighbours_than_repositories_are_all_others(space: Space):
    assert len(space.similar("numpy/numpy", 1000)) == len(space) - 1
    assert len(space.similar(["numpy/numpy", "dask/dask"], 1000, minus="redis/redis")) == len(space) - 3


def test_a_repository_that_is_not_here_is_placed_by_its_words(space: Space):
    place = space.place(name="some/body", description="async runtime and threads", language="Rust", topics=["kernel"])
    assert {repository.language for repository in space.similar(place, 5)} == {"Rust"}
    assert {repository.language for repository in space.similar(place, 5, purpose=1)} == {"Rust"}
    with pytest.raises(StarvecError, match="zz/qqzx has no place: none of the words of its name, description"):
        space.place(name="zz/qqzx", description="xyzzyx")


def test_a_place_without_a_text_has_no_purpose(space: Space):
    place = Place(unit(space)[0])
    assert names(space.similar(place, 1)) == ["pandas-dev/pandas"]
    with pytest.raises(StarvecError, match="needs vectors of texts, which this export or place lacks: leave purpose"):
        space.similar(place, purpose=0.5)


def test_a_persons_vector_follows_the_rule_and_stars_are_not_recommended(space: Space):
    me = space.person([(100, ""), (5, "no/where"), (7, "NUMPY/numpy"), "new/data", 104, 6, "numpy/numpy"], "me")
    assert me.rows == [0, 8, N, 4]
    assert me.known == [0, 8, 4], "placed by text"
    assert me.unknown == [(5, "no/where"), 6]
    stars = space.repositories["stars"].to_numpy()
    expected = user_vectors(unit(space), RaggedArray.of([me.known]), stars)[0]
    np.testing.assert_allclose(me.vector, expected, atol=1e-6)
    scores = unit(space) @ expected
    scores[me.rows] = -2
    assert names(space.recommend(me, 6)) == [space.names[i] for i in np.argsort(-scores)[:6]]


def test_a_person_without_a_known_star_is_an_error(space: Space):
    with pytest.raises(StarvecError, match="me starred 2 repositories, none of them in the vocabulary of this export"):
        space.person(["no/where", "new/data"], "me")
    with pytest.raises(StarvecError, match="person needs a list of stars, not the text 'numpy/numpy'"):
        space.person("numpy/numpy")


def test_the_radar_points_to_what_was_starred(space: Space):
    radar = space.radar(space.person(REAL["systems"]))
    assert list(radar) == list(TOPICS)
    assert max(radar, key=radar.__getitem__) == "systems"
    assert all(0 < value < 100 for value in radar.values())


def test_a_match_says_how_alike_two_people_are_and_in_what(space: Space):
    data, both = space.person(REAL["data"], "data"), space.person([*REAL["data"], *REAL["web"]], "both")
    match = space.match(both, data)
    assert match.cosine == pytest.approx(float(both.vector @ data.vector))
    assert match.percentile == space.match(data, both).percentile > 50
    assert match.shared == pytest.approx(0.5, abs=0.01)
    assert space.match(both, both).shared == pytest.approx(1)
    assert sum(interest.share for interest in match.interests) == pytest.approx(1)
    starred = [name for interest in match.interests for name in interest.repositories]
    assert set(starred) == {*REAL["data"], *REAL["web"]}
    for interest in match.interests:
        assert (interest.had > 0.5) == (interest.repositories[0] in REAL["data"]), interest


def test_two_repositories_are_compared_with_random_pairs(space: Space):
    cosine, percentage = space.compare("pandas-dev/pandas", 104)
    assert cosine == pytest.approx(float(unit(space)[0] @ unit(space)[4]), abs=1e-6)
    assert space.compare("pandas-dev/pandas", "facebook/react") < (cosine, percentage)


def test_words_find_repositories_with_their_facts(space: Space):
    found = space.search("reactive browser components", 12)
    assert {repository.name.split("/")[1] for repository in found[2:]} <= {"web", "react", "core", "svelte", "angular"}
    best = found[0]
    facts = space.repositories.slice(space.find(best.name), 1).to_pylist()[0]
    assert (best.repo_id, best.stars, best.description) == (facts["repo_id"], facts["stars"], facts["description"])
    assert {"reactive", "browser", "components"}.issuperset(best.matched)
    assert best.matched


def test_language_and_stars_filter_without_regard_to_case(space: Space):
    found = space.search("training", 200, language="PYTHON", min_stars=300)
    assert {repository.language for repository in found} == {"Python"}
    stars, languages = (space.repositories[name].to_pylist() for name in ("stars", "language"))
    assert len(found) == sum(s >= 300 and of == "Python" for s, of in zip(stars, languages, strict=True))


def test_topics_filter_in_any_spelling(space: Space):
    found = space.search("training", 200, topic=" about_LEARNING", min_stars=300)
    stars, topics = (space.repositories[name].to_pylist() for name in ("stars", "topics"))
    has = [s >= 300 and "About learning" in (of or ()) for s, of in zip(stars, topics, strict=True)]
    assert sorted(names(found)) == sorted(name for name, chosen in zip(space.names, has, strict=True) if chosen)
    assert 0 < len(found) < 12, "of some the topics are not known"


def test_repositories_placed_by_their_text_are_marked(space: Space):
    assert {found.name for found in space.search("kernel", 200) if found.placed_by_text} == {f"new/{t}" for t in TOPICS}
    assert {found.name for found in space.similar("numpy/numpy", 200) if found.placed_by_text} == {
        f"new/{topic}" for topic in TOPICS
    }


def test_what_is_rising_is_filtered_and_ordered_by_a_person(space: Space):
    assert [found.growth for found in space.rising(3)] == [0.5, 0.49, 0.48]
    assert {found.category for found in space.rising(50, field="Web")} == {"web"}
    me = space.person([*REAL["web"], "web-23/web"])
    near = space.rising(50, language="javascript", like=me)
    assert "web-23/web" not in names(near)
    assert near.to_arrow()["cosine"].to_pylist() == sorted(near.to_arrow()["cosine"].to_pylist(), reverse=True)
    assert len(near) == len(space.rising(50, language="javascript")) - 1
    assert space.trends["window"]["last"] == "2024-01-28"


def test_listed_developers_are_found_by_words(space: Space):
    assert [found.login for found in space.search_developers("statistics of tables")] == ["ann", "bob"]
    assert [found.login for found in space.search_developers("browser pages", 1)] == ["bob"]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (lambda s: s.similar([]), "similar needs a repository"),
        (lambda s: s.similar("someone/pandas"), "'someone/pandas' is not among the 100 rep.*: pandas-dev/pandas"),
        (lambda s: s.similar("Pandas-Dev/pandsa"), "Similar names: pandas-dev/pandas"),
        (lambda s: s.similar(5), r"'5' is not among the 100 repositories of this export\.$"),
        (lambda s: s.similar("numpy/numpy", 0), "k is 0: ask for 1 or more"),
        (lambda s: s.search("kernel", -1), "k is -1: ask for 1 or more"),
        (lambda s: s.search_developers("kernel", 0), "k is 0: ask for 1 or more"),
        (lambda s: s.rising(-1), "k is -1: ask for 1 or more"),
        (lambda s: s.similar("numpy/numpy", purpose=float("nan")), "from -1, same people, to 1, same purpose"),
        (lambda s: s.search(" \t"), "the query is empty: describe what you look for"),
        (lambda s: s.search("\x1b[2J" + "z" * 1_000_000), r"no word of '\\x1b\[2Jz+' is in the texts"),
        (lambda s: s.search("kernel", language="rsut"), "in the language 'rsut'. Similar ones: rust"),
        (lambda s: s.search("kernel", min_stars=9_999), "no repository has 9,999 stars here: ask for fewer"),
        (lambda s: s.search("kernel", language="rust", min_stars=9_999), "no repository is in rust and has 9,999"),
        (lambda s: s.search("kernel", topic="about-systms"), "the topic 'about-systms'. Similar ones: about-systems"),
        (lambda s: s.search("kernel", topic="\udc80<b>"), r"export has the topic '\?<b>'\.$"),
        (lambda s: s.search("kernel", topic="web", min_stars=99), "repository has the topic web and has 99 stars"),
        (lambda s: s.search_developers("qqzzy"), "no word of 'qqzzy'"),
        (lambda s: s.rising(field="cooking"), "no repository with stars has the field 'cooking'"),
    ],
    ids=["nothing", "unknown", "misspelt", "number", "count", "words", "developers", "rising", "dial", "blank",
         "hostile", "language", "stars", "both", "topic", "no text", "topic and stars", "people", "field"],
)  # fmt: skip
def test_what_cannot_be_answered_is_said(space: Space, question: Any, sentence: str):
    with pytest.raises(StarvecError, match=sentence) as raised:
        question(space)
    assert len(str(raised.value)) < 300


def test_lists_of_stars_become_vectors_as_those_of_people(space: Space):
    lists = [["numpy/numpy", 100], ["no/where"], [(-1, "facebook/react")], []]
    found = space.transform(lists)
    assert (found.shape, found.dtype) == ((4, D), np.float32)
    np.testing.assert_array_equal(found[0], space.person(lists[0]).vector)
    np.testing.assert_array_equal(found.any(axis=1), [True, False, True, False])
    assert space.transform([]).shape == (0, D)
    words = space.transform_words(["browser pages", "qqzzy"])
    assert words.shape == (2, D)
    assert names(space.similar(Place(words[0]), 3)) == names(space.similar(space.place(description="browser pages"), 3))


def test_a_space_is_a_step_of_a_pipeline_that_copies_no_vector(space: Space):
    rng = np.random.default_rng(0)
    lists, labels = [], []
    for i in range(40):
        topic = ("data", "web")[i % 2]
        lists.append([f"{topic}-{j}/{topic}" for j in rng.choice(np.arange(4, EACH), 5, replace=False)])
        labels.append(topic)
    pipeline = make_pipeline(FunctionTransformer(space.transform), LogisticRegression())
    assert cross_val_score(pipeline, lists, labels, cv=2).mean() > 0.9
    assert copy.deepcopy(space) is space


def test_results_are_rows_and_a_table(space: Space):
    found = space.similar("numpy/numpy", 30)
    table = found.to_arrow()
    assert isinstance(table, pa.Table)
    assert table["name"].to_pylist() == names(found)
    assert (found[-1], len(found[:5]), names(found[::-1])) == (list(found)[-1], 5, names(found)[::-1])
    with pytest.raises(IndexError):
        found[30]
    assert table.to_pandas()["score"].is_monotonic_decreasing
    shown = repr(found).splitlines()
    assert len(shown) == 22
    assert shown[0].split() == ["name", "score", "stars", "language", "placed_by_text", "repo_id", "description"]
    assert shown[-1] == "… and 10 more"
    assert repr(found[:0]).split() == shown[0].split()
