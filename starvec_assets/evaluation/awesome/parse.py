"""Ground truth from awesome lists: the repositories that a person put side by side in one section.

A README is untrusted text. It is read line by line with expressions whose backtracking is bounded: the time is linear
in its size.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_CHARS = 8_000_000
MAX_LINE = 20_000

_HEADING = re.compile(r" {0,3}(#{1,6})(?!#)[ \t]*(\S.*)")
_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]{0,300}>(.{0,600}?)</h[1-6]>", re.IGNORECASE | re.DOTALL)
_HTML_ITEM = re.compile(r"<(?:li|tr|dt)\b[^<>]{0,300}>", re.IGNORECASE)
_UNDERLINE = re.compile(r" {0,3}([=\-~^\"'*+])\1*[ \t]*$")
_FENCE = re.compile(r"[ \t>]{0,40}(?:```|~~~)")
_ITEM = re.compile(r"[ \t>]{0,80}(?:[-*+•‣▪]|\d{1,9}[.)])(?=[ \t]|$)")
_TABLE_RULE = re.compile(r"[ \t]*[|:+=-][ \t|:+=-]*$")
_DEFINITION = re.compile(r" {0,3}\[([^\[\]]{1,300})\]:[ \t]*<?([^\s<>]{1,2000})")
_RST_DEFINITION = re.compile(r" {0,3}\.\. _`?([^:`]{1,300})`?:[ \t]*(\S{1,2000})")
_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])|<img\b[^<>]*>", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\[([^\[\]]{1,300})\](?: ?\[([^\[\]]{0,300})\])?(?!\()"  # Markdown
    r"|`([^`<>]{1,300})`_|(?<![\w`.-])(\w[\w.-]{0,100})_(?!\w)"  # reStructuredText
)
_REPOSITORY = re.compile(
    r"(?<![\w.-])(?:www\.)?github\.com/([a-z\d](?:[a-z\d-]{0,38}))/([\w.-]{1,120})", re.IGNORECASE | re.ASCII
)
_ORG = re.compile(r"^#\+[A-Za-z_]{1,40}:", re.MULTILINE)
_ORG_COMMENT = re.compile(r"^[ \t]{0,40}#(?:[ \t+].*)?$", re.MULTILINE)
_ORG_HEADING = re.compile(r"^(\*{1,12})[ \t]", re.MULTILINE)
_TAG = re.compile(r"<[^<>]{0,500}>")
_LINK_TARGET = re.compile(r"\]\([^()]*\)")
_NOT_WORD = re.compile(r"[^\w+#. /&-]+")

# first path segments of github.com that are pages of the site, not accounts
_SITE_PAGES = frozenset(
    {"about", "account", "apps", "blog", "codespaces", "collections", "contact", "customer-stories", "dashboard"}
    | {"discussions", "enterprise", "events", "explore", "features", "gist", "github-copilot", "home", "issues", "join"}
    | {"login", "logout", "marketplace", "new", "notifications", "orgs", "organizations", "pricing", "pulls", "readme"}
    | {
        "search",
        "security",
        "sessions",
        "settings",
        "showcases",
        "signup",
        "site",
        "sponsors",
        "stars",
        "team",
        "teams",
    }
    | {"teams", "topics", "trending", "users", "wiki"}
)
_NOT_CONTENT = re.compile(
    r"(?:table of )?contents?|toc|index|licen[cs]e|licensing|credits?|contribut\w*|how to contribute|acknowledg\w*"
    r"|thanks?|thank you|authors?|maintainers?|sponsors?|backers?|support(?: us| me)?|donat\w*|star history|stargazers"
    r"|code of conduct|legend|changelog|disclaimer",
)
_LIST_OF_LISTS = re.compile(
    r"(?:other|related|similar|more|external|additional|further|curated|awesome|sister)(?: \w+){0,3} lists?|lists"
    r"|other (?:awesome|curated) \w+|see also|similar (?:projects|repositories)(?: and lists)?"
)
_A_LIST = re.compile(r"[^/]+/(?:awesome(?:[-_.].*)?|.*[-_.]awesome|.*awesome[-_]list.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One item of a list: `section` is the path of headings joined by " / ", `position` counts the README's items."""

    section: str
    position: int
    repo_name: str


@dataclass
class Reading:
    """The entries of one README and how many of its items were dropped, by reason."""

    entries: list[Entry] = field(default_factory=list)
    items: int = 0
    no_repository: int = 0
    not_content: int = 0
    list_of_lists: int = 0
    duplicate: int = 0


def repository_of(text: str) -> str | None:
    """The first `owner/name` that a github.com address in `text` points at or into."""
    for owner, name in _REPOSITORY.findall(text):
        name = name.rstrip(".-") if name.strip(".") else ""
        name = name[:-4] if name.lower().endswith(".git") else name
        if name and owner.lower() not in _SITE_PAGES and not owner.endswith("-"):
            return f"{owner}/{name[:100]}"
    return None


def parse_readme(text: str) -> list[Entry]:
    """The first repository link of each item, in the order of the README.

    Items are list items at any depth and table rows, in Markdown, HTML, reStructuredText or Org. Sections that are
    contents, licence, credits, contributing or links to other lists are left out.
    """
    return read_readme(text).entries


