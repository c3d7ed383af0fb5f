"""Measure what people's own lists give back of the stars that the archive has no more.

    python benchmarks/starred_lists.py --stars stars.parquet [--shared ../shared/data] [--seed 1]
    python benchmarks/starred_lists.py --stars stars.parquet --rules

`stars.parquet` is as for benchmarks/training.py: user, repo_id and repo, one row per star. Two years are made of it:

* Half of the repositories, drawn at random, are new: each is born at a random time of the second year.
* Half of the people star in both years. A quarter end at a random time of the first, a quarter begin at a random time
  of the second, and these have the highest numbers. As many more people, of either age, never star anything.
* A star is given at a random time after the birth of its repository, while its person stars. A star without such a time
  (of a person who ended before the birth) is dropped.
* In the newest months 70 % of the people who still star are seen active, 25 % of those who ended, and all who never
  star; on more days those of long lists (correlation 0.3 in logarithms).

The archive has all stars of the first year, and 1 % of those of the second, whose months therefore do not count. All
else is the project's own, with its defaults: read_starred_lists chooses whom to ask and asks a stand-in for GitHub,
which knows every star; then build_corpus, the text encoder and train, of which `--min-stargazers` and `--text-weight`
change one setting each. 800 people are held out of everything.

What is measured on the new repositories:

* NDCG@10: the queries are the new repositories in sections of awesome lists, and every repository is ranked, old or
  new. Sections are cut to the repositories of `stars.parquet`; one without a vector finds nothing and is never found.
* P@50: half of a real person's list, old and new repositories, makes the person's vector. Ranked are the new
  repositories outside this half; hits are those in the other half, divided by as many as there could be. People without
  any are left out. Recall@50 is the same of held-out people, divided by all new repositories in the other half.

`--rules` compares orders in which to ask, each for the same number of requests. How much GitHub answers in the ten
seconds of a query is not known: `--limit` sets whether 25 people or 1,000 stars are too many.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest import mock

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import SHARED, awesome_groups, real_users
from training import describe, ours, row

from starvec_assets.corpus.build import build_corpus
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.github import GitHub, ItemRefused, QueryTooLarge, StarredPage, StarredRepository, StarredRequest
from starvec_assets.ingest import people_selection
from starvec_assets.ingest.people_selection import ACTIVE, SelectionSettings
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.starred_lists import Budget, ListInputs, ListsSummary, read_starred_lists
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search
from starvec_assets.ranking.groups import self_exclusion
from starvec_assets.ranking.heldout import recommendation_scores, split_lists
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.training.settings import TrainSettings
from starvec_assets.vectors import Matrix, user_vectors

START, CHANGE, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2024, 2025, 2026))
ARCHIVE_SHARE = 0.01  # of the stars of the second year
HELD_OUT, SPLITS, LEAST_STARS, MOST_STARS = 800, 10, 10, 800
QUERY_LIMITS = {"people": 25, "stars": 1_000}  # what the stand-in can answer in the ten seconds that a query may take
SCORES = ["NDCG@10", "P@50", "recall@50"]

LAST_STARRED = "(SELECT user_id, arg_max(repo_id, starred_at) AS repo_id FROM log GROUP BY user_id)"
RULES = {
    "**as choose_people orders them**": "",
    "at random": "ORDER BY true",
    "seen active, at random": "ORDER BY days > 0 DESC",
    "seen active on most days": "ORDER BY days DESC",
    "longest list in the log": "ORDER BY stars DESC",
    "newest star in the log": "ORDER BY (SELECT max(starred_at) FROM log WHERE user_id = people.user_id) DESC",
    "one of each last starred repository in turn": f"LEFT JOIN {LAST_STARRED} USING (user_id) "
    "ORDER BY row_number() OVER (PARTITION BY repo_id ORDER BY expected DESC, md5(user_id::VARCHAR))",
}
"""What follows FROM people in people_selection.sql, in place of its own order."""

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Simulation:
    """Two years of stars; `folder` has log, later, kept, active and repos as Parquet files, without held-out people."""

    folder: Path
    repo_ids: Rows  # ascending
    names: list[str]
    new: Flags  # [repositories]
    people: int  # who ever star
    users: Rows  # number of the person of every star, ascending, then by time
    stars: Rows  # rows of `repo_ids`
    times: Rows  # Unix seconds
    heldout: tuple[RaggedArray, RaggedArray]


def simulate(stars: Path, shared: Path, folder: Path, seed: int) -> Simulation:
    """Make two years of `stars` as the module's docstring says."""
    rng = np.random.default_rng(seed)
    begin, change, end = (day.timestamp() for day in (START, CHANGE, END))
    table = pq.read_table(stars, columns=["user", "repo_id", "repo"])
    people, who = np.unique(table["user"].to_numpy(), return_inverse=True)
    repo_ids, first, repos = np.unique(table["repo_id"].to_numpy(), return_index=True, return_inverse=True)
    names = table["repo"].take(pa.array(first)).to_pylist()
    accounts, n = 2 * len(people), len(repo_ids)  # the second half never stars

    new = rng.permutation(n) < n // 2
    born = np.where(new, rng.uniform(change, end, n), begin)
    quarter = rng.permutation(accounts) % 4
    begins = np.where(quarter == 0, rng.uniform(change, end, accounts), begin)
    ends = np.where(quarter == 1, rng.uniform(begin, change, accounts), end)
    numbers = 1 + np.argsort(np.argsort(begins + rng.random(accounts)))

    low, high = np.maximum(born[repos], begins[who]), ends[who]
    possible = low < high
    at = (low + rng.random(len(low)) * (high - low)).astype(np.int64)[possible]
    who, repos = who[possible], repos[possible]
    order = np.lexsort((repos, at, numbers[who]))
    who, repos, at = who[order], repos[order], at[order]

    lengths = np.bincount(who, minlength=accounts)
    heldout = rng.permutation(np.flatnonzero(lengths >= LEAST_STARS))[:HELD_OUT]
    lists = [repos[slice(*np.searchsorted(numbers[who], [number, number + 1]))] for number in numbers[heldout]]
    halves = split_lists(RaggedArray.of([x.astype(np.int32) for x in lists]), LEAST_STARS, MOST_STARS, seed=0)

    present = np.ones(accounts, bool)
    present[heldout] = False
    length = np.log(np.maximum(lengths, 1))
    eager = 0.3 * (length - length.mean()) / length.std() + 0.91**0.5 * rng.normal(size=accounts)
    days = np.clip(1 + rng.poisson(5 * np.exp(0.8 * eager)), 1, 30)
    chance = np.where(ends == end, 0.7, 0.25)
    chance[len(people) :] = 1
    seen = np.flatnonzero((rng.random(accounts) < chance) & present)
    seen = seen[np.argsort(numbers[seen])]
    active = [numbers[seen], pa.array([_login(number) for number in numbers[seen]]), days[seen].astype(np.int16)]
    pq.write_table(pa.table(active, ACTIVE), folder / "active.parquet")

    here = present[who]
    users, repos, at = numbers[who[here]], repos[here], at[here]
    logins = pa.array([_login(number) for number in range(accounts + 1)]).take(pa.array(users))
    columns = [users, logins, repo_ids[repos], pa.array(names).take(pa.array(repos)), pa.array(at).cast(STARS[-1].type)]
    truth, later = pa.table(columns, STARS), at >= change
    kept = later & (rng.random(len(at)) < ARCHIVE_SHARE)
    for name, rows in (("log", ~later), ("later", later), ("kept", kept)):
        pq.write_table(truth.filter(pa.array(rows)), folder / f"{name}.parquet")
    pq.write_table(describe(names, shared).add_column(0, "repo_id", pa.array(repo_ids)), folder / "repos.parquet")
    return Simulation(folder, repo_ids, names, new, len(people) - len(heldout), users, repos, at, halves)


