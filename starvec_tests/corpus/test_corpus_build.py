import itertools
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.build import CorpusSummary, build_corpus, corpus_metadata, user_keys
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog

Star = tuple[int, str, int, int]  # user_id, user_login, repo_id, starred_at in seconds

SMALL = CorpusSettings(
    min_stars=5,
    max_stars=40,
    vocabulary=60,
    min_stargazers=3,
    min_users=20,
    heldout_share=0.2,
    heldout_min_vocabulary_stars=8,
)


def simulated_log(users: int = 200, repos: int = 120, seed: int = 0) -> list[Star]:
    """Users of every outcome, with repeated stars, equal times and ids that are not dense."""
    rng = np.random.default_rng(seed)
    stars = []
    for user in range(users):
        login = f"tool{user}[bot]" if user % 20 == 0 else f"user{user}"
        count = 60 if user % 25 == 1 else int(rng.integers(1, 45))
        chosen = np.minimum(rng.geometric(0.04, count), repos)
        stars += [(user * 977 + 5, login, int(repo) * 31, int(rng.integers(0, 50))) for repo in chosen]
    return stars


def write_months(folder: Path, stars: list[Star], months: int) -> list[Path]:
    """Each month holds a share of the rows, its own repeated stars dropped, sorted as raw_stars sorts."""
    paths = []
    for month in range(months):
        first: dict[tuple[int, int], Star] = {}
        for star in stars[month::months]:
            key = (star[0], star[2])
            first[key] = min(first.get(key, star), star, key=lambda s: s[3])
        rows = sorted(first.values(), key=lambda s: (s[0], s[3], s[2]))
        table = pa.table(
            {
                "user_id": pa.array([r[0] for r in rows], pa.int64()),
                "user_login": pa.array([r[1] for r in rows], pa.string()),
                "repo_id": pa.array([r[2] for r in rows], pa.int64()),
                "repo_name": pa.array([f"old/{r[2]}" for r in rows], pa.string()),
                "starred_at": pa.array([r[3] for r in rows], pa.timestamp("s", "UTC")),
            }
        )
        paths.append(folder / f"month-{month}'s.parquet")
        pq.write_table(table, paths[-1], row_group_size=100)
    return paths


def write_catalogue(folder: Path, stars: list[Star]) -> RepoCatalog:
    ids = sorted({star[2] for star in stars})
    pq.write_table(pa.table({"repo_id": ids, "name": [f"owner/{i}" for i in ids]}), folder / "repos.parquet")
    return RepoCatalog(folder / "repos.parquet")