def read_readme(text: str) -> Reading:
    """`parse_readme` with what was dropped and why."""
    lines = _lines(text)
    definitions = _definitions(lines)
    reading = Reading()
    sections: dict[tuple[str, ...], dict[str, Entry]] = {}
    for titles, item in _items(lines):
        repo = repository_of(_resolved(item, definitions))
        if repo is None:
            reading.no_repository += 1
        else:
            entry = Entry(" / ".join(titles), reading.items, repo)
            reading.duplicate += sections.setdefault(titles, {}).setdefault(repo.lower(), entry) is not entry
        reading.items += 1
    for titles, entries in sections.items():
        plain = [_plain(title) for title in titles]
        if plain and _NOT_CONTENT.fullmatch(plain[-1]):
            reading.not_content += len(entries)
        elif any(map(_LIST_OF_LISTS.fullmatch, plain)) or 2 * sum(map(bool, map(_A_LIST.fullmatch, entries))) > len(
            entries
        ):
            reading.list_of_lists += len(entries)
        else:
            reading.entries += entries.values()
    reading.entries.sort(key=lambda entry: entry.position)
    return reading


def _lines(text: str) -> list[str]:
    text = _without_comments(text[:MAX_CHARS])
    text = _HTML_HEADING.sub(lambda m: f"\n\n{'#' * int(m[1])} {' '.join(_TAG.sub('', m[2]).split())}\n\n", text)
    text = _HTML_ITEM.sub("\n* ", text)
    if _ORG.search(text):
        text = _ORG_HEADING.sub(lambda m: "#" * min(len(m[1]), 6) + " ", _ORG_COMMENT.sub("", text))
    return [line[:MAX_LINE] for line in text.splitlines()]


def _without_comments(text: str) -> str:
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        parts.append(text[at:start])
        at = end + 3
    return "".join([*parts, text[at:]])


def _definitions(lines: list[str]) -> dict[str, str]:
    """Reference name to address, of Markdown and reStructuredText."""
    matches = (_DEFINITION.match(line) or _RST_DEFINITION.match(line) for line in lines)
    return {_key(m[1]): m[2] for m in reversed([m for m in matches if m])}


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


def _resolved(item: str, definitions: dict[str, str]) -> str:
    """The item without its images, its reference links replaced by their addresses."""
    item = _IMAGE.sub("", _IMAGE.sub("", item))
    if not definitions:
        return item
    return _REFERENCE.sub(lambda m: definitions.get(_key(m[2] or m[1] or m[3] or m[4]), m[0]), item)


def _items(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each list item or table row with the path of headings above it."""
    path: list[tuple[int, str]] = []
    item: list[str] = []
    fenced = table = blank = False

    def section() -> tuple[str, ...]:
        return tuple(title for _, title in path)

    for i, line in enumerate(lines):
        stripped = line.strip()
        following = lines[i + 1] if i + 1 < len(lines) else ""
        open_item = bool(item) and not blank and not following.startswith("==")
        underlined = bool(stripped) and not fenced and not open_item and _is_underline(following, stripped)
        if not underlined and not _is_title_above(lines, i) and _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced:
            continue
        heading = None if underlined else _HEADING.match(line)
        if heading and (heading[1] != "#" or line.lstrip()[1:2] in " \t"):
            level, title = len(heading[1]), heading[2]
        elif underlined and not _ITEM.match(line) and "|" not in line:
            level, title = "=-~^\"'*+".index(following.strip()[0]) + 1, stripped
        else:
            level = 0
        if level:
            if item:
                yield section(), " ".join(item)
            item, table = [], False
            path = [(depth, name) for depth, name in path if depth < level] + [(level, _title(title))]
        elif _TABLE_RULE.fullmatch(line) and "|" in line:
            table = True  # the row above was the header: without a repository it does no harm
        elif _ITEM.match(line) or stripped.startswith("|") or (table and "|" in line):
            if item:
                yield section(), " ".join(item)
            item = [stripped]
        elif not stripped:
            table = False
        elif item and (not blank or line[0] in " \t<"):
            item.append(stripped)
        elif item:
            yield section(), " ".join(item)
            item = []
        blank = not stripped
    if item:
        yield section(), " ".join(item)


def _is_underline(line: str, title: str) -> bool:
    mark = _UNDERLINE.fullmatch(line)
    return mark is not None and (mark[1] in "=-" or len(line.strip()) >= min(len(title), 4)) and len(line.strip()) >= 2


def _is_title_above(lines: list[str], i: int) -> bool:
    return i > 0 and bool(lines[i - 1].strip()) and _is_underline(lines[i], lines[i - 1].strip())


def _title(text: str) -> str:
    """A heading's words: no images, link targets, tags, closing marks or emphasis."""
    text = _TAG.sub("", _LINK_TARGET.sub("]", _IMAGE.sub("", text[:1000])))
    return " ".join(text.strip().rstrip("#").replace("/", "∕").translate(_EMPHASIS).split())[:200]


_EMPHASIS = {ord(c): None for c in "[]*`_"}


def _plain(title: str) -> str:
    """A title for comparison: lower-case words only."""
    return " ".join(_NOT_WORD.sub(" ", title.lower()).strip(" .-&#+0123456789").split())
