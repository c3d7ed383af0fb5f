"""The text of a repository as one document: name, description, language, topics, README."""

import html
import re
from collections.abc import Sequence

README_CHARS = 4_000
BEGINNING_CHARS = 600
"""Characters of a README that are kept for search by words: it begins with what the project is."""

_RAW_CHARS = 16 * README_CHARS  # characters parsed of a README: markup and badges may be most of it

# Each repetition is bounded or excludes its opening character, so that hostile text takes linear time.
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
    """Split `owner/name` into words at separators, and append the parts of camel-case words.

    `facebookresearch/DensePose` becomes "facebookresearch DensePose Dense Pose".
    """
    whole = _SEPARATORS.sub(" ", name).split()
    parts = _CAMEL.sub(" ", " ".join(whole)).split()
    return " ".join([*whole, *(part for part in parts if part not in whole)])


def plain_readme(text: str) -> str:
    """Return the prose of a Markdown or HTML README, up to 4,000 characters, without code blocks, images and URLs."""
    text = "".join(_FENCE.split(remove_comments(text[:_RAW_CHARS]))[::2])
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(html.unescape(text).split())[:README_CHARS]


def remove_comments(text: str) -> str:
    """Replace HTML comments by spaces, by `find`: an expression would scan to the end for every unclosed one."""
    parts, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        parts.append(text[position:start])
        position = end + 3
    return " ".join([*parts, text[position:]])


def document(
    name: str,
    description: str | None = None,
    language: str | None = None,
    topics: Sequence[str] | None = None,
    readme: str | None = None,
) -> str:
    """Return the document, one line per known field: name words, description, language, topics, README."""
    lines = [name_words(name), description, language, " ".join(topics or ()), plain_readme(readme or "")]
    return "\n".join(" ".join(line.split())[:README_CHARS] for line in lines if line and line.strip())
