"""The two simulated years are as described, and the table goes from no lists to everybody's."""

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.github import QueryTooLarge, StarredPage, StarredRequest
from starvec_assets.vectors import Matrix

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PEOPLE, HELD_OUT, INTERESTS, SIZE, STARS = 600, 60, 6, 60, 50


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stars of 600 people, each of 50 of the 60 repositories of an interest; interests in a list, 30 real people."""
    folder = tmp_path_factory.mktemp("shared")
    rng = np.random.default_rng(0)
    lists = [SIZE * rng.integers(INTERESTS) + rng.permutation(SIZE)[:STARS] for _ in range(PEOPLE)]
    names = np.array([f"owner/repo-{i}" for i in range(INTERESTS * SIZE)])
    repos = np.concatenate(lists)
    stars = {"user": np.repeat(np.arange(PEOPLE), STARS), "repo_id": repos + 7, "repo": names[repos]}
    pq.write_table(pa.table(stars), folder / "stars.parquet")
    for name in ("awesome", "real_users"):
        (folder / name).mkdir()
    items = [f"- [x](https://github.com/{name}) a thing" for name in names]
    sections = [f"## Interest {i}\n" + "\n".join(items[i * SIZE : (i + 1) * SIZE]) for i in range(INTERESTS)]
    (folder / "awesome" / "list.md").write_text("# Awesome\n\n" + "\n\n".join(sections) + "\n")
    real = {"user": np.repeat(np.arange(30), STARS), "repo": names[np.concatenate(lists[:30])]}
    pq.write_table(pa.table(real), folder / "real_users" / "stars.parquet")
    about = {"repo": names, "description": ["a thing"] * len(names), "language": ["C"] * len(names)}
    pq.write_table(pa.table(about), folder / "real_users" / "repos.parquet")
    return folder


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import starred_lists

    monkeypatch.setattr(starred_lists, "HELD_OUT", HELD_OUT)
    return starred_lists


def test_the_archive_has_the_first_year_and_a_hundredth_of_the_second(
    benchmark: ModuleType, shared: Path, tmp_path: Path
) -> None:
    simulation = benchmark.simulate(shared / "stars.parquet", shared, tmp_path, seed=1)
    log, later, kept, active = (pq.read_table(tmp_path / f"{n}.parquet") for n in ("log", "later", "kept", "active"))
    new = pa.array(simulation.repo_ids[simulation.new])
    assert len(new) == INTERESTS * SIZE / 2
    assert pc.max(log["starred_at"]).as_py() < benchmark.CHANGE <= pc.min(later["starred_at"]).as_py()
    assert not pc.any(pc.is_in(log["repo_id"], new)).as_py()
    assert set(new.to_pylist()) <= set(later["repo_id"].to_pylist())
    assert 0.005 < len(kept) / len(later) < 0.02
    assert len(simulation.users) == len(log) + len(later)
    people = {*log["user_id"].to_pylist(), *later["user_id"].to_pylist()}
    assert len(people) == pytest.approx(PEOPLE - HELD_OUT, abs=10)  # some ended before a repository was born
    assert len(simulation.heldout[0]) == HELD_OUT
    joined = set(later["user_id"].to_pylist()) - set(log["user_id"].to_pylist())
    assert len(joined) == pytest.approx((PEOPLE - HELD_OUT) / 4, rel=0.2)
    never = set(active["user_id"].to_pylist()) - people
    assert len(never) == pytest.approx(PEOPLE, abs=10)


def test_the_stand_in_serves_whole_lists_newest_first_but_not_too_much_at_once(
    benchmark: ModuleType, shared: Path, tmp_path: Path
) -> None:
    simulation = benchmark.simulate(shared / "stars.parquet", shared, tmp_path, seed=1)
    number = int(simulation.users[-1])
    with benchmark.SimulatedGitHub(simulation, "stars") as github:
        pages: list[StarredPage] = []
        while not pages or pages[-1].after:
            after = pages[-1].after if pages else None
            pages += github.starred_pages([StarredRequest(f"user{number}", after)], page_size=20)
        stars = [star for page in pages for star in page.stars]
        own = simulation.users == number
        assert [star.repo_id for star in stars] == simulation.repo_ids[simulation.stars[own]][::-1].tolist()
        assert sorted(stars, key=lambda star: star.starred_at, reverse=True) == stars
        assert {page.total for page in pages} == {own.sum()}
        with pytest.raises(QueryTooLarge):
            github.starred_pages([StarredRequest(f"user{number}")] * 40)


def test_more_lists_bring_more_of_the_complete_archive(
    benchmark: ModuleType,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def together(corpus: Corpus, **change: object) -> tuple[Matrix, None]:
        """The people whom each repository shares with every other one."""
        lists = corpus.lists.matrix(corpus.n)
        return (lists.T @ lists).toarray(), None

    monkeypatch.setattr(benchmark, "ours", together)
    simulation = benchmark.simulate(shared / "stars.parquet", shared, tmp_path, seed=1)
    judge = benchmark.Judge(simulation, shared)
    measure = partial(benchmark.measure, simulation, judge, CorpusSettings(), 0.5, 1)
    benchmark.compare_shares(simulation, measure, [0.1, 1.0])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    column = {title: [row[i] for row in rows[2:]] for i, title in enumerate(rows[0])}
    assert column["new repositories"][:3] == ["180", "0", "0"]
    complete, none, kept, few, everybody = (float(ndcg) for ndcg in column["NDCG@10"])
    assert none == kept == 0 < few < everybody
    assert everybody > 0.9 * complete