def _login(number: int) -> str:
    return f"user{number}"


class SimulatedGitHub(GitHub):
    """Knows every star of a simulation; a query beyond one of QUERY_LIMITS does not end in time."""

    def __init__(self, simulation: Simulation, limit: str) -> None:
        super().__init__()
        self._simulation, self._limit = simulation, limit

    def starred_pages(
        self, requests: Sequence[StarredRequest], page_size: int = 100
    ) -> list[StarredPage | ItemRefused]:
        """Answer as GitHub.starred_pages does; `after` counts the stars on earlier pages."""
        pages = [self._page(int(request.login[4:]), int(request.after or 0), page_size) for request in requests]
        sizes = {"people": len(pages), "stars": sum(len(page.stars) for page in pages)}
        if len(pages) > 1 and sizes[self._limit] > QUERY_LIMITS[self._limit]:
            raise QueryTooLarge("a query ended after ten seconds")
        return [*pages]

    def _page(self, number: int, skipped: int, size: int) -> StarredPage:
        known = self._simulation
        start, stop = np.searchsorted(known.users, [number, number + 1]).tolist()
        newest = range(stop - 1, start - 1, -1)[skipped : skipped + size]
        stars = [
            StarredRepository(
                repo_id=int(known.repo_ids[known.stars[i]]),
                name=known.names[known.stars[i]],
                starred_at=datetime.fromtimestamp(int(known.times[i]), UTC),
            )
            for i in newest
        ]
        after = str(skipped + size) if skipped + size < stop - start else None
        return StarredPage(number, _login(number), stop - start, False, stars, after)


