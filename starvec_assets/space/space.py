"""Repositories and people in one vector space, opened for questions.

All searches are exact: every vector is looked at, and equal scores are in the order of rows, most starred first.
Modules of profiles are imported where they are used: they import DuckDB and scipy.special, which take as long as all
others together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.github_names import repository_of
from starvec_assets.matching import shared_interests, would_star
from starvec_assets.prototypes import Prototypes, closeness_of_stars
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.purpose import text_weight
from starvec_assets.ranking.search import cosines
from starvec_assets.space.results import (
    ListedDeveloper,
    Match,
    MatchedRepository,
    Repository,
    Results,
    RisingNearby,
    RisingRepository,
    SharedInterest,
    Stargazer,
)
from starvec_assets.space.sources import Source
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch, place_text
from starvec_assets.text_search.tokenizer import tokenize
from starvec_assets.topics import normalize_topics, topic_pairs
from starvec_assets.trends.rankings import load_about, read_ranking
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

Vector = npt.NDArray[np.float32]
Star = int | str | tuple[int, str]
"""A repository by its number at GitHub, by its owner/name or address, or by both, of which the number goes first."""

_EXAMPLES = 3  # stars of a person that are named for an interest, or as a reason
_MINUS = 0.5  # weight of what to steer clear of, as on the page


@dataclass(frozen=True, eq=False)
class Place:
    """A point of a space: unit vectors `vector` [d], and `text` [text_d] in the plane of texts, None without one."""

    vector: Vector
    text: Vector | None = None


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody's stars in a space: `rows` of all that it has, `known` of those that count.

    Repositories placed by their text do not count: the rule for a person's vector was measured on vectors that stars
    gave. `vector`: unit vector [d]. `unknown`: stars that the space does not have.
    """

    name: str
    rows: list[int]
    known: list[int]
    unknown: list[Star]
    vector: Vector = field(repr=False)


Basket = int | str | Place | Sequence[int | str | Place]
"""A repository by number, owner/name or address; a place; or several of them."""


