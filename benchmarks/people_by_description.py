"""Score how real people are found by the topics of real awesome lists.

    python benchmarks/people_by_description.py --repos repos.parquet --vectors trained.npy text.npy [--shared DIR]

Files as for benchmarks/text_search.py. A description is the topic of a list with 25 repositories or more; one random
half of each person's stars says how near the person is to it, and the ten people with the largest shares of the list in
their other halves are to be found: P@10. The mean over several splits of the people's stars, with 95 % intervals by
topic.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import SHARED, real_users

from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.evaluation.people_by_description import FOUND, System, Topics, relevant_people, score_people
from starvec_assets.evaluation.samples import Sample, clusters_of, paired_intervals
from starvec_assets.evaluation.search_by_words import places
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch
from starvec_assets.vectors import Matrix

RULES = {
    "people_precision_10": "eight prototypes, sum of weight x cos²",
    "people_stars_precision_10": "all stars, mean of cos²",
    "people_mean_precision_10": "the person's vector, cosine",
}
RESAMPLES = 2_000


def read_topics(folder: Path, names: list[str]) -> Topics:
    """Return the topics of the READMEs in `folder`, `owner__name.md`, over repositories called `names`."""
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    lists = {}
    for path in sorted(folder.glob("*.md")):
        entries = parse_readme(path.read_text(encoding="utf-8", errors="replace")).entries
        rows = {row_of[entry.repo_name.lower()] for entry in entries if entry.repo_name.lower() in row_of}
        lists[path.stem.replace("__", "/", 1)] = np.array(sorted(rows), np.int32)
    return Topics.of(lists)


def systems(index: TextIndex, vectors: Matrix, text: Matrix, topics: Topics) -> dict[str, System]:
    """Return the trained vectors, the texts' and random ones, with the places of the topics among them."""
    search = TextSearch(index, vectors)
    words = [search.known_words(description) for description in topics.texts]
    random = random_vectors(len(vectors) + len(words), vectors.shape[1], 0)
    return {
        "trained": System(vectors, places(index.vectors, index.scales, words)),
        "text": System(text, places(index.text_vectors, index.text_scales, words)),
        "random": System(random[: len(vectors)], random[len(vectors) :]),
    }


def score_splits(found: dict[str, System], topics: Topics, people: RaggedArray, splits: int) -> Sample:
    """Return the scores of every topic in each of several splits of the people's stars, drawn by topic."""
    n = len(found["trained"].vectors)
    equal = np.ones(n, np.int64)  # plain means, as in benchmarks/acceptance.py
    halves = [split_lists(people, min_items=20, max_items=800, seed=seed) for seed in range(splits)]
    samples = [score_people(found, topics, half, equal) for half in halves]
    asked = [np.flatnonzero(relevant_people(topics, b, n).sum(axis=0) == FOUND) for _, b in halves]
    scores = {
        name: {key: np.concatenate([sample.scores[name][key] for sample in samples]) for key in RULES} for name in found
    }
    return Sample(scores, clusters_of([topics.texts[topic] for split in asked for topic in split]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=Path, required=True, help="Parquet of name, description, language")
    parser.add_argument("--vectors", type=Path, nargs=2, required=True, metavar=("TRAINED", "TEXT"))
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/ and real_users/")
    parser.add_argument("--splits", type=int, default=5, help="splits of each person's stars")
    arguments = parser.parse_args()
    if not (arguments.shared / "real_users").is_dir():
        raise SystemExit(f"{arguments.shared} has no real_users: name the folder with awesome and real_users")
    repos = pq.read_table(arguments.repos, columns=["name", "description", "language"]).to_pylist()
    names = [repo["name"] for repo in repos]
    vectors, text = (np.load(path, allow_pickle=False) for path in arguments.vectors)
    index = build_text_index([document_words(**repo) for repo in repos], vectors, text, IndexSettings())
    topics = read_topics(arguments.shared / "awesome", names)
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    people = real_users(arguments.shared / "real_users", row_of)
    sample = score_splits(systems(index, vectors, text, topics), topics, people, arguments.splits)
    intervals, _ = paired_intervals([sample], "trained", RESAMPLES, 0)
    assert sample.clusters is not None
    print(f"{sample.clusters.shape[0]} topics, {(people.lengths >= 20).sum()} people, {arguments.splits} splits\n")
    print("| P@10 | " + " | ".join(sample.scores) + " |")
    print("|---|" + "---:|" * len(sample.scores))
    means = sample.means()
    for key, rule in RULES.items():
        cells = [
            f"{means[name][key]:.3f} ({low:.3f} to {high:.3f})"
            for name in means
            for low, high in [intervals[name][key]]
        ]
        print(f"| {rule} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