def ask(
    simulation: Simulation, out: Path, requests: int, people: int | None = None, rule: str = "", limit: str = "people"
) -> ListsSummary:
    """Write the lists that so many requests read, of at most so many people, in the order of `rule`, or the project's.

    `limit`: which of QUERY_LIMITS ends a query.
    """
    query = people_selection.QUERIES["best_first"]
    if rule:
        query = f"SELECT user_id, login FROM people {rule}, md5(user_id::VARCHAR) LIMIT $limit"
    if people is not None:
        query = query.replace("$limit", f"least($limit, {people})")
    inputs = ListInputs([simulation.folder / "log.parquet"], [simulation.folder / "active.parquet"], CHANGE)
    with (
        tempfile.TemporaryDirectory() as progress,
        duckdb.connect() as db,
        mock.patch.dict(people_selection.QUERIES, best_first=query),
        SimulatedGitHub(simulation, limit) as github,
    ):
        settings, budget = SelectionSettings(), Budget(requests, hours=24)
        return read_starred_lists(db, inputs, github, Path(progress), out, settings, budget, END.date())


@dataclass(frozen=True)
class Result:
    """What training on some files gives: SCORES, people trained on, and new repositories in the vocabulary."""

    scores: list[float]
    people: int
    new: int


Measure = Callable[[list[Path]], Result]
"""Train on the log and the given files, and score."""


def measure(
    simulation: Simulation,
    judge: "Judge",
    settings: CorpusSettings,
    text_weight: float,
    trainings: int,
    stars: list[Path],
) -> Result:
    """Build the corpus of the log and of `stars`, train with several seeds, and average the scores."""
    catalogue = RepoCatalog(simulation.folder / "repos.parquet")
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as db:
        corpus = Corpus.load(Path(scratch))
        files = [simulation.folder / "log.parquet", *stars]
        summary = build_corpus(db, files, catalogue, corpus.folder, settings)
        rows = np.searchsorted(simulation.repo_ids, corpus.repo_ids)
        texts = catalogue.rows(pa.array(corpus.repo_ids), ["name", "description", "language"])
        pq.write_table(texts, corpus.repos_path)  # as `ours` reads it
        trained = [ours(corpus, seed=seed, text_weight=text_weight)[0] for seed in range(1, trainings + 1)]
    scores = [judge.scores(vectors, rows) for vectors in trained]
    return Result(np.mean(scores, axis=0).tolist(), summary.users["trained"], int(simulation.new[rows].sum()))


class Judge:
    """Scores vectors on the new repositories of a simulation, see the module's docstring."""

    def __init__(self, simulation: Simulation, shared: Path) -> None:
        index_of = {name.lower(): i for i, name in reversed(list(enumerate(simulation.names)))}
        self._new, self._heldout = simulation.new, simulation.heldout
        self._groups = awesome_groups(shared / "awesome", index_of)
        lists = real_users(shared / "real_users", index_of)
        self._real = [split_lists(lists, 20, MOST_STARS, seed) for seed in range(SPLITS)]

    def scores(self, trained: Matrix, rows: npt.NDArray[np.intp]) -> list[float]:
        """Return the SCORES of vectors of the repositories `rows`."""
        vectors, known = np.zeros((len(self._new), trained.shape[1]), np.float32), np.zeros(len(self._new), bool)
        vectors[rows], known[rows] = trained, True
        queries = self._groups.queries[self._new[self._groups.queries]]
        ranked = _rank(vectors[queries], vectors, known, self_exclusion(queries), 10)
        ndcg = metrics.ndcg(ranked, self._groups.gains(queries), 10)
        precision = [self._recommend(vectors, known, a, b)[1].mean() for a, b in self._real]
        recall, _ = self._recommend(vectors, known, *self._heldout)
        return [float(ndcg.mean()), float(np.mean(precision)), float(recall.mean())]

    def _recommend(self, vectors: Matrix, known: Flags, a: RaggedArray, b: RaggedArray) -> tuple[Floats, Floats]:
        """Return recall@50 and P@50 of each person with new repositories in B."""
        new = self._new[b.items]
        b = RaggedArray(b.items[new], np.concatenate([[0], np.cumsum(new)])[b.offsets])
        people = user_vectors(vectors, a, np.ones(len(vectors), np.int64))
        ranked = _rank(people, vectors, known & self._new, a, 50)
        recall, precision, _ = recommendation_scores(ranked, b, len(vectors), 50)
        return recall[b.lengths > 0], precision[b.lengths > 0]


