import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.analogies import (
    ALL,
    METHODS,
    Questions,
    answer_ranks,
    build_questions,
    read_relations,
    score_table,
)
from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.vectors import unit_rows


def brute_force(vectors, rows, score):
    """Rank of d, one question at a time, from the cosines of all repositories but a, b and c."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ranks = []
    for a, b, c, d in rows:
        scores = score(*(unit @ unit[i] for i in (a, b, c)))
        others = [i for i in range(len(unit)) if i not in (a, b, c)]
        ranks.append(1 + sum(scores[i] > scores[d] for i in others))
    return ranks


@pytest.mark.parametrize("columns", [7, 256])
def test_ranks_equal_brute_force_for_any_block_size(monkeypatch, columns):
    monkeypatch.setattr("starvec_assets.evaluation.analogies._BLOCK_COLUMNS", columns)
    vectors = random_vectors(60, 5, seed=0)
    rows = np.stack([np.random.default_rng(i).permutation(60)[:4] for i in range(40)])
    ranked = answer_ranks(vectors, Questions(["r"], np.zeros(40, np.int64), rows, {}))
    for method, score in METHODS.items():
        assert ranked[method].tolist() == brute_force(vectors, rows, score), method


def scores_of(vectors, questions):
    return score_table(answer_ranks(vectors, questions), questions, len(vectors))


def test_additive_structure_is_answered_by_arithmetic_but_not_by_similarity():
    # a subject and a role add up to a repository: ten subjects, twelve roles
    rng = np.random.default_rng(0)
    subjects, roles = rng.standard_normal((10, 64)), rng.standard_normal((12, 64))
    vectors = unit_rows((subjects[:, None] + roles[None]).reshape(120, 64))
    pairs = [(f"o/{s}-0", f"o/{s}-1") for s in range(10)]
    questions = build_questions({"role": pairs}, {f"o/{i // 12}-{i % 12}": i for i in range(120)})
    assert len(questions.rows) == 10 * 9
    scores = {row["method"]: row for row in scores_of(vectors, questions).to_pylist() if row["relation"] == ALL}
    assert scores["3cosadd"]["at_1"] > 0.95
    assert scores["3cosmul"]["at_1"] > 0.95
    assert scores["b_alone"]["at_1"] < 0.3
    assert scores["c_alone"]["at_1"] < 0.3
    assert scores["chance"]["at_1"] == pytest.approx(1 / 117)
    assert scores["chance"]["at_10"] == pytest.approx(10 / 117)


def test_scores_match_a_hand_calculation():
    questions = Questions(["r"], np.zeros(3, np.int64), np.array([[0, 1, 2, 3]] * 3), {})
    row = score_table({"3cosadd": np.array([1.0, 10.0, 11.0])}, questions, 50).to_pylist()[0]
    assert (row["at_1"], row["at_10"]) == pytest.approx((1 / 3, 2 / 3))
    assert row["mrr"] == pytest.approx((1 + 1 / 10 + 1 / 11) / 3)


def test_ties_share_the_mean_rank():
    questions = Questions(["r"], np.zeros(1, np.int64), np.array([[0, 1, 2, 3]]), {})
    assert answer_ranks(np.ones((23, 2), np.float32), questions)["3cosadd"].tolist() == [1 + 19 / 2]


def test_overall_score_weights_relations_equally():
    rng = np.random.default_rng(1)
    rows = np.stack([rng.permutation(50)[:4] for _ in range(30)])
    questions = Questions(["few", "many"], np.array([0] * 5 + [1] * 25), rows, {})
    table = [row for row in scores_of(random_vectors(50, 4, 2), questions).to_pylist() if row["method"] == "b_plus_c"]
    few, many, whole = table
    assert (few["questions"], many["questions"], whole["questions"]) == (5, 25, 30)
    assert whole["mrr"] == pytest.approx((few["mrr"] + many["mrr"]) / 2)


def test_missing_repositories_are_reported_and_questions_have_four_different_ones():
    relations = {"r": [("o/A", "o/b"), ("o/c", "o/d"), ("o/e", "o/b"), ("o/gone", "o/f")], "s": [("x/1", "x/2")] * 2}
    questions = build_questions(relations, {"o/a": 0, "o/b": 1, "o/c": 2, "o/d": 3, "o/e": 4, "o/f": 5})
    assert questions.names == ["r"]
    assert questions.missing == {"r": ["o/gone"], "s": ["x/1", "x/2"]}
    # A : b and e : b share their answer: no question
    assert questions.rows.tolist() == [[0, 1, 2, 3], [2, 3, 0, 1], [2, 3, 4, 1], [4, 1, 2, 3]]


def test_no_questions_give_an_empty_table():
    assert (
        scores_of(random_vectors(9, 3, 0), build_questions({"r": [("a/b", "c/d"), ("e/f", "g/h")]}, {})).num_rows == 0
    )


def test_shipped_relations_give_at_least_sixty_questions():
    relations = read_relations()
    names = {name for pairs in relations.values() for pair in pairs for name in pair}
    assert len({name.lower() for name in names}) == len(names), "one spelling each"
    questions = build_questions(relations, {name.lower(): row for row, name in enumerate(sorted(names))})
    assert len(relations) >= 10
    assert len(questions.rows) >= 60
    assert questions.missing == {}
    assert ("microsoft/TypeScript", "javascriptdata/danfojs") in relations["data frames of a language"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["r"]\n"a/b" = "c/d"\n', "'r' needs at least two pairs"),
        ('r = 3\n', "'r' needs at least two pairs"),
        ('["r"]\n"a/b" = "c/d"\n"e" = "f/g"\n', "'e', which is not owner/name"),
        ('["r"]\n"a/b" = "c/d"\n"e/f" = 3\n', "3, which is not owner/name"),
        ('["r"]\n"a/b" = "c/d"\n"a/b" = "e/f"\n', "cannot be read as TOML"),
    ],
)  # fmt: skip
def test_invalid_relation_files_are_refused(tmp_path, text, message):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(StarvecError, match=message):
        read_relations(tmp_path / "mine.toml")
