"""Labels of clusters: words and phrases of names, descriptions and topics that are commoner in them than elsewhere."""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.text_search.tokenizer import STOPWORDS, stem

TERMS = 3
"""Terms of a label."""

MAX_CHARS = 60
MIN_COUNT = 3  # repositories of a cluster that a term of its label must be in
MIN_REPOSITORIES = 5  # repositories of all that a term must be in
PHRASE_SHARE = 0.5
"""A word is shown as part of a phrase that so many of the cluster's repositories with the word have."""
LANGUAGE_WEIGHT = 0.5
"""A language is named where nothing else comes near: most of its repositories say what they do with it."""

CANDIDATES = 60  # best terms of a cluster that are looked at

_MAX_TEXT = 1_000
_NOISE = re.compile(r"&[#\w]{1,10};|\bhttps?://\S{1,2000}|:[a-z0-9_+-]{1,40}:")
_BREAK = re.compile(r"[.,;:!?…]+(?:\s|$)|[,;()\[\]{}|/\"“”—–•]")
_WORD = re.compile(r"[^\W_](?:[\w.]*[^\W_])?(?:\+\+|#)?")


@dataclass(frozen=True)
class Terms:
    """The terms of repositories: words, and pairs of words that stand side by side, without English endings.

    `names` [t] are as they are written most often; `of_rows` [n, t] has a one where a repository has a term;
    `is_language` [t] marks the names of languages; `repositories` [n] are owner/name.
    """

    names: list[str]
    of_rows: sp.csr_array
    is_language: npt.NDArray[np.bool_]
    repositories: list[str]


def collect_terms(repositories: Sequence[Mapping[str, object]]) -> Terms:
    """Count the terms of repositories, most starred first: mappings with name, description, language and topics."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    number_of: dict[str, int] = {}
    columns, offsets = array("i"), array("q", [0])
    for repository in repositories:
        terms: set[int] = set()
        for written in _terms(repository):
            term = " ".join(map(stem, written.split(" ")))
            spellings[term][written] += 1
            terms.add(number_of.setdefault(term, len(number_of)))
        columns.extend(sorted(terms))
        offsets.append(len(columns))
    counts = sp.csr_array(
        (np.ones(len(columns), np.int32), np.asarray(columns), np.asarray(offsets)),
        shape=(len(repositories), len(number_of)),
    )
    frequent = np.flatnonzero(counts.sum(axis=0) >= min(MIN_REPOSITORIES, len(repositories)))
    names = list(number_of)
    languages = {str(repository["language"] or "").lower() for repository in repositories}
    shown = [max(spellings[names[i]].items(), key=lambda item: (item[1], item[0]))[0] for i in frequent]
    is_language = np.array([name in languages for name in shown], bool)
    return Terms(shown, counts[:, frequent], is_language, [str(repository["name"]) for repository in repositories])


def label_clusters(terms: Terms, clusters: npt.NDArray[np.integer], parents: Mapping[int, int]) -> dict[int, str]:
    """Return a label for each cluster id of `clusters` [n]: up to three terms, joined by commas.

    Terms are ranked by count x log(lift), the lift being their share in the cluster over their share in all; names of
    languages by LANGUAGE_WEIGHT of that. No two clusters of one parent in `parents` begin with the same term: one that
    has no other begins with its most starred repository.
    """
    ids, most_starred, index = np.unique(clusters, return_index=True, return_inverse=True)
    sizes = np.bincount(index)
    membership = sp.csr_array((np.ones(len(index), np.int32), (index, np.arange(len(index)))))
    counts = sp.csr_array(membership @ terms.of_rows)
    everywhere = np.asarray(terms.of_rows.sum(axis=0), np.float64)
    labels: dict[int, str] = {}
    taken: dict[int, set[str]] = {}
    for i in np.argsort(-sizes, kind="stable").tolist():  # large ones choose first
        columns = counts.indices[counts.indptr[i] : counts.indptr[i + 1]]
        count = counts.data[counts.indptr[i] : counts.indptr[i + 1]].astype(np.float64)
        score = count * np.log(count * len(index) / (sizes[i] * everywhere[columns]))
        score[terms.is_language[columns]] *= LANGUAGE_WEIGHT
        usable = np.flatnonzero((score > 0) & (count >= min(MIN_COUNT, sizes[i])))
        best = usable[np.lexsort((columns[usable], -score[usable]))][:CANDIDATES]
        chosen = _choose([(terms.names[columns[j]], int(count[j])) for j in best])
        used = taken.setdefault(parents.get(int(ids[i]), -1), set())
        lead = next((term for term in chosen if term not in used), terms.repositories[most_starred[i]])
        label = [lead, *(term for term in chosen if term != lead)][:TERMS]
        used.add(lead)
        labels[int(ids[i])] = _shortened(label)
    return labels


def _choose(candidates: Sequence[tuple[str, int]]) -> list[str]:
    """Return terms without those that repeat a word of a better one, words as part of their phrases."""
    chosen: list[str] = []
    said: set[str] = set()
    for term, count in candidates:
        phrases = [
            (other_count, other)
            for other, other_count in candidates
            if " " in other and " " not in term and term in other.split() and other_count >= PHRASE_SHARE * count
        ]
        shown = max(phrases)[1] if phrases else term
        if said.isdisjoint(shown.split()):
            chosen.append(shown)
            said.update(shown.split())
    return chosen


def _shortened(label: Sequence[str]) -> str:
    """Join as many terms as fit, the first one cut if need be."""
    text = label[0][:MAX_CHARS]
    for term in label[1:]:
        if len(text) + 2 + len(term) <= MAX_CHARS:
            text += f", {term}"
    return text


def _terms(repository: Mapping[str, object]) -> Iterator[str]:
    """Yield the words of a repository's texts, and pairs that stand side by side in one of them."""
    name, description = str(repository["name"]).rpartition("/")[2], str(repository["description"] or "")
    topics = repository["topics"]
    texts = [re.sub(r"[-_.]+", " ", text) for text in (name, *(topics if isinstance(topics, list) else ()))]
    for text in [*texts, *_BREAK.split(_NOISE.sub(" ", description[:_MAX_TEXT]))]:
        before = ""
        for word in _WORD.findall(text.lower()):
            if word in STOPWORDS or word.isdigit() or len(word) == 1:
                before = ""
                continue
            yield word
            if before:
                yield f"{before} {word}"
            before = word
