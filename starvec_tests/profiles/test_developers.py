from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.github import Blocked, NotFound, RateLimited, StarredRepository, Unanswered
from starvec_assets.item_faults import ServiceDown
from starvec_assets.profiles.developers import (
    Developer,
    DeveloperStars,
    build_developers,
    developer_vectors_metadata,
    exclusion_reasons,
    exclusion_warning,
    fetch_stars,
    read_developers,
    starred_rows,
    use_github_api,
)
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.quantiles import percentile
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.prototypes import Prototypes
from starvec_assets.vectors import unit_rows

PEOPLE = [
    Developer("Ada", "Ada L.", "engines"),
    Developer("grace", "Grace H.", "compilers"),
    Developer("nobody", "N.", "x"),
]


def sample(d: int, people: int = 100) -> PeopleSample:
    """Random people of two bins."""
    vectors = unit_rows(np.random.default_rng(0).standard_normal((people, d)))
    return PeopleSample(vectors, np.arange(people) % 2, StarBins((1, 10), (50, 50)))


def test_vectors_follow_the_user_rule_and_developers_with_few_stars_are_excluded(tmp_path):
    vectors = np.eye(6, dtype=np.float32)
    stars = np.array([1024, 1, 1, 1, 1, 1])  # 1024 ** -0.1 = 0.5
    rows = {"ada": [0, 1, 1], "grace": [2]}
    summary = build_developers(rows, vectors, stars, PEOPLE, sample(6), sample(6), tmp_path, min_stars=2)
    assert summary.included == {"Ada": 2}
    assert summary.excluded == {"grace": 1, "nobody": 0}
    assert np.load(tmp_path / "vectors.npy") == pytest.approx(np.array([[1, 2, 0, 0, 0, 0]]) / np.sqrt(5))
    assert pq.read_table(tmp_path / "developers.parquet").to_pylist() == [
        {"login": "Ada", "name": "Ada L.", "field": "engines", "stars_used": 2}
    ]
    nearness = Prototypes.load(tmp_path).closeness(vectors)
    assert nearness == pytest.approx(np.array([[0.5, 0.5, 0, 0, 0, 0]])), "a star repeated counts once"


def test_no_included_developer_gives_an_empty_table(tmp_path):
    people = sample(4)
    summary = build_developers({}, np.eye(4, dtype=np.float32), np.ones(4, int), PEOPLE, people, people, tmp_path)
    assert np.load(tmp_path / "vectors.npy").shape == (0, 4)
    assert np.load(tmp_path / "quantiles.npy").shape == (0, 2, 33)
    assert summary.heldout == {}
    assert pq.read_table(tmp_path / "developers.parquet").num_rows == 0


def test_a_percentile_is_of_people_with_about_as_many_stars_in_the_same_place(world, tmp_path):
    rows = {"ada": [*range(20)], "grace": [*range(500, 540)]}
    summary = build_developers(rows, world.vectors, world.star_counts, PEOPLE, world.people, world.fresh, tmp_path)
    vectors, tables = np.load(tmp_path / "vectors.npy"), np.load(tmp_path / "quantiles.npy")
    assert StarBins.load(tmp_path) == world.people.bins
    assert tables.shape == (2, 2, 33)
    assert tables.dtype == np.int16
    few, many = (people @ vectors[1] for people in world.people.by_bin())
    for cosines, table in ((few, tables[1, 0]), (many, tables[1, 1])):
        assert percentile(table, np.median(cosines)) == pytest.approx(50, abs=0.5)
        assert percentile(table, np.quantile(cosines, 0.95)) == pytest.approx(95, abs=0.5)
    assert list(summary.heldout) == world.people.bins.labels
    for test in summary.heldout.values():
        assert test.count > 400
        assert test.p_value > 0.01
        assert test.top_share == pytest.approx(0.05, abs=0.03)


def test_tab_separated_lines_and_comments_are_parsed(tmp_path):
    file = tmp_path / "developers.tsv"
    file.write_text("# who\n\nada\tAda Lovelace\tengines\n", encoding="utf-8")
    assert read_developers(file) == [Developer("ada", "Ada Lovelace", "engines")]


@pytest.mark.parametrize(
    "line", ["ada Ada Lovelace", "ada\tAda", "a/../b\tA\tx", "..\tA\tx", "\tA\tx", "a" * 200 + "\tA\tx"]
)
def test_a_malformed_line_is_an_error_with_its_number(tmp_path, line):
    file = tmp_path / "developers.tsv"
    file.write_text(f"# who\n{line}\n", encoding="utf-8")
    with pytest.raises(StarvecError, match="line 2"):
        read_developers(file)


