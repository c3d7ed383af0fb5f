"""Score the rules that match people with repositories and with each other, on real people and on simulated ones.

    python benchmarks/matching.py --stars stars.parquet [--vectors trained.npy] [--shared ../shared/data] [--splits 3]

`stars.parquet` as for benchmarks/training.py, which says whom it holds out of training: the simulated people here.
`--vectors` are what it trains of these stars; without them they are trained first. A random half of each person's stars
is known and the other is hidden; figures are means over several splits. The tables:

* Who would star this: for each repository in the hidden halves of three people or more, everybody who is not known to
  have starred it is ranked. AP is average precision, P@10 the share of the first ten who starred it, of at most ten.
  The two exponents of the rule are chosen on people of the training lists, who are in no other table.
* Who has what I look for: a person with three topics (k-means of the vectors) is cut into two who share the first, one
  with the second and one with the third, which the former looks for among everybody else. MRR of the latter.
* Recommendations to a person: all repositories outside the known half, ranked against the hidden one.
* People by description: topics and P@10 as in benchmarks/people_by_description.py.
* Reasons: of recommendations that are hidden stars, the share of the three starred repositories named as the reason
  that are in a section of an awesome list with it, where any starred one is.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import scipy.sparse as sp
from sklearn.cluster import MiniBatchKMeans

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import SHARED, awesome_groups, real_users
from people_by_description import read_topics
from training import ours, prepare, text_vectors

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.evaluation.people_by_description import FOUND, Topics, precision, relevant_people
from starvec_assets.evaluation.samples import Sample, clusters_of, paired_intervals
from starvec_assets.evaluation.search_by_words import places
from starvec_assets.matching import MEAN_WEIGHT, STARS_EXPONENT, has_wish, shared_interests, who_has_wish, would_star
from starvec_assets.prototypes import Prototypes, closeness_of_stars
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.heldout import Halves, recommendation_scores, split_lists
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.search import TextSearch
from starvec_assets.vectors import POPULARITY_EXPONENT, Counts, Matrix, unit_rows, user_vectors

LEAST_STARGAZERS = 3
EXPONENTS, STARS_EXPONENTS = (1, 2, 3, 4), (0.6, 0.7, 0.8, 0.9, 1.0)
TOPICS, LEAST_OF_TOPIC = 40, 8
RECOMMENDED, REASONS, REASON = 50, 3, "reason"
RESAMPLES = 2_000
RULE = f"closeness × stars^{STARS_EXPONENT}"
Rows = npt.NDArray[np.int32]
Scores = npt.NDArray[np.floating]
Figures = dict[str, list[float]]
"""Figures of a table's columns by row."""


class Space:
    """Unit vectors [n, d] of repositories, and how many people starred each."""

    def __init__(self, vectors: Matrix, stars: Counts) -> None:
        self.vectors, self.stars = unit_rows(vectors), stars

    def means(self, people: RaggedArray) -> Matrix:
        return user_vectors(self.vectors, people, self.stars)

    def sums(self, people: RaggedArray, targets: Matrix, exponent: float) -> Matrix:
        """Return Σ max(0, cos) ** exponent of each person's stars and each of `targets` [t, d]: float32 [people, t]."""
        return np.stack(
            [
                (np.maximum(self.vectors[people[i]] @ targets.T, 0) ** np.float32(exponent)).sum(axis=0)
                for i in range(len(people))
            ]
        )

    def prototypes(self, people: RaggedArray) -> Prototypes:
        return Prototypes.of(self.vectors, people)

    def mean_alone(self, people: RaggedArray) -> Prototypes:
        """Return people of whom a link has the mean alone."""
        means = self.means(people)[:, None]
        int8 = np.rint(means * (127 / np.abs(means).max(axis=2, keepdims=True))).astype(np.int8)
        return Prototypes(int8, np.full(int8.shape[:2], MEAN_WEIGHT, np.float32))


def stargazer_scores(space: Space, known: RaggedArray, targets: Matrix) -> dict[str, Scores]:
    """Return what each rule gives each person for each of `targets` [t, d]: [people, t]."""
    stars = known.lengths
    active = np.repeat(stars[:, None].astype(np.float64), len(targets), axis=1)
    cosine = space.means(known) @ targets.T
    by_prototypes = space.prototypes(known).closeness(targets)
    mixed = by_prototypes.copy()
    mixed[1::2] = space.mean_alone(known).closeness(targets)[1::2]
    return {
        "most active": active,
        "cosine of the person's vector": cosine,
        "the same × log of the stars": cosine * np.log1p(active),
        "stars: Σ cos⁴": space.sums(known, targets, 4),
        "stars: Σ cos²": space.sums(known, targets, 2),
        f"**stars: {RULE}**": would_star(closeness_of_stars(space.vectors, known, targets), stars),
        f"**eight int8 prototypes: {RULE}**": would_star(by_prototypes, stars),
        "the same, of every second person the mean alone": would_star(mixed, stars),
    }


