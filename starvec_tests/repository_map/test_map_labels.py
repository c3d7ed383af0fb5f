import numpy as np
import pytest

from starvec_assets.repository_map.labels import MAX_CHARS, collect_terms, label_clusters


def repository(name, description=None, language=None, topics=None):
    return {"name": name, "description": description, "language": language, "topics": topics}


def labelled(clusters, parents=None):
    """Labels of clusters given as lists of repositories."""
    rows = [row for members in clusters for row in members]
    ids = np.repeat(np.arange(len(clusters)), [len(members) for members in clusters])
    return label_clusters(collect_terms(rows), ids, parents or {})


EDITORS = [repository(f"o/e{i}", "A modal text editor for the terminal", "C") for i in range(12)]
MODELS = [repository(f"o/m{i}", "Deep learning for images. A fast library", "Python") for i in range(12)]


def test_labels_are_what_is_common_here_and_rare_elsewhere():
    labels = labelled([EDITORS, MODELS])
    assert set(labels[0].replace(",", "").split()) & {"modal", "editor", "terminal"}
    assert "deep learning" in labels[1]
    assert "the" not in labels[0].split()


def test_phrases_keep_their_order_and_do_not_cross_a_full_stop():
    assert "learning deep" not in labelled([EDITORS, MODELS])[1]
    names = collect_terms(MODELS).names
    assert "deep learning" in names
    assert "images fast" not in names


def test_topics_and_names_count_and_singular_and_plural_are_one_term():
    rows = [repository("o/x", topics=["game-engine"]) for _ in range(4)] + [
        repository("o/game-engines") for _ in range(3)
    ]
    terms = collect_terms(rows)
    assert "game engine" in terms.names
    assert "game engines" not in terms.names
    assert terms.of_rows[:, [terms.names.index("game engine")]].sum() == 7


def test_no_two_siblings_begin_alike():
    games = [
        [repository(f"o/g{k}{i}", f"game {extra}", None) for i in range(9)]
        for k, extra in enumerate(("chess", "go kit"))
    ]
    labels = labelled([*games, EDITORS], {0: 7, 1: 7, 2: 8})
    assert labels[0].split(", ")[0] != labels[1].split(", ")[0]


def test_a_language_is_named_where_nothing_else_is_said():
    ruby = [repository(f"o/r{i}", f"ruby gem {i}x", "Ruby") for i in range(9)]
    bare = [repository(f"o/b{i}", "haskell", "Haskell") for i in range(9)]
    labels = labelled([ruby, bare, EDITORS])
    assert labels[0].startswith(("gem", "ruby gem"))
    assert labels[1] == "haskell"


@pytest.mark.parametrize("description", [None, "", "the of and", "🚀 1 2"], ids=["none", "empty", "stopwords", "signs"])
def test_a_cluster_without_words_is_named_by_its_most_starred_repository(description):
    nameless = [repository(f"{owner}/-", description) for owner in "abcdef"]
    assert labelled([nameless, EDITORS])[0] == "a/-"


def test_siblings_with_the_same_words_are_told_apart_by_their_most_starred_repositories():
    labels = labelled([EDITORS[:6], EDITORS[6:], MODELS], {0: 7, 1: 7, 2: 7})
    assert len({label.split(", ")[0] for label in labels.values()}) == 3
    labels = labelled([[repository(f"{owner}/chess")] * 6 for owner in "ab"] + [EDITORS], {0: 7, 1: 7, 2: 7})
    assert labels[0] == "chess"
    assert labels[1] == "b/chess, chess"


def test_no_text_at_all_leaves_names():
    assert labelled([[repository("o/-")], [repository("o/.")]]) == {0: "o/-", 1: "o/."}


def test_labels_are_short_and_without_markup():
    long = "w" * 200
    rows = [
        repository(f"o/l{i}", f"{long} <b>x</b> [link](https://example.com/aaa) &amp;\x00\u202e {long}")
        for i in range(9)
    ]
    label = labelled([rows, EDITORS])[0]
    assert len(label) <= MAX_CHARS
    assert not set(label) & set("<>[]()\x00\u202e&")
    assert "https" not in label
