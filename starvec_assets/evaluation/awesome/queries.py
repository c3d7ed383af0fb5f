"""Queries of text search made of awesome lists: what a section is about, and the repositories that it lists.

A section's query is the topic of its list, from the list's name, and its last two headings; repeated words are left
out. "sindresorhus/awesome-nodejs" with "Packages / Command-line utilities" gives "nodejs Command-line utilities".
"""

import hashlib
import re

from starvec_assets.text.documents import name_words

RELEVANT_MIN, RELEVANT_MAX = 5, 200
"""Repositories of the vocabulary that a section must have to be a query."""

_TOPICS = {
    "CodyReichert/awesome-cl": "Common Lisp",
    "ellisonleao/magictools": "game development",
    "jorgebucaran/awsm.fish": "fish shell",
    "k4m4/terminals-are-sexy": "terminal",
    "satellite-image-deep-learning/techniques": "satellite image deep learning",
    "svaksha/Julia.jl": "Julia",
}
"""Topics of the lists whose name does not say it."""

_NOT_TOPIC = {"awesome", "list", "the", "of"}
_DECORATION = re.compile(r":[a-z0-9_+-]{1,40}:|\bback ?(?:⇈|to top)", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^\w+#./-]+")
_NUMBER = re.compile(r"^\d{1,3}(?:\.\d{1,3}){0,5}\.? ")
# Headings that say nothing of what is below them.
_GENERAL = re.compile(
    r"apps|applications|archived?|awesome.*|contents?|deprecated|featured|general|inactive.*|libraries"
    r"( frameworks)?|libs|list|misc(ellaneous|ellanea)?|more|new|others?|packages|popular|projects?|recommended"
    r"|related( projects)?|repositor(y|ies)|resources?|software|table of contents|the list|tools|.*trending.*"
    r"|uncategori[sz]ed|unmaintained|unsorted"
)


def section_query(list_name: str, section: str) -> str:
    """Return the query of a section, a path of headings joined by " / ".

    "" when its own heading says nothing, or it is one of what was popular at some time.
    """
    headings = [_plain(heading) for heading in section.split(" / ")]
    said = [heading for heading in headings if heading and not _GENERAL.fullmatch(heading.lower())]
    if not said or said[-1] != headings[-1] or "trending" in section.lower():
        return ""
    return " ".join(_distinct([*list_topic(list_name).split(), *" ".join(said[-2:]).split()]))


def list_topic(list_name: str) -> str:
    """Return what the list owner/name, or a file of that name, is about, by its name."""
    if list_name in _TOPICS:
        return _TOPICS[list_name]
    words = name_words(list_name.rpartition("/")[2]).split()
    return " ".join(_distinct([word for word in words if word.lower() not in _NOT_TOPIC]))


def half_of(list_name: str) -> int:
    """Return 0 or 1: settings are chosen on the lists of half 0 and reported on those of half 1."""
    return hashlib.sha256(list_name.encode()).digest()[0] % 2


def _plain(heading: str) -> str:
    """Return the words of a heading without numbering, emoji and punctuation."""
    return _NUMBER.sub("", " ".join(_NOT_WORD.sub(" ", _DECORATION.sub(" ", heading)).split()))


def _distinct(words: list[str]) -> list[str]:
    """Leave out words that came before, in whatever case."""
    first: dict[str, str] = {}
    for word in words:
        first.setdefault(word.lower(), word)
    return list(first.values())