class Space:
    """Vectors of repositories, and what was made with them. `starvec_assets.load` opens one.

    What a source lacks (a copied export has no words, a dataset release no radar) is a StarvecError that names the way
    out, when it is asked for. No method changes anything, and several threads may ask.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.repositories: pa.Table = source.repositories
        """Facts [n]: repo_id, name, description, language, stars, placed_by_text and more."""
        self.vectors = source.vectors
        """Memory map of the vectors, float16 [n, d], nearly unit rows, most starred first."""
        self.provenance = source.provenance
        """Sources of the stars, as the manifest names them; empty where there is none."""
        self._stars = self.repositories["stars"].to_numpy()
        self._placed = self.repositories["placed_by_text"].to_numpy(zero_copy_only=False)

    def __len__(self) -> int:
        return len(self.repositories)

    def __contains__(self, repository: int | str) -> bool:
        return self._row(repository) is not None

    def __repr__(self) -> str:
        n, d = self.vectors.shape
        sources = f" ({', '.join(self.provenance)})" if self.provenance else ""
        return f"<Space of {n:,} repositories in {d} dimensions: {self._source.kind} {self._source.path}{sources}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Space":
        """Return the space itself, which does not change: scikit-learn copies what its estimators hold."""
        return self

    @cached_property
    def names(self) -> list[str]:
        """Names of the repositories, owner/name, by row."""
        names: list[str] = self.repositories["name"].to_pylist()
        return names

    # Repositories

    def find(self, repository: int | str) -> int:
        """Return the row of a repository by its number, owner/name in any case, or address.

        Raises StarvecError, with similar names if there are any, when it is not here.

        >>> space.find("https://github.com/pandas-dev/pandas")
        0
        >>> space.find("pandas-dev/pandsa")
        Traceback (most recent call last):
        starvec_assets.errors.StarvecError: 'pandas-dev/pandsa' is not among the ... Similar names: pandas-dev/pandas.
        """
        row = self._row(repository)
        if row is None:
            raise StarvecError(self.unknown(repository))
        return row

    def unknown(self, repository: int | str) -> str:
        """Return a sentence on a repository that is not here, and one on similar names if there are any."""
        close = self._similar_names(repository_of(repository).lower()) if isinstance(repository, str) else []
        hint = f" Similar names: {', '.join(close)}." if close else ""
        return (
            f"{str(repository)[:120]!r} is not among the {len(self):,} repositories of this {self._source.kind}.{hint}"
        )

    def similar(
        self, repository: Basket, k: int = 10, *, minus: Basket = (), purpose: float = 0.0
    ) -> Results[Repository]:
        """Return the `k` repositories nearest to one, or to several and away from those of `minus`.

        Several are one place: their mean less half the mean of `minus`. They are not among the results. `purpose` goes
        from -1, starred by the same people, to 1, of the same purpose: see ranking/purpose.py. Raises StarvecError for
        a repository that is not here, for none, and for another `purpose`.

        >>> space.similar("pandas-dev/pandas", k=2)
        name            score  stars  language  placed_by_text  repo_id  description
        dask/dask       0.963  840    Python    False           112      Statistics numbers frames arrays
        pola-rs/polars  0.959  920    Python    False           104      Statistics frames columns analysis
        >>> [found.name for found in space.similar(["pandas-dev/pandas", "numpy/numpy"], minus="facebook/react", k=1)]
        ['dask/dask']
        """
        plus, less = _several(repository), _several(minus)
        if not plus:
            raise StarvecError("similar needs a repository, for example 'pandas-dev/pandas'")
        points = [*plus, *less]
        rows = [self.find(point) for point in points if not isinstance(point, Place)]
        weights = np.repeat([1 / len(plus), -_MINUS / max(1, len(less))], [len(plus), len(less)])
        return self._nearest(self._mean([self._place_of(point) for point in points], weights), k, rows, purpose)

    def place(
        self,
        *,
        name: str = "",
        description: str | None = None,
        language: str | None = None,
        topics: Sequence[str] = (),
        readme: str | None = None,
    ) -> Place:
        """Return the place of a repository that is not here, by the words of its text: `similar` takes it.

        Raises StarvecError when no word of it is known.

        >>> [found.name for found in space.similar(space.place(description="fast columns and tables"), k=2)]
        ['pandas-dev/pandas', 'dask/dask']
        """
        vector, text = place_text(document_words(name, description, language, topics, readme), self._text_index)
        if not vector.any():
            raise StarvecError(
                f"{name[:120] or 'this text'} has no place: none of the words of its name, description, language, "
                "topics and README is known here"
            )
        return Place(vector, text)

    def compare(self, first: int | str, second: int | str) -> tuple[float, float]:
        """Return the cosine of two repositories, and the percentage of random pairs that are less alike.

        >>> cosine, percentage = space.compare("pandas-dev/pandas", "pola-rs/polars")
        >>> cosine > 0.5, percentage > 90
        (True, True)
        """
        from starvec_assets.profiles.quantiles import percentile

        one, other = self._unit([self.find(first), self.find(second)])
        folder = self._source.artifact_folder("quantile_tables")
        table = np.load(folder / "repositories.npy", allow_pickle=False)
        cosine = float(one @ other)
        return cosine, float(percentile(table, cosine))

    def search(
        self, words: str, k: int = 10, *, language: str = "", topic: str = "", min_stars: int = 0
    ) -> Results[MatchedRepository]:
        """Return the `k` repositories that match a description best.

        `language` and `topic`: only those of this main language or with this topic, letter case ignored. Raises
        StarvecError for words of which none is known, for an unknown language or topic, and when no repository has all
        that and so many stars.

        >>> [found.name for found in space.search("memory of servers", k=2, language="rust")]
        ['tokio-rs/tokio', 'systems-7/systems']
        """
        _require_count(k)
        self._require_known_words(words)
        chosen = self._stars >= min_stars
        if language:
            chosen &= self._of_language(language)
        if topic:
            chosen &= self._of_topic(topic)
        if not chosen.any():
            conditions = [f" is in {language} and"] * bool(language) + [f" has the topic {topic} and"] * bool(topic)
            raise StarvecError(f"no repository{''.join(conditions)} has {min_stars:,} stars here: ask for fewer")
        matches = self._text_search.search(words, k, np.flatnonzero(chosen))
        found = self._facts([match.row for match in matches], [match.score for match in matches])
        matched = pa.array([match.words for match in matches], pa.list_(pa.string()))
        return Results(MatchedRepository, found.append_column("matched", matched))

    def rising(
        self, k: int = 10, *, field: str = "", language: str = "", like: Person | None = None
    ) -> Results[RisingRepository]:
        """Return the `k` repositories that grow fastest, or those nearest to a person of all that grow.

        `field`: a category of the radar, or the label of a cluster of the map. What the person has starred is left out.
        `trends` has the days that are compared, and why there may be none. Raises StarvecError for a field or a
        language that no repository with stars has.

        >>> [(found.name, found.growth) for found in space.rising(1)]
        [('learning-23/learning', 0.5)]
        """
        _require_count(k)
        table = read_ranking(self._source.artifact_folder("trends"), "rising", field, language)
        if like is None:
            return Results(RisingRepository, table.slice(0, k))
        found = [self._row(repo_id) for repo_id in table["repo_id"].to_pylist()]
        chosen = {i: row for i, row in enumerate(found) if row is not None and row not in like.rows}
        nearness = self._unit(list(chosen.values())) @ like.vector
        table = table.take(pa.array(list(chosen), pa.int64())).append_column("cosine", pa.array(nearness))
        return Results(RisingNearby, table.sort_by([("cosine", "descending")]).slice(0, k))

    @property
    def trends(self) -> dict[str, Any]:
        """What `rising` compares: the days (`window`, None for none), `notes`, `gaps`, `least_stars`."""
        return load_about(self._source.artifact_folder("trends"))

    # People

    def person(self, stars: Iterable[Star], name: str = "somebody") -> Person:
        """Return who starred these repositories; `name` is for messages.

        Raises StarvecError when none of them is in the vocabulary, that is here and not placed by its text, and for a
        text in place of a list.

        >>> me = space.person(["pandas-dev/pandas", "numpy/numpy", "no/where"], "me")
        >>> me
        Person(name='me', rows=[0, 8], known=[0, 8], unknown=['no/where'])
        """
        if isinstance(stars, str):
            raise StarvecError(f"person needs a list of stars, not the text {stars[:120]!r}: write ['owner/name', …]")
        found = {star: self._row(star) for star in stars}
        rows = list(dict.fromkeys(row for row in found.values() if row is not None))
        known = self._in_vocabulary(rows)
        if not known:
            raise StarvecError(
                f"{name} starred {len(found):,} repositories, none of them in the vocabulary of this "
                f"{self._source.kind}: materialize more months, or a larger vocabulary in user_buckets"
            )
        unknown = [star for star, row in found.items() if row is None]
        return Person(name, rows, known, unknown, self._user_vectors([known])[0])

    def recommend(self, person: Person, k: int = 10) -> Results[Repository]:
        """Return the `k` repositories nearest to a person that the person has not starred.

        >>> [found.name for found in space.recommend(space.person(["pandas-dev/pandas", "numpy/numpy"]), k=2)]
        ['dask/dask', 'pola-rs/polars']
        """
        return self._nearest(Place(person.vector), k, person.rows)

    def radar(self, person: Person) -> dict[str, float]:
        """Return the share in per cent, by category, of people with about as many stars who are less close to it.

        50 is the median person; see profiles/probes.py.

        >>> radar = space.radar(space.person(["pandas-dev/pandas", "numpy/numpy", "dask/dask"]))
        >>> max(radar, key=radar.__getitem__)
        'data'
        """
        from starvec_assets.profiles.people_sample import PeopleSample
        from starvec_assets.profiles.probes import load_probes
        from starvec_assets.profiles.quantiles import direction_percentiles
        from starvec_assets.profiles.star_bins import StarBins

        folder = self._source.artifact_folder("linear_probes")
        content, weights, tables = load_probes(folder)
        bins = StarBins.load(folder)
        people = PeopleSample(person.vector[None], bins.bin_of([len(person.known)]), bins)
        percentiles = direction_percentiles(unit_rows(weights), tables, people)[0]
        return dict(zip((category["name"] for category in content["categories"]), percentiles.tolist(), strict=True))

    def match(self, me: Person, other: Person) -> Match:
        """Return how alike two people are, and which of the first one's interests the second one has.

        >>> me, other = space.person(["pandas-dev/pandas", "facebook/react"]), space.person(["pola-rs/polars"])
        >>> match = space.match(me, other)
        >>> round(match.shared, 2)
        0.5
        >>> match.interests
        share  had    repositories
        0.500  1.000  pandas-dev/pandas
        0.500  0.000  facebook/react
        """
        from starvec_assets.profiles.quantiles import percentile
        from starvec_assets.profiles.star_bins import StarBins

        folder = self._source.artifact_folder("quantile_tables")
        tables = np.load(folder / "people.npy", allow_pickle=False)
        one, two = StarBins.load(folder).bin_of([len(me.known), len(other.known)])
        cosine = float(me.vector @ other.vector)
        mine, theirs = (self._prototypes(person) for person in (me, other))
        directions, weights = mine.vectors[0].astype(np.float32), mine.weights[0]
        own, others = mine.closeness(directions)[0], theirs.closeness(directions)
        used = np.flatnonzero(weights)
        used = used[np.argsort(-weights[used], kind="stable")]
        interests = pa.table(
            {
                "share": weights[used].astype(np.float64) / weights.sum(),
                "had": [float(shared_interests(np.eye(len(weights))[i], own, others)[0]) for i in used],
                "repositories": self._examples(me, directions[used]),
            }
        )
        shared = float(shared_interests(weights, own, others)[0])
        return Match(float(percentile(tables[one, two], cosine)), cosine, shared, Results(SharedInterest, interests))

    def would_star(self, repository: int | str, people: Sequence[Person]) -> Results[Stargazer]:
        """Return `people` in the order in which they would star a repository; who has starred it stands last.

        Raises StarvecError for nobody, and for a repository that is not here.

        >>> ann = space.person(["numpy/numpy", "dask/dask"], "ann")
        >>> bob = space.person(["facebook/react", "vuejs/core"], "bob")
        >>> [(found.name, found.because) for found in space.would_star("pandas-dev/pandas", [bob, ann])]
        [('ann', ['dask/dask', 'numpy/numpy']), ('bob', [])]
        """
        if not people:
            raise StarvecError("would_star needs people: those of space.person")
        row = self.find(repository)
        [target] = self._unit([row])
        closeness, because = [], []
        for person in people:
            stars = self._unit(person.known)
            closeness.append(closeness_of_stars(stars, RaggedArray.of([list(range(len(stars)))]), target[None])[0])
            cosines = stars @ target
            nearest = [person.known[i] for i in np.argsort(-cosines, kind="stable") if cosines[i] > 0]
            because.append([self.names[near] for near in nearest if near != row][:_EXAMPLES])
        counts = [len(person.known) for person in people]
        table = pa.table(
            {
                "name": [person.name for person in people],
                "score": would_star(np.array(closeness), np.array(counts))[:, 0],
                "stars": counts,
                "starred": [row in person.rows for person in people],
                "because": pa.array(because, pa.list_(pa.string())),
            }
        )
        return Results(Stargazer, table.sort_by([("starred", "ascending"), ("score", "descending")]))

    def search_developers(self, words: str, k: int = 10) -> Results[ListedDeveloper]:
        """Return the `k` listed developers whose stars are nearest to a description.

        Raises StarvecError for words of which none has a place among the vectors, and when nobody is listed.
        """
        _require_count(k)
        self._require_known_words(words)
        place = self._text_search.query_vector(words)
        if not place.any():
            raise StarvecError(f"no word of {words[:120]!r} has a place among the vectors: describe it in other words")
        folder = self._source.artifact_folder("developer_vectors")
        people = pq.read_table(folder / "developers.parquet", columns=["login", "name"])
        if not len(people):
            raise StarvecError("developer_vectors has nobody in it: its asset says why in the UI")
        scores = Prototypes.load(folder).closeness(place[None])[:, 0].astype(np.float64)
        best = np.argsort(-scores, kind="stable")[:k]
        return Results(ListedDeveloper, people.take(best).append_column("score", pa.array(scores[best])))

    # As scikit-learn calls it

    def transform(self, lists: Iterable[Iterable[Star]]) -> Matrix:
        """Return the vectors of people with these lists of stars, float32 [m, d]; zeros where none is known.

        `sklearn.preprocessing.FunctionTransformer(space.transform)` is a step of a pipeline.

        >>> space.transform([["pandas-dev/pandas"], ["facebook/react", "vuejs/core"], ["no/where"]]).shape
        (3, 16)
        """
        found = [[self._row(star) for star in stars] for stars in lists]
        return self._user_vectors(
            [self._in_vocabulary(dict.fromkeys(row for row in rows if row is not None)) for rows in found]
        )

    def transform_words(self, texts: Iterable[str]) -> Matrix:
        """Return the places of texts among the vectors, float32 [m, d]; zeros where no word has one.

        >>> space.transform_words(["fast tables", "qqzzy"]).any(axis=1)
        array([ True, False])
        """
        places = [place_text(tokenize(text), self._text_index)[0] for text in texts]
        return np.array(places, np.float32).reshape(len(places), self.vectors.shape[1])

    # Rows and places

    def _row(self, star: Star) -> int | None:
        """Return the row of a repository, None without one."""
        if isinstance(star, tuple):
            repo_id, name = star
            row = self._by_id.get(repo_id)
            return self._row(name) if row is None else row
        if isinstance(star, str):
            return self._source.rows_by_name.get(repository_of(star).lower())
        return self._by_id.get(star)

    @cached_property
    def _by_id(self) -> dict[int, int]:
        return {repo_id: row for row, repo_id in enumerate(self.repositories["repo_id"].to_pylist())}

    def _similar_names(self, wanted: str) -> list[str]:
        """Return up to five names that a lower-case name may have been meant as."""
        names = self._source.rows_by_name
        short = wanted.rsplit("/", 1)[-1]
        close = [name for name in names if short and short in name.rsplit("/", 1)[-1]]
        close.sort(key=lambda name: (len(name.rsplit("/", 1)[-1]), names[name]))
        if not close:  # misspelt, but rarely in the first letter
            candidates = [name for name in names if name[:1] == wanted[:1] and abs(len(name) - len(wanted)) < 3]
            close = get_close_matches(wanted, candidates, n=5, cutoff=0.75)
        return close[:5]

    def _in_vocabulary(self, rows: Iterable[int]) -> list[int]:
        """Return those of `rows` that are not placed by their text."""
        return [row for row in rows if not self._placed[row]]

    def _unit(self, rows: Sequence[int]) -> Matrix:
        """Return the vectors of `rows` as unit rows, float32 [len(rows), d]."""
        return unit_rows(self.vectors[list(rows)].astype(np.float32))

    def _user_vectors(self, lists: Sequence[Sequence[int]]) -> Matrix:
        """Return the vectors of people who starred these lists of rows: see `vectors.user_vectors`."""
        used = sorted({row for rows in lists for row in rows})
        at = {row: i for i, row in enumerate(used)}
        positions = RaggedArray.of([[at[row] for row in rows] for rows in lists])
        return user_vectors(self._unit(used), positions, self._stars[used])

    def _prototypes(self, person: Person) -> Prototypes:
        return Prototypes.of(self._unit(person.known), RaggedArray.of([list(range(len(person.known)))]))

    def _examples(self, person: Person, directions: Matrix) -> list[list[str]]:
        """Return, for each of `directions` [k, d], those of a person's stars that are nearest to it, not to another."""
        nearness = self._unit(person.known) @ unit_rows(directions).T
        own, order = nearness.argmax(axis=1), np.argsort(-nearness.max(axis=1), kind="stable")
        return [
            [self.names[person.known[star]] for star in order if own[star] == i][:_EXAMPLES]
            for i in range(len(directions))
        ]

    def _place_of(self, point: int | str | Place) -> Place:
        if isinstance(point, Place):
            return point
        row, text = self.find(point), self._source.text
        return Place(self._unit([row])[0], None if text is None else unit_rows(text[[row]].astype(np.float32))[0])

    def _mean(self, places: Sequence[Place], weights: npt.NDArray[np.floating]) -> Place:
        """Return the weighted mean of places, of unit vectors; without `text` where one has none."""
        vectors = np.stack([place.vector for place in places])
        texts = [place.text for place in places if place.text is not None]
        text = unit_rows((weights @ np.stack(texts))[None])[0] if len(texts) == len(places) else None
        return Place(unit_rows((weights @ vectors)[None])[0], text)

    def _nearest(self, place: Place, k: int, exclude: Iterable[int], purpose: float = 0.0) -> Results[Repository]:
        """Return the `k` rows nearest to a place, without those to `exclude`."""
        _require_count(k)
        weight = text_weight(purpose)
        scores: npt.NDArray[np.floating] = cosines(self.vectors, place.vector)
        if weight:
            if self._source.text is None or place.text is None:
                raise StarvecError(
                    f"the purpose dial needs vectors of texts, which this {self._source.kind} or place lacks: leave "
                    "purpose at 0, or load an export of fp16_export"
                )
            scores = (scores + weight * cosines(self._source.text, place.text)) / (1 + weight)
        excluded = np.unique(np.fromiter(exclude, np.int64))
        scores[excluded] = -np.inf
        best = np.argsort(-scores, kind="stable")[: min(k, len(self) - len(excluded))]
        return Results(Repository, self._facts(best.tolist(), scores[best].tolist()))

    def _facts(self, rows: Sequence[int], scores: Sequence[float]) -> pa.Table:
        """Return the columns of repositories with their scores; what is not known is ""."""
        table = self.repositories.take(pa.array(rows, pa.int64())).append_column(
            "score", pa.array(scores, pa.float64())
        )
        for name in ("language", "description"):
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], ""))
        return table

    # Words

    @cached_property
    def _text_index(self) -> TextIndex:
        index = TextIndex.load(self._source.artifact_folder("text_index"))
        if index.rows != len(self):
            raise StarvecError(
                f"text_index has {index.rows:,} repositories, the export {len(self):,}: materialize text_index, then "
                "fp16_export"
            )
        return index

    @cached_property
    def _text_search(self) -> TextSearch:
        return TextSearch(self._text_index, self.vectors, self._source.text)

    def _require_known_words(self, words: str) -> None:
        if not words.strip():
            raise StarvecError("the query is empty: describe what you look for, for example 'terminal file manager'")
        if not self._text_search.known_words(words):
            raise StarvecError(
                f"no word of {words[:120]!r} is in the texts of two repositories or more: describe it in other words"
            )

    def _of_language(self, language: str) -> npt.NDArray[np.bool_]:
        """Return which rows are of a main language [n]; raises StarvecError, with similar ones, for an unknown one."""
        of_language: npt.NDArray[np.bool_] = self._languages == language.lower()
        if not of_language.any():
            known: Sequence[str] = np.unique(self._languages).tolist()
            close = get_close_matches(language.lower(), filter(None, known), n=5)
            hint = f" Similar ones: {', '.join(close)}." if close else ""
            raise StarvecError(f"no repository of this export is in the language {language[:60]!r}.{hint}")
        return of_language

    def _of_topic(self, topic: str) -> npt.NDArray[np.bool_]:
        """Return which rows have a topic [n]; raises StarvecError, with similar ones, for an unknown one."""
        [wanted] = normalize_topics(pa.array([topic.encode(errors="replace").decode()])).to_pylist()
        rows = self._topics.filter(pc.field("topic") == wanted)["row"].to_numpy()
        if not len(rows):
            close = get_close_matches(wanted, pc.unique(self._topics["topic"]).to_pylist(), n=5)
            hint = f" Similar ones: {', '.join(close)}." if close else ""
            raise StarvecError(f"no repository of this {self._source.kind} has the topic {wanted[:60]!r}.{hint}")
        of_topic = np.zeros(len(self), bool)
        of_topic[rows] = True
        return of_topic

    @cached_property
    def _topics(self) -> pa.Table:
        """Rows and their topics."""
        return topic_pairs(self.repositories)

    @cached_property
    def _languages(self) -> npt.NDArray[np.str_]:
        """Main languages in lower case, "" where it is unknown."""
        return np.array([(language or "").lower() for language in self.repositories["language"].to_pylist()])


def _several(basket: Basket) -> list[int | str | Place]:
    return list(basket) if isinstance(basket, Iterable) and not isinstance(basket, str) else [basket]


def _require_count(k: int) -> None:
    if k < 1:
        raise StarvecError(f"k is {k}: ask for 1 or more")
