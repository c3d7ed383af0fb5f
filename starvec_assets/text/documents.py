"""What is written about a repository, as one text: names, description, language, topics, README."""

import html
import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from starvec_assets.errors import StarvecError

Readmes = Callable[[str], str | None]
"""The README of `owner/name`, or None where there is none."""

README_CHARS = 4_000
MAX_README_BYTES = 1 << 20
_RAW_CHARS = 16 * README_CHARS  # what is looked at of a README: markup and badges may be most of it

# Every repetition excludes what it starts with, so that hostile text costs time linear in its length.
_FENCE = re.compile(r"^[ \t]{0,8}(?:```|~~~)[^\n]*$", re.MULTILINE)
_MARKUP = [
    (re.compile(r"!\[[^\[\]]{0,500}\](?:\([^()\n]{0,2000}\)|\[[^\[\]]{0,200}\])"), " "),
    (re.compile(r"^ {0,3}\[[^\[\]\n]{1,200}\]:[^\n]*$", re.MULTILINE), " "),
    (re.compile(r"\[([^\[\]]{0,500})\](?:\([^()\n]{0,2000}\)|\[[^\[\]]{0,200}\])"), r"\1"),
    (re.compile(r"<[^<>]{0,2000}>"), " "),
    (re.compile(r"\b(?:https?|ftp)://[^\s<>()\"']+"), " "),
    (re.compile(r"[`*_#>|~=\[\](){}\\]+|-{2,}"), " "),
]
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^\w+#]+|_+")


def name_words(name: str) -> str:
    """`owner/name` as words: split at separators, then again at changes of case where that makes a difference.

    `facebookresearch/DensePose` becomes "facebookresearch DensePose Dense Pose".
    """
    whole = _SEPARATORS.sub(" ", name).split()
    parts = _CAMEL.sub(" ", " ".join(whole)).split()
    return " ".join([*whole, *(part for part in parts if part not in whole)])


def plain_readme(text: str) -> str:
    """The words of a Markdown or HTML README, 4,000 characters: no code blocks, images, badges, addresses or tags."""
    text = "".join(_FENCE.split(_without_comments(text[:_RAW_CHARS]))[::2])
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(html.unescape(text).split())[:README_CHARS]


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return " ".join([*kept, text[at:]])


def document(
    name: str,
    description: str | None = None,
    language: str | None = None,
    topics: Sequence[str] | None = None,
    readme: str | None = None,
) -> str:
    """What is known, a line each: names, description, language, topics, README; absent ones left out."""
    lines = [name_words(name), description, language, " ".join(topics or ()), plain_readme(readme or "")]
    return "\n".join(" ".join(line.split())[:README_CHARS] for line in lines if line and line.strip())


def folder_readmes(folder: Path) -> Readmes:
    """READMEs kept as `owner__name.md`, upper and lower case alike.

    Raises StarvecError when `folder` is not there.
    """
    if not folder.is_dir():
        raise StarvecError(f"no folder of READMEs at {folder}: name one with files owner__name.md, or none")
    files = {path.name.lower(): path for path in sorted(folder.glob("*__*.md"), reverse=True) if path.is_file()}

    def read(name: str) -> str | None:
        path = files.get(name.lower().replace("/", "__") + ".md")
        if path is None:
            return None
        with path.open("rb") as file:
            return file.read(MAX_README_BYTES).decode("utf-8", errors="replace")

    return read


def first_readmes(readmes: Readmes, count: int) -> Readmes:
    """READMEs of the first `count` repositories asked for, the most starred: GitHub answers 5,000 requests an hour."""
    asked = itertools.count()
    return lambda name: readmes(name) if next(asked) < count else None


def no_readmes(name: str) -> None:
    """There are none: names, descriptions and topics are the text."""
