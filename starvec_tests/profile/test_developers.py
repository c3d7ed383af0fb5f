import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.profile.developers import Developer, build_developers, read_developers

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


def test_the_shipped_list_has_sixty_people_of_many_fields():
    people = read_developers()
    assert len(people) >= 60
    assert len({person.field for person in people}) >= 15