Build = Callable[..., tuple[CorpusSummary, Path]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    runs = itertools.count()

    def run(stars: list[Star], settings: CorpusSettings = SMALL, months: int = 3) -> tuple[CorpusSummary, Path]:
        folder = tmp_path / str(next(runs))
        out = folder / "out"
        out.mkdir(parents=True)
        paths, catalogue = write_months(folder, stars, months), write_catalogue(folder, stars)
        with duckdb.connect(config={"threads": 2, "preserve_insertion_order": False}) as connection:
            return build_corpus(connection, paths, catalogue, out, settings), out

    return run


def expected_lists(stars: list[Star], settings: CorpusSettings) -> tuple[list[int], dict[int, list[int]]]:
    """Apply the selection rules in plain Python: the vocabulary's repo_ids, and each user's list of vocabulary rows."""
    first: dict[int, dict[int, int]] = defaultdict(dict)
    for user, login, repo, time in stars:
        if not login.endswith("[bot]"):
            first[user][repo] = min(time, first[user].get(repo, time))
    eligible = {u: s for u, s in first.items() if settings.min_stars <= len(s) <= settings.max_stars}
    counts = Counter(repo for s in eligible.values() for repo in s)
    ranked = sorted((r for r in counts if counts[r] >= settings.min_stargazers), key=lambda r: (-counts[r], r))
    vocabulary = ranked[: settings.vocabulary]
    rows = {repo: i for i, repo in enumerate(vocabulary)}
    lists = {u: [rows[r] for r in sorted(s, key=lambda r: (s[r], r)) if r in rows] for u, s in eligible.items()}
    return vocabulary, {u: x for u, x in lists.items() if len(x) >= settings.min_vocabulary_stars}


def heldout_lists(out: Path) -> set[frozenset[int]]:
    """The held-out users' vocabulary rows, both halves together."""
    corpus = Corpus.load(out)
    return {frozenset([*a, *b]) for a, b in zip(corpus.heldout_a, corpus.heldout_b, strict=True)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"chunk_rows": 400},
        {"vocabulary": 10_000, "min_stargazers": 10, "min_vocabulary_stars": 8, "heldout_share": 0.5},
    ],
)
def test_lists_and_vocabulary_follow_the_selection_rules(build: Build, changes: dict[str, Any]) -> None:
    stars = simulated_log()
    settings = SMALL.model_copy(update=changes)
    summary, out = build(stars, settings)
    vocabulary, lists = expected_lists(stars, settings)

    repos = pq.read_table(out / "repos.parquet")
    assert repos["repo_id"].to_pylist() == vocabulary
    assert repos["index"].to_pylist() == list(range(len(vocabulary)))
    assert repos["name"].to_pylist() == [f"owner/{repo}" for repo in vocabulary]
    assert (np.diff(repos["stars"].to_numpy()) <= 0).all()
    assert repos["stars"][-1].as_py() == summary.fewest_stargazers >= settings.min_stargazers

    order = sorted(lists, key=lambda user: int(user_keys(np.array([user]), settings.seed)[0]))
    eligible = [user for user in order if len(lists[user]) >= settings.heldout_min_vocabulary_stars]
    heldout = eligible[: round(settings.heldout_share * len(lists))]
    corpus = Corpus.load(out)
    assert corpus.lists.items.dtype == np.int32
    assert corpus.lists.offsets.dtype == np.int64
    assert [x.tolist() for x in corpus.lists] == [lists[user] for user in order if user not in heldout]
    for user, a, b in zip(heldout, corpus.heldout_a, corpus.heldout_b, strict=True):
        assert sorted([*a, *b]) == sorted(lists[user])
        assert len(a) - len(b) in (0, 1)
        assert [x for x in lists[user] if x in a] == a.tolist()
        assert [x for x in lists[user] if x in b] == b.tolist()
    before, after = corpus.test_by_order
    assert [[*x, *y] for x, y in zip(before, after, strict=True)] == [lists[user] for user in heldout[1::2]]
    assert [len(x) for x in after] == [len(lists[user]) // 5 for user in heldout[1::2]]


def test_files_are_the_same_bytes_for_any_chunk_size_and_month_boundaries(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    stars = [(user // 977, *star) for user, *star in simulated_log()]  # dense ids: chunks end at ids of users
    _, one = build(stars, months=1)
    monkeypatch.setattr("starvec_assets.corpus.build.WRITE_CHUNK_USERS", 7)
    _, other = build(list(reversed(stars)), SMALL.model_copy(update={"chunk_rows": 333}), months=4)
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    assert [(one / name).read_bytes() for name in names] == [(other / name).read_bytes() for name in names]


def test_summary_accounts_for_every_row_and_user(build: Build) -> None:
    stars = simulated_log()
    summary, out = build(stars, months=1)
    assert sum(summary.stars.values()) == summary.rows
    assert sum(summary.users.values()) == len({star[0] for star in stars})
    assert summary.users["bot"] == 10
    assert min(summary.users[outcome] for outcome in ("too_few", "too_many", "heldout", "trained")) > 0
    corpus = Corpus.load(out)
    assert summary.users["heldout"] == len(corpus.heldout_a)
    assert summary.users["trained"] == len(corpus.lists)
    assert summary.stars["trained"] == len(corpus.lists.items)


def test_metadata_shows_counts_chart_and_most_starred(build: Build) -> None:
    summary, out = build(simulated_log())
    metadata = corpus_metadata(out, summary)
    assert metadata["people trained on"] == summary.users["trained"]
    assert f"| trained | {summary.users['trained']:,} |" in str(metadata["people"])
    assert "data:image/png" in str(metadata["stars per person"])
    assert "owner/" in str(metadata["most starred"])


def test_the_earliest_of_repeated_stars_decides_the_order_across_months(build: Build) -> None:
    late = [(user, f"u{user}", repo, 1_000 + repo) for user in range(60) for repo in range(1, 11)]
    early = [(user, f"u{user}", 10, 7) for user in range(60)]
    _, out = build(late + early, months=2)
    corpus = Corpus.load(out)
    assert {tuple(corpus.repo_ids[x].tolist()) for x in corpus.lists} == {(10, 1, 2, 3, 4, 5, 6, 7, 8, 9)}


def test_held_out_users_and_their_halves_stay_when_other_users_join(build: Build) -> None:
    stars = simulated_log()
    everything = SMALL.model_copy(update={"vocabulary": 10_000, "min_stargazers": 1, "heldout_max": 5})
    _, before = build(stars, everything)
    newcomers = [(10**9 + user, f"new{user}", repo * 31, 0) for user in range(4) for repo in range(1, 31)]
    keys = user_keys(np.array([10**9 + user for user in range(4)]), everything.seed)
    assert (keys > np.uint64(1 << 61)).all(), "newcomers must sort after the held-out users"
    _, after = build(stars + newcomers, everything)

    def halves(out: Path) -> list[set[int]]:
        corpus = Corpus.load(out)
        return [set(corpus.repo_ids[x].tolist()) for x in (*corpus.heldout_a, *corpus.heldout_b)]

    assert halves(before) == halves(after)


def test_halves_are_drawn_per_user(build: Build) -> None:
    _, out = build([(user, f"u{user}", repo, repo) for user in range(60) for repo in range(1, 13)])
    assert len({frozenset(half.tolist()) for half in Corpus.load(out).heldout_a}) > 1


def test_another_seed_holds_out_other_users(build: Build) -> None:
    stars = simulated_log()
    (_, one), (_, other) = build(stars), build(stars, SMALL.model_copy(update={"seed": 1}))
    assert heldout_lists(one) != heldout_lists(other)


def test_user_keys_are_distinct_and_unrelated_to_the_order_of_ids() -> None:
    keys = user_keys(np.arange(10_000), 0)
    assert len(np.unique(keys)) == 10_000
    assert abs(np.corrcoef(np.arange(10_000), np.argsort(keys))[0, 1]) < 0.05


def test_no_months_is_an_error_naming_the_asset(tmp_path: Path) -> None:
    with duckdb.connect() as connection, pytest.raises(StarvecError, match="materialize raw_stars"):
        build_corpus(connection, [], RepoCatalog(tmp_path), tmp_path, SMALL)


def test_months_without_stars_are_an_error(build: Build) -> None:
    with pytest.raises(StarvecError, match="no star in any of 3 months"):
        build([])


def test_empty_vocabulary_names_the_limits_to_change(build: Build) -> None:
    with pytest.raises(StarvecError, match=r"empty vocabulary.*min_stargazers 5000.*lower min_stargazers"):
        build(simulated_log(), SMALL.model_copy(update={"min_stargazers": 5000}))


def test_no_eligible_user_is_an_error_with_counts_by_outcome(build: Build) -> None:
    with pytest.raises(StarvecError, match=r"the 0 users with 5 to 40 stars .*'too_few': 30"):
        build([(user, f"u{user}", repo, 0) for user in range(30) for repo in range(3)])


def test_too_few_users_is_an_error_with_counts(build: Build) -> None:
    with pytest.raises(StarvecError, match=r"too few users: .*min_users 100,000.*lower"):
        build(simulated_log(), SMALL.model_copy(update={"min_users": 100_000}))


def test_no_heldout_user_is_an_error(build: Build) -> None:
    with pytest.raises(StarvecError, match=r"0 39 or more; so 0 would be held out"):
        build(simulated_log(), SMALL.model_copy(update={"heldout_min_vocabulary_stars": 39}))


def test_repository_missing_from_the_catalogue_is_an_error(tmp_path: Path) -> None:
    stars = simulated_log()
    paths = write_months(tmp_path, stars, 1)
    catalogue = write_catalogue(tmp_path, [star for star in stars if star[2] != 31])
    with duckdb.connect() as connection, pytest.raises(StarvecError, match=r"1 of 60 .* repo_id 31, .*repo_catalog"):
        build_corpus(connection, paths, catalogue, tmp_path, SMALL)


def test_corrupt_month_is_named(tmp_path: Path) -> None:
    paths = write_months(tmp_path, simulated_log(), 2)
    paths[1].write_bytes(b"PAR1 cut short")
    with duckdb.connect() as connection, pytest.raises(StarvecError, match="month-1"):
        build_corpus(connection, paths, RepoCatalog(tmp_path), tmp_path, SMALL)


def test_no_temporary_file_remains(build: Build) -> None:
    _, out = build(simulated_log())
    halves = {f"heldout_{half}{part}.npy" for half in ("", "a_", "b_") for part in ("items", "offsets")}
    assert {path.name for path in out.iterdir()} == {"items.npy", "offsets.npy", "repos.parquet"} | halves


@pytest.mark.parametrize("limits", [{"min_stars": 9, "max_stars": 8}, {"min_vocabulary_stars": 11}])
def test_contradicting_limits_are_refused_by_name(limits: dict[str, int]) -> None:
    with pytest.raises(StarvecError, match=f"{next(iter(limits))} .* is above"):
        CorpusSettings(**limits)
