"""Score the places of repositories that training has never seen, by their text.

    python benchmarks/cold_start.py --stars stars.parquet [--shared ../shared/data] [--set encoder=tfidf+minilm]
    python benchmarks/cold_start.py ... --folder DIR    # keeps the two trainings; a second call uses them

Of the repositories of `stars.parquet` (as for benchmarks/training.py) 2,000 are held out, chosen by a hash of their
names: training, its text vectors excepted, sees neither them nor their stars. They are placed by their words among the
others, and the others are ranked by cosine for each of them. recall@50: the share of the 50 others that the same people
star most (cosine of the sets of stargazers, two people at least) that is among the first 50. NDCG@10: as in
docs/evaluation.md, for those that are on an awesome list. Both beside chance, the vectors of the text alone, and a
training that has seen all of them; with 95 % intervals.

The second table is of recommendations: to the held-out people of the corpus by one half of their stars, and to 2,000
repositories that training has seen: how many of the first ten are held-out repositories, and how often a
recommendation is among the other half of a person's stars.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

import training
from acceptance import SHARED, awesome_groups

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.resources import TextEncoderResource
from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.cold_start import LEAST_COMMON, Places, score_placed, true_neighbours
from starvec_assets.evaluation.samples import paired_intervals
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups, self_exclusion
from starvec_assets.ranking.metrics import gains_at
from starvec_assets.ranking.purpose import TEXT_WEIGHTS
from starvec_assets.ranking.search import Indices
from starvec_assets.text.documents import document
from starvec_assets.text.vectors import make_text_vectors
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.placed import place_last_texts
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

HELD_OUT, FIRST, RESAMPLES = 2_000, 10, 2_000
HANDICAPS = (0, 0.05, 0.1)
Rows = npt.NDArray[np.int64]


def held_out_rows(names: Sequence[str], count: int) -> Rows:
    """Return `count` rows, ascending, by the SHA-256 of their names."""
    digests = [hashlib.sha256(name.lower().encode()).digest() for name in names]
    return np.sort(np.array(sorted(range(len(names)), key=digests.__getitem__)[:count]))


def without(corpus: Corpus, held: Rows, folder: Path) -> None:
    """Write the corpus into `folder` without the repositories `held`; the others keep their order."""
    folder.mkdir()
    kept = np.ones(corpus.n, bool)
    kept[held] = False
    number = np.cumsum(kept, dtype=np.int32) - 1
    for prefix, lists in (("", corpus.lists), ("heldout_a_", corpus.heldout_a), ("heldout_b_", corpus.heldout_b)):
        shorter = [number[lists[i][kept[lists[i]]]] for i in range(len(lists))]
        least = training.LEAST_STARS if prefix == "" else 0
        RaggedArray.of([items for items in shorter if len(items) >= least]).save(folder, prefix)
    repos = pq.read_table(corpus.repos_path)
    pq.write_table(repos.filter(pa.array(kept)), folder / "repos.parquet")


def trained(folder: Path, changes: list[str]) -> Matrix:
    """Return the vectors of the corpus in `folder`, trained in a process of its own unless they are there."""
    if not (folder / "vectors.npy").exists():
        training.run_subprocess("--measure", "text", "--folder", str(folder), *training.set_arguments(changes))
    vectors: Matrix = np.load(folder / "vectors.npy", allow_pickle=False)
    return unit_rows(vectors)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, required=True, help="Parquet of user, repo_id, repo")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/ and real_users/")
    parser.add_argument("--held-out", type=int, default=HELD_OUT, help="repositories to hold out")
    parser.add_argument("--folder", type=Path, help="where the trainings are kept; without it nowhere")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="FIELD=VALUE")
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        compare(arguments.folder, arguments)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            compare(Path(scratch), arguments)


def co_stargazers(lists: RaggedArray, n: int, held: Rows, known: Rows) -> sp.csr_array:
    """Count the people who starred one of `held` and one of `known`: [held, known], the least shared left out."""
    stars = sp.csc_array(lists.matrix(n))
    counts = sp.csr_array(stars[:, held].T @ stars[:, known])
    counts.data[counts.data < LEAST_COMMON] = 0
    counts.eliminate_zeros()
    return counts


def print_scores(systems: dict[str, Places | Popularity], neighbours: RaggedArray, groups: Groups, n: int) -> None:
    """Print the table of both scores of the systems."""
    samples, counts = score_placed(systems, neighbours, groups, n)
    means = [sample.means() for sample in samples]
    intervals = paired_intervals(samples, next(iter(systems)), RESAMPLES, seed=0)[0]
    print(
        f"{counts['placed_with_neighbours']:,} with true neighbours, {counts['placed_in_lists']:,} on awesome lists\n"
    )
    print("| places of held-out repositories | recall@50 of neighbours | awesome NDCG@10 |")
    print("|---|---|---|")
    for name in systems:
        cells = []
        for key in ("placed_recall_50", "placed_ndcg_10"):
            low, high = intervals[name].get(key, (np.nan, np.nan))
            cells += [f"{mean[name][key]:.3f} ({low:.3f} to {high:.3f})" for mean in means if key in mean[name]]
        print(f"| {name} | {' | '.join(cells)} |")


@dataclass(frozen=True)
class Recommendations:
    """A way to recommend: all vectors, those held out last, and what is taken off the cosines of the held-out."""

    name: str
    vectors: Matrix
    handicap: float = 0.0

    def ranked(self, queries: Matrix, exclude: RaggedArray, known: int) -> Indices:
        """Return the first FIRST rows for each query, int32 [q, FIRST]."""
        scores = queries @ self.vectors.T
        scores[:, known:] -= self.handicap
        scores[np.repeat(np.arange(len(queries)), exclude.lengths), exclude.items] = -np.inf
        best = np.argpartition(-scores, FIRST, axis=1)[:, :FIRST]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        return np.take_along_axis(best, order, axis=1).astype(np.int32)


def print_recommendations(ways: Sequence[Recommendations], a: RaggedArray, b: RaggedArray, known: int) -> None:
    """Print how many of the first ten are held out, and how many of those are in bucket B."""
    n = len(ways[0].vectors)
    bucket_b = b.matrix(n)
    repositories = np.sort(np.random.default_rng(0).choice(known, min(known, HELD_OUT), replace=False))
    themselves = self_exclusion(repositories)
    equal = np.ones(n, np.int64)
    print(
        "\n| recommendations to people | of B in the first 10 | of these first 10 held out | of B among those |", end=""
    )
    print(" of the 10 nearest to a known repository held out |")
    print("|---|---:|---:|---:|---:|")
    for way in ways:
        users = user_vectors(way.vectors, known_only(a, known), equal)
        ranked = way.ranked(users, a, known)
        hits, held = gains_at(ranked, bucket_b) > 0, ranked >= known
        near = way.ranked(way.vectors[repositories], themselves, known) >= known
        share = hits[held].mean() if held.any() else np.nan
        print(f"| {way.name} | {hits.mean():.4f} | {held.mean():.4f} | {share:.4f} | {near.mean():.4f} |", flush=True)


def known_only(lists: RaggedArray, known: int) -> RaggedArray:
    """Return the lists without the rows from `known` on: vectors of people are made of known repositories."""
    return RaggedArray.of([lists[i][lists[i] < known] for i in range(len(lists))])


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    """Train what is not in `folder` yet, and print the tables."""
    whole, rest = folder / "whole", folder / "rest"
    if not whole.exists():
        whole.mkdir()
        training.prepare(arguments.stars, arguments.shared, whole)
    corpus = Corpus.load(whole)
    repos = pq.read_table(corpus.repos_path).to_pylist()
    held = held_out_rows([repo["name"] for repo in repos], arguments.held_out)
    known = np.setdiff1d(np.arange(corpus.n), held)
    n, order = len(known), np.concatenate([known, held])  # rows of everything below: known ones, then those held out
    if not rest.exists():
        without(corpus, held, rest)
    seen, unseen = trained(whole, arguments.changes)[order], trained(rest, arguments.changes)
    repos = [repos[row] for row in order]
    encoder = dict(change.split("=", 1) for change in arguments.changes).get("encoder", "tfidf")
    texts = [document(repo["name"], repo["description"], repo["language"]) for repo in repos]
    opened = TextEncoderResource.model_validate({"encoder": encoder}).open("cpu")
    text = make_text_vectors(texts, opened, unseen.shape[1]).start
    words = (document_words(repo["name"], repo["description"], repo["language"]) for repo in repos)
    places, text_places = place_last_texts(build_text_index(words, unseen, text[:n], IndexSettings()), len(held))
    purpose = np.sqrt(TEXT_WEIGHTS["same_purpose"])
    systems: dict[str, Places | Popularity] = {
        "chance": Places(random_vectors(len(held), 2, 0), random_vectors(n, 2, 1)),
        "most starred": Popularity(),
        "text alone": Places(text[n:], text[:n]),
        "**by their words**": Places(places, unseen),
        "by their words, dial at same purpose": Places(
            np.hstack([places, purpose * text_places]), np.hstack([unseen, purpose * text[:n]])
        ),
        "trained with their stars": Places(seen[n:], seen[:n]),
    }
    groups = awesome_groups(arguments.shared / "awesome", {repo["name"].lower(): i for i, repo in enumerate(repos)})
    people = np.bincount(corpus.lists.items, minlength=corpus.n)[known]
    neighbours = true_neighbours(co_stargazers(corpus.lists, corpus.n, held, known), people)
    print(f"{len(held):,} of {corpus.n:,} repositories held out, {len(corpus.lists):,} people trained on", end="; ")
    print_scores(systems, neighbours, groups, n)

    number = np.argsort(order).astype(np.int32)
    a, b = (RaggedArray(number[lists.items], lists.offsets) for lists in (corpus.heldout_a, corpus.heldout_b))
    mixed = np.vstack([unseen, places])
    print_recommendations(
        [
            Recommendations("known repositories only", mixed, handicap=np.inf),
            *(Recommendations(f"placed ones, cosine - {h:g}", mixed, h) for h in HANDICAPS),
            Recommendations("trained with their stars", seen),
        ],
        a,
        b,
        n,
    )


if __name__ == "__main__":
    main()
