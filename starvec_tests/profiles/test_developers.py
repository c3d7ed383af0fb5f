from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.github import NotFound, RateLimited, Star
from starvec_assets.profiles.developers import Developer, ask_github, build_developers, read_developers, starred_rows

PEOPLE = [
    Developer("Ada", "Ada L.", "engines"),
    Developer("grace", "Grace H.", "compilers"),
    Developer("nobody", "N.", "x"),
]


def test_vectors_follow_the_rule_and_people_with_too_few_stars_are_named(tmp_path):
    vectors = np.eye(6, dtype=np.float32)
    stars = np.array([1024, 1, 1, 1, 1, 1])  # at the power 0.1 the first counts half
    summary = build_developers({"ada": [0, 1, 1], "grace": [2]}, vectors, stars, PEOPLE, tmp_path, min_stars=2)
    assert summary.kept == {"Ada": 2}
    assert summary.left_out == {"grace": 1, "nobody": 0}
    assert np.load(tmp_path / "vectors.npy") == pytest.approx(np.array([[1, 2, 0, 0, 0, 0]]) / np.sqrt(5))
    assert pq.read_table(tmp_path / "developers.parquet").to_pylist() == [
        {"login": "Ada", "name": "Ada L.", "field": "engines", "stars_used": 2}
    ]


def test_nobody_left_gives_an_empty_table(tmp_path):
    build_developers({}, np.eye(4, dtype=np.float32), np.ones(4, int), PEOPLE, tmp_path)
    assert np.load(tmp_path / "vectors.npy").shape == (0, 4)
    assert pq.read_table(tmp_path / "developers.parquet").num_rows == 0


def test_the_file_is_tab_separated_with_comments(tmp_path):
    file = tmp_path / "developers.tsv"
    file.write_text("# who\n\nada\tAda Lovelace\tengines\n", encoding="utf-8")
    assert read_developers(file) == [Developer("ada", "Ada Lovelace", "engines")]


@pytest.mark.parametrize(
    "line", ["ada Ada Lovelace", "ada\tAda", "a--b\tA\tx", "-a\tA\tx", "a/../b\tA\tx", "\tA\tx", "a" * 40 + "\tA\tx"]
)
def test_a_malformed_line_is_named(tmp_path, line):
    file = tmp_path / "developers.tsv"
    file.write_text(f"# who\n{line}\n", encoding="utf-8")
    with pytest.raises(StarvecError, match="line 2"):
        read_developers(file)


def test_a_login_that_stands_twice_is_named(tmp_path):
    file = tmp_path / "developers.tsv"
    file.write_text("ada\tA\tx\nAda\tB\ty\n", encoding="utf-8")
    with pytest.raises(StarvecError, match="Ada stands twice"):
        read_developers(file)


def test_a_table_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StarvecError, match=r"developers' table .*/none.tsv cannot be read .*: name another one"):
        read_developers(tmp_path / "none.tsv")


def test_the_shipped_list_has_sixty_people_of_many_fields():
    people = read_developers()
    assert len(people) >= 60
    assert len({person.field for person in people}) >= 15


def star(repo_id: int, name: str) -> Star:
    return Star(repo_id, name, datetime(2024, 1, 1, tzinfo=UTC), None, None, None)


def test_github_is_asked_for_everyone_and_who_is_unknown_is_named():
    asked = []

    def starred(login, user_id):
        asked.append((login, user_id))
        if login == "nobody":
            raise NotFound("there is no GitHub user nobody")
        return iter([star(1, "a/b")])

    answers = ask_github(starred, PEOPLE, {"ada": 7})
    assert asked == [("Ada", 7), ("grace", None), ("nobody", None)]
    assert {login: len(stars) for login, stars in answers.stars.items()} == {"ada": 1, "grace": 1}
    assert answers.unknown == {"nobody": "there is no GitHub user nobody"}


def test_a_spent_rate_limit_is_no_omission():
    def starred(login, user_id):
        raise RateLimited("spent until noon")

    with pytest.raises(StarvecError, match="until noon"):
        ask_github(starred, PEOPLE, {})


def test_stars_reach_the_vocabulary_by_number_else_by_present_or_former_name():
    wanted = []

    def ids_of(names):
        wanted.extend(names)
        return {"old/name": 30, "un/popular": 99}

    stars = {
        "ada": [star(10, "a/a"), star(77, "Old/Name"), star(99, "un/popular"), star(5, "no/where")],
        "grace": [star(20, "renamed/meanwhile")],
    }
    assert starred_rows(stars, {10: 0, 20: 1, 30: 2}, ids_of) == {"ada": [0, 2], "grace": [1]}
    assert sorted(wanted) == ["Old/Name", "no/where", "un/popular"]