def exponent_scores(space: Space, known: RaggedArray, targets: Matrix) -> dict[str, Scores]:
    """Return the same for every pair of exponents, of the cosine and of the number of stars."""
    scores = {}
    for exponent in EXPONENTS:
        means = space.sums(known, targets, exponent) / known.lengths[:, None]
        for power in STARS_EXPONENTS:
            scores[f"mean of cos^{exponent} × stars^{power}"] = means * known.lengths[:, None] ** power
    return scores


def score_stargazers(
    space: Space, halves: Halves, rules: Callable[[Space, RaggedArray, Matrix], dict[str, Scores]] = stargazer_scores
) -> Figures:
    """Return AP and P@10 of each rule."""
    n = len(space.vectors)
    asked = np.flatnonzero(np.bincount(halves[1].items, minlength=n) >= LEAST_STARGAZERS)
    known, hidden = (half.matrix(n)[:, asked].toarray() > 0 for half in halves)
    scores = rules(space, halves[0], space.vectors[asked])
    return {rule: list(ranking_scores(values, known, hidden)) for rule, values in scores.items()}


def ranking_scores(scores: Scores, known: npt.NDArray[np.bool_], hidden: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the means of AP and P@10 over the columns of `scores`, who `known` are not ranked."""
    order = np.argsort(np.where(known, np.inf, -scores), axis=0, kind="stable")
    hits = np.take_along_axis(hidden, order, axis=0)
    found, wanted = np.cumsum(hits, axis=0), hits.sum(axis=0)
    average = (found / np.arange(1, len(hits) + 1)[:, None] * hits).sum(axis=0) / wanted
    return float(average.mean()), float((hits[:10].sum(axis=0) / np.minimum(10, wanted)).mean())


def split_people(people: RaggedArray, topics: Rows, seed: int) -> Iterator[tuple[int, list[Rows], int]]:
    """Yield who has three topics, the two parts of the stars, and the topic that the second has and the first wants."""
    rng = np.random.default_rng(seed)
    for person in range(len(people)):
        starred = people[person]
        counts = np.bincount(topics[starred], minlength=TOPICS)
        shared, own, wanted = np.argsort(-counts, kind="stable")[:3]
        if counts[wanted] >= LEAST_OF_TOPIC:
            halves = np.array_split(rng.permutation(starred[topics[starred] == shared]), 2)
            other = (starred[topics[starred] == topic] for topic in (own, wanted))
            yield person, [np.concatenate(part) for part in zip(halves, other, strict=True)], int(wanted)


def score_complements(space: Space, people: RaggedArray, seed: int) -> tuple[Figures, int]:
    """Return MRR of each rule, and how many were looked for."""
    fitted = MiniBatchKMeans(TOPICS, random_state=seed, batch_size=4096, n_init=3).fit(space.vectors)
    wishes = unit_rows(fitted.cluster_centers_.astype(np.float32))
    prototypes, means = space.prototypes(people), space.means(people)
    ranks: dict[str, list[float]] = {}
    for person, parts, wanted in split_people(people, fitted.labels_, seed):
        pair = RaggedArray.of(parts)
        lists = RaggedArray.of([*lists_of(people), *parts])
        two, me = space.prototypes(pair), len(people)
        everybody = Prototypes(
            np.concatenate([prototypes.vectors, two.vectors]), np.concatenate([prototypes.weights, two.weights])
        )
        vectors, wish = np.concatenate([means, space.means(pair)]), wishes[wanted]
        nearness, to_wish = np.maximum(vectors @ vectors[me], 0), np.maximum(vectors @ wish, 0)
        closeness = closeness_of_stars(space.vectors, lists, np.vstack([space.vectors[pair[0]], wish]))
        shared = shared_interests(np.full(len(pair[0]), 1 / len(pair[0])), closeness[me, :-1], closeness[:, :-1])
        for rule, scores in {
            "nearest": nearness,
            "the wish alone": to_wish,
            "nearest × the wish": nearness * to_wish,
            "stars: √(shared × √closeness)": has_wish(shared, closeness[:, -1]),
            "**eight int8 prototypes: √(shared × √closeness)**": who_has_wish(everybody, me, wish),
        }.items():
            others = np.delete(scores, [person, me, me + 1])
            ranks.setdefault(rule, []).append(1 / (1 + float((others >= scores[me + 1]).sum())))
    return {rule: [float(np.mean(values))] for rule, values in ranks.items()}, len(next(iter(ranks.values()), []))


def recommend(space: Space, known: RaggedArray) -> dict[str, search.Indices]:
    """Return what each rule recommends, int32 [people, RECOMMENDED]."""
    starred = known.matrix(len(space.vectors)).toarray() > 0
    scores = {
        "stars: Σ cos²": space.sums(known, space.vectors, 2),
        "stars: Σ cos⁴": space.sums(known, space.vectors, 4),
        "eight int8 prototypes: closeness": space.prototypes(known).closeness(space.vectors),
    }
    ranked = {
        rule: np.argsort(np.where(starred, np.inf, -values), axis=1, kind="stable")[:, :RECOMMENDED].astype(np.int32)
        for rule, values in scores.items()
    }
    best = search.top_k(space.means(known), space.vectors, RECOMMENDED, exclude=known)
    return {"**cosine of the person's vector**": best, **ranked}


def score_recommendations(space: Space, halves: Halves) -> Figures:
    """Return recall, precision and NDCG of each rule."""
    known, hidden = halves
    return {
        rule: [float(x.mean()) for x in recommendation_scores(ranked, hidden, len(space.vectors), RECOMMENDED)]
        for rule, ranked in recommend(space, known).items()
    }


def score_descriptions(space: Space, topics: Topics, queries: Matrix, halves: Halves) -> Figures:
    """Return P@10 of each rule; `queries` are the places of `topics` among the vectors."""
    known, hidden = halves
    relevant = relevant_people(topics, hidden, len(space.vectors))
    asked = relevant.sum(axis=0) == FOUND
    targets = unit_rows(queries[asked])
    closeness = closeness_of_stars(space.vectors, known, targets)
    scores = {
        "cosine of the person's vector": space.means(known) @ targets.T,
        **{
            f"stars: mean of cos^{exponent}": space.sums(known, targets, exponent) / known.lengths[:, None]
            for exponent in (1, 3, 4)
        },
        "**stars: closeness, the mean of cos²**": closeness,
        f"stars: {RULE}": would_star(closeness, known.lengths),
        "**eight int8 prototypes: closeness**": space.prototypes(known).closeness(targets),
    }
    return {rule: [float(precision(values, relevant[:, asked]).mean())] for rule, values in scores.items()}


def score_reasons(space: Space, groups: Groups, splits: Sequence[Halves]) -> Sample:
    """Return the share of named repositories in a section with the recommended one, by what orders them, by person."""
    members = groups.members.matrix(groups.n)
    together = sp.csr_array(members.T @ members)
    weights = np.float_power(np.maximum(space.stars, 1), -POPULARITY_EXPONENT)
    people, by_weight, by_cosine = list[str](), list[float](), list[float]()
    for known, hidden in splits:
        recommended = search.top_k(space.means(known), space.vectors, RECOMMENDED, exclude=known)
        for person in range(len(known)):
            starred = known[person]
            for row in np.intersect1d(recommended[person], hidden[person]):
                related = together[[row]].toarray()[0, starred] > 0
                if not related.any():
                    continue
                people.append(str(person))
                cosines = space.vectors[starred] @ space.vectors[row]
                for scores, shares in ((weights[starred] * cosines, by_weight), (cosines, by_cosine)):
                    shares.append(float(related[np.argsort(-scores, kind="stable")[:REASONS]].mean()))
    rules = {"**cosine**": by_cosine, "weight in the person's vector × cosine": by_weight}
    return Sample({rule: {REASON: np.array(shares)} for rule, shares in rules.items()}, clusters_of(people))


def lists_of(people: RaggedArray) -> list[Rows]:
    return [people[i] for i in range(len(people))]


def mean_figures(samples: Sequence[Figures]) -> Figures:
    return {row: np.mean([sample[row] for sample in samples], axis=0).tolist() for row in samples[0]}


def print_table(title: str, columns: Sequence[str], parts: Mapping[str, Figures]) -> None:
    """Print a row for each rule, with the columns of each of `parts`."""
    rows = next(iter(parts.values()))
    print(f"\n| {title} | " + " | ".join(f"{part} {column}".strip() for part in parts for column in columns) + " |")
    print("|---|" + "---:|" * len(columns) * len(parts))
    for row in rows:
        print(f"| {row} | " + " | ".join(f"{value:.3f}" for part in parts.values() for value in part[row]) + " |")
    sys.stdout.flush()


def places_of_topics(corpus: Corpus, vectors: Matrix, topics: Topics) -> Matrix:
    """Return the places of the words of `topics` among the vectors."""
    documents = [document_words(**repo) for repo in pq.read_table(corpus.repos_path).to_pylist()]
    index = build_text_index(documents, vectors, text_vectors(corpus).start, IndexSettings())
    words = TextSearch(index, vectors)
    return places(index.vectors, index.scales, [words.known_words(topic) for topic in topics.texts])


def joined(a: RaggedArray, b: RaggedArray) -> RaggedArray:
    """Return both halves of each person's stars in one list."""
    return RaggedArray.of([np.concatenate([a[i], b[i]]) for i in range(len(a))])


def print_scores(corpus: Corpus, vectors: Matrix, shared: Path, splits: int) -> None:
    """Print every table."""
    names = corpus.names
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    space = Space(vectors, np.bincount(corpus.lists.items, minlength=corpus.n))
    simulated = joined(corpus.heldout_a, corpus.heldout_b)
    some = np.sort(np.random.default_rng(0).permutation(len(corpus.lists))[: len(simulated)])
    real = real_users(shared / "real_users", row_of)

    def split(people: RaggedArray, least: int) -> list[Halves]:
        return [split_lists(people, least, 800, seed) for seed in range(splits)]

    groups = awesome_groups(shared / "awesome", row_of)
    topics = read_topics(shared / "awesome", names)
    halves = {"real": split(real, 20), "simulated": split(simulated, 10)}

    def means(score: Callable[[Halves], Figures], *people: str) -> dict[str, Figures]:
        return {name: mean_figures([score(half) for half in halves[name]]) for name in people}

    chosen = score_stargazers(space, split_lists(corpus.lists.take(some), 10, 800, seed=0), exponent_scores)
    print_table("who would star this, people of the training lists", ["AP", "P@10"], {"": chosen})
    print_table(
        "who would star this", ["AP", "P@10"], means(lambda half: score_stargazers(space, half), "real", "simulated")
    )
    everybody = RaggedArray.of([person for name in halves for person in lists_of(joined(*halves[name][0]))])
    complements, looked_for = zip(*(score_complements(space, everybody, seed) for seed in range(splits)), strict=True)
    title = f"who has what I look for, {sum(looked_for):,} times among {len(everybody):,}"
    print_table(title, ["MRR"], {"": mean_figures(complements)})
    columns = [f"{metric}@{RECOMMENDED}" for metric in ("recall", "P", "NDCG")]
    recommendations = means(lambda half: score_recommendations(space, half), "real", "simulated")
    print_table("recommendations to a person", columns, recommendations)
    queries = places_of_topics(corpus, vectors, topics)
    descriptions = means(lambda half: score_descriptions(space, topics, queries, half), "real")
    print_table("people by description", ["P@10"], descriptions)
    reasons = score_reasons(space, groups, halves["real"])
    figures = {rule: [mean[REASON]] for rule, mean in reasons.means().items()}
    print_table("reasons of a recommendation, by", [f"of {REASONS}"], {"real": figures})
    for rule, interval in paired_intervals([reasons], "**cosine**", RESAMPLES, 0)[1].items():
        print("\ncosine minus {}: {:+.3f} to {:+.3f}, 95 % interval by person".format(rule, *interval[REASON]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, required=True, help="Parquet of user, repo_id, repo")
    parser.add_argument("--vectors", type=Path, help="vectors of its repositories, the most starred first")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of awesome/ and real_users/")
    parser.add_argument("--splits", type=int, default=3, help="splits of each person's stars")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(arguments.stars, arguments.shared, Path(folder))
        corpus = Corpus.load(Path(folder))
        vectors = np.load(arguments.vectors, allow_pickle=False) if arguments.vectors else ours(corpus)[0]
        if len(vectors) != corpus.n:
            raise SystemExit(
                f"{arguments.vectors} has {len(vectors):,} rows, {arguments.stars} {corpus.n:,} repositories"
            )
        print_scores(corpus, vectors, arguments.shared, arguments.splits)


if __name__ == "__main__":
    main()