def _rank(queries: Matrix, vectors: Matrix, allowed: Flags, exclude: RaggedArray, k: int) -> Indices:
    """Return the k `allowed` rows nearest to each query, int32 [q, k]; -1 fills up, and is all of a zero query."""
    rows = np.append(np.flatnonzero(allowed), -1).astype(np.int32)
    if len(rows) == 1:
        return np.full((len(queries), k), -1, np.int32)
    column = np.full(len(allowed), -1, np.int32)
    column[rows[:-1]] = np.arange(len(rows) - 1)
    left_out = column[exclude.items]
    offsets = np.concatenate([[0], np.cumsum(left_out >= 0)])[exclude.offsets]
    ranked = search.top_k(queries, vectors[rows[:-1]], k, RaggedArray(left_out[left_out >= 0], offsets))
    return np.where(np.any(queries, axis=1, keepdims=True), rows[ranked], -1)


def compare_shares(simulation: Simulation, measure: Measure, asked: Sequence[float]) -> None:
    """Print what each source of the second year's stars gives, a row as soon as it is measured."""
    columns = [column for name in SCORES for column in (name, "of complete")]
    _print_head(["stars of the second year", "stars", "requests", "people trained on", "new repositories", *columns])
    complete: list[float] = []

    def show(label: str, stars: list[Path], requests: int | None = None) -> None:
        result = measure(stars)
        complete.extend(result.scores if not complete else [])
        shares = [f"{score / whole:.0%}" for score, whole in zip(result.scores, complete, strict=True)]
        read = sum(pq.read_metadata(path).num_rows for path in stars)
        cells = [cell for pair in zip(_shown(result.scores), shares, strict=True) for cell in pair]
        print(row([label, read, requests, result.people, result.new, *cells]), flush=True)

    show("all: the complete archive", [simulation.folder / "later.parquet"])
    show("none", [])
    show("1 %, as if these months counted", [simulation.folder / "kept.parquet"])
    for share in asked:
        with tempfile.TemporaryDirectory() as out:
            most = None if share == 1 else round(share * simulation.people)
            summary = ask(simulation, Path(out), requests=1_000_000, people=most)
            show(f"lists of {share:.0%} of the people", [Path(out) / "stars.parquet"], summary.requests)


def compare_rules(simulation: Simulation, measure: Measure, requests: int, limit: str) -> None:
    """Print what the same number of requests brings in the project's own and in other orders of asking."""
    _print_head(["asked first", "people", "stars", "people trained on", "new repositories", *SCORES])
    for label, rule in RULES.items():
        with tempfile.TemporaryDirectory() as out:
            summary = ask(simulation, Path(out), requests, rule=rule, limit=limit)
            result = measure([Path(out) / "stars.parquet"])
        print(row([label, summary.asked, summary.stars, result.people, result.new, *_shown(result.scores)]), flush=True)


def _print_head(columns: Sequence[str]) -> None:
    print(row(list(columns)), "|---|" + "---:|" * (len(columns) - 1), sep="\n")


def _shown(scores: Sequence[float]) -> list[str]:
    return [f"{score:.4f}" for score in scores]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, required=True, help="Parquet of user, repo_id, repo")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/ and real_users/")
    parser.add_argument("--seed", type=int, default=1, help="of the two years")
    parser.add_argument("--trainings", type=int, default=3, help="trainings averaged: one alone is off by 3 % in NDCG")
    parser.add_argument("--min-stargazers", type=int, default=CorpusSettings().min_stargazers, help="of user_buckets")
    parser.add_argument("--text-weight", type=float, default=TrainSettings().text_weight, help="of trained_embeddings")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=[0.05, 0.2, 1.0], help="of the people, who are asked"
    )
    parser.add_argument("--rules", action="store_true", help="compare orders of asking instead")
    parser.add_argument("--requests", type=int, default=100, help="with --rules: requests of each order")
    parser.add_argument(
        "--limit", default="people", choices=QUERY_LIMITS, help="with --rules: what a query is short of"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        simulation = simulate(arguments.stars, arguments.shared, Path(folder), arguments.seed)
        judge = Judge(simulation, arguments.shared)
        print(
            f"{simulation.people:,} people, {len(simulation.stars):,} stars, "
            f"{len(simulation.names):,} repositories, {simulation.new.sum():,} of them new\n"
        )
        settings = CorpusSettings(min_stargazers=arguments.min_stargazers)
        scored = partial(measure, simulation, judge, settings, arguments.text_weight, arguments.trainings)
        if arguments.rules:
            compare_rules(simulation, scored, arguments.requests, arguments.limit)
        else:
            compare_shares(simulation, scored, arguments.shares)


if __name__ == "__main__":
    main()