def test_a_duplicate_login_is_an_error(tmp_path):
    file = tmp_path / "developers.tsv"
    file.write_text("ada\tA\tx\nAda\tB\ty\n", encoding="utf-8")
    with pytest.raises(StarvecError, match="duplicate login Ada"):
        read_developers(file)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(StarvecError, match=r"cannot read the developers' table .*/none\.tsv"):
        read_developers(tmp_path / "none.tsv")


def test_the_shipped_list_has_sixty_people_of_many_fields():
    people = read_developers()
    assert len(people) >= 60
    assert len({person.field for person in people}) >= 15


def star(repo_id: int, name: str) -> StarredRepository:
    return StarredRepository(repo_id, name, datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("refusal", [NotFound("there is no GitHub user nobody"), Blocked("403"), Unanswered("502")])
def test_stars_of_every_developer_are_fetched_and_refused_logins_listed(refusal):
    requests = []

    def starred(login, user_id):
        requests.append((login, user_id))
        if login == "nobody":
            raise refusal
        return iter([star(1, "a/b")])

    stars, refused, stopped = fetch_stars(starred, ["nobody", "Ada", "grace"], {"ada": 7})
    assert requests == [("nobody", None), ("Ada", 7), ("grace", None)]
    assert stars == {"ada": [star(1, "a/b")], "grace": [star(1, "a/b")]}
    assert (refused, stopped) == ({"nobody": str(refusal)}, "")


def test_a_spent_rate_limit_ends_the_requests_and_keeps_what_came():
    requests = []

    def starred(login, user_id):
        requests.append(login)
        if login == "grace":
            yield star(1, "a/b")
            raise RateLimited("spent until noon")
        yield star(2, "a/c")

    assert fetch_stars(starred, ["ada", "grace", "ken"], {}) == ({"ada": [star(2, "a/c")]}, {}, "spent until noon")
    assert requests == ["ada", "grace"]
    assert fetch_stars(starred, ["grace", "ada"], {}) == ({}, {}, "spent until noon")


def test_developers_who_all_fail_alike_end_the_requests():
    def starred(login, user_id):
        raise Unanswered("502: Unicorn!")

    with pytest.raises(ServiceDown, match=r"people at GitHub: the last 5 all failed, p4 with: 502: Unicorn!"):
        fetch_stars(starred, [f"p{i}" for i in range(99)], {})


def test_stars_are_matched_by_repository_id_else_by_name():
    looked_up = []

    def repo_ids(names):
        looked_up.extend(names)
        return {"old/name": 30, "un/popular": 99}

    stars = {
        "ada": [star(10, "a/a"), star(77, "Old/Name"), star(99, "un/popular"), star(5, "no/where")],
        "grace": [star(20, "renamed/meanwhile")],
    }
    assert starred_rows(stars, {10: 0, 20: 1, 30: 2}, repo_ids) == {"ada": [0, 2], "grace": [1]}
    assert sorted(looked_up) == ["Old/Name", "no/where", "un/popular"]


@pytest.mark.parametrize(
    ("stars_from", "has_token", "simulated", "expected"),
    [
        ("auto", True, False, True),
        ("auto", False, False, False),
        ("auto", True, True, False),
        ("github", False, True, True),
        ("log", True, False, False),
    ],
)
def test_source_of_stars(stars_from, has_token, simulated, expected):
    assert use_github_api(stars_from, has_token, simulated) is expected


def test_exclusions_are_shown_with_their_reasons(tmp_path):
    stars = DeveloperStars(
        {"ada": [0, 1], "grace": [2]}, "the GitHub API", {"nobody": "there is no GitHub user nobody"}
    )
    vectors, people = np.eye(4, dtype=np.float32), sample(4)
    summary = build_developers(stars.rows, vectors, np.ones(4, int), PEOPLE, people, people, tmp_path, min_stars=2)
    reasons = exclusion_reasons(summary, stars)
    assert reasons["grace"].startswith("1 starred")
    assert reasons["nobody"] == "there is no GitHub user nobody"
    assert exclusion_warning(reasons, 2, shown=1).endswith("and 1 more, in the metadata")
    metadata = developer_vectors_metadata(tmp_path, summary, stars)
    assert metadata["stars of developers from"] == "the GitHub API"
    assert "grace" in str(metadata["left out"])
    assert "| Ada |" in str(metadata["developers"])
    assert "1 to 9" in str(metadata["held-out people"])
