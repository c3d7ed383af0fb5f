"""Parse READMEs of awesome lists into entries: a repository and the section that lists it.

Blocks come from markdown-it-py, with HTML lists, reStructuredText and Org rewritten to Markdown first. Inline Markdown
is not parsed: links also come as plain addresses, HTML attributes and RST references, so a few expressions search the
text of each item for all of them.

A README is untrusted text: every expression has bounded backtracking, and the run time is linear in its size.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference

from starvec_assets.text.documents import remove_comments

MAX_CHARS = 8_000_000

_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]{0,300}>(.{0,600}?)</h[1-6]>", re.IGNORECASE | re.DOTALL)
_HTML_ITEM = re.compile(r"<(?:li|tr|dt)\b[^<>]{0,300}>", re.IGNORECASE)
_ORG = re.compile(r"^#\+[A-Za-z_]{1,40}:", re.MULTILINE)
_ORG_COMMENT = re.compile(r"^[ \t]{0,40}#(?:[ \t+].*)?$", re.MULTILINE)
_ORG_HEADING = re.compile(r"^(\*{1,12})[ \t]", re.MULTILINE)
_BULLET = re.compile(r"^([ \t>]{0,80})[•‣▪](?=[ \t])", re.MULTILINE)
_ITEM_INDENT = re.compile(r"^[ \t]{1,80}(?=(?:[-*+]|\d{1,9}[.)])[ \t])", re.MULTILINE)
_HEADING_WITHOUT_SPACE = re.compile(r"^( {0,3}#{2,6})(?=[^#\s])", re.MULTILINE)
_RST_MARKS = "=-~^\"'*+"  # underlines of headings, by level
_RST_OVERLINE = re.compile(r"^([=\-~^\"'*+])\1{2,300}[ \t]*\n(?=[^\n]{1,300}\n\1{3})", re.MULTILINE)
_RST_HEADING = re.compile(r"^(?![ \t]*[-*+|>])[ \t]{0,3}(\S[^\n]{0,300})\n(([=~^\"'*+])\3{1,300})[ \t]*$", re.MULTILINE)
_RST_DEFINITION = re.compile(r"^ {0,3}\.\. _`?([^:`\n]{1,300})`?:[ \t]*(\S{1,2000})", re.MULTILINE)

_IMAGE = re.compile(r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])|<img\b[^<>]*>", re.IGNORECASE)
_REFERENCE = re.compile(
    r"\[([^\[\]]{1,300})\](?: ?\[([^\[\]]{0,300})\])?(?!\()"  # Markdown
    r"|`([^`<>]{1,300})`_|(?<![\w`.-])(\w[\w.-]{0,100})_(?!\w)"  # reStructuredText
)
_REPOSITORY = re.compile(
    r"(?<![\w.-])(?:www\.)?github\.com/([a-z\d](?:[a-z\d-]{0,38}))/([\w.-]{1,120})", re.IGNORECASE | re.ASCII
)
_TAG = re.compile(r"<[^<>]{0,500}>")
_LINK_TARGET = re.compile(r"\]\([^()]*\)")
_EMPHASIS = dict.fromkeys(map(ord, "[]*`_"))
_NOT_WORD = re.compile(r"[^\w+#. /&-]+")

# First path segments of github.com that are pages of the site, not accounts.
_SITE_PAGE = re.compile(
    r"about|account|apps|blog|codespaces|collections|contact|customer-stories|dashboard|discussions|enterprise|events"
    r"|explore|features|gist|github-copilot|home|issues|join|login|logout|marketplace|new|notifications|orgs"
    r"|organizations|pricing|pulls|readme|search|security|sessions|settings|showcases|signup|site|sponsors|stars|teams?"
    r"|topics|trending|users|wiki",
    re.IGNORECASE,
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
_AWESOME_NAME = re.compile(r"[^/]+/(?:awesome(?:[-_.].*)?|.*[-_.]awesome|.*awesome[-_]list.*)", re.IGNORECASE)

# Blocks only. Indented code and HTML blocks are off: what they hold in real lists are items and headings.
_MARKDOWN = MarkdownIt("commonmark").enable("table").disable(["code", "html_block"])
_MARKDOWN.core.ruler.enableOnly(["normalize", "block"])

Section = tuple[str, ...]
"""Headings above an item, outermost first."""


@dataclass(frozen=True)
class Entry:
    """One item of a list: `section` is the path of headings joined by " / ", `position` counts the README's items."""

    section: str
    position: int
    repo_name: str


@dataclass
class ParsedReadme:
    """Entries of one README, and how many of its items were dropped, by reason."""

    entries: list[Entry] = field(default_factory=list)
    items: int = 0
    no_repository: int = 0
    not_content: int = 0
    list_of_lists: int = 0
    duplicate: int = 0


def find_repository(text: str) -> str | None:
    """Return the first `owner/name` that a github.com address in `text` points at or into."""
    for owner, name in _REPOSITORY.findall(text):
        name = name.rstrip(".-") if name.strip(".") else ""
        name = name[:-4] if name.lower().endswith(".git") else name
        if name and not _SITE_PAGE.fullmatch(owner) and not owner.endswith("-"):
            return f"{owner}/{name[:100]}"
    return None


def parse_readme(text: str) -> ParsedReadme:
    """Parse a README into the first repository link of each item, in order, without duplicates in a section.

    Items are list items at any depth and table rows, in Markdown, HTML, reStructuredText or Org. Sections for contents,
    licence, credits, contributing or links to other lists are left out.
    """
    readme = ParsedReadme()
    sections: dict[Section, dict[str, Entry]] = {}
    items, definitions = _items(_to_markdown(text[:MAX_CHARS]))
    for position, (section, item) in enumerate(items):
        repo = find_repository(_resolve_references(item, definitions))
        if repo is None:
            readme.no_repository += 1
        else:
            entry = Entry(" / ".join(section), position, repo)
            readme.duplicate += sections.setdefault(section, {}).setdefault(repo.lower(), entry) is not entry
    readme.items = len(items)
    for section, entries in sections.items():
        titles = [_words(title) for title in section]
        if titles and _NOT_CONTENT.fullmatch(titles[-1]):
            readme.not_content += len(entries)
        elif any(map(_LIST_OF_LISTS.fullmatch, titles)) or _mostly_awesome_lists(entries):
            readme.list_of_lists += len(entries)
        else:
            readme.entries += entries.values()
    readme.entries.sort(key=lambda entry: entry.position)
    return readme


def _to_markdown(text: str) -> str:
    """Rewrite HTML headings and items, Org and reStructuredText as Markdown; unindent items, so that none is nested."""
    text = remove_comments(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _HTML_HEADING.sub(lambda m: f"\n\n{'#' * int(m[1])} {' '.join(_TAG.sub('', m[2]).split())}\n\n", text)
    text = _HTML_ITEM.sub("\n* ", text)
    if _ORG.search(text):
        text = _ORG_HEADING.sub(lambda m: "#" * min(len(m[1]), 6) + " ", _ORG_COMMENT.sub("", text))
    text = _HEADING_WITHOUT_SPACE.sub(r"\1 ", text)
    text = _RST_HEADING.sub(_rst_heading, _RST_OVERLINE.sub("\n", text))
    text = _RST_DEFINITION.sub(r"\n[\1]: \2", text)
    return _ITEM_INDENT.sub("", _BULLET.sub(r"\1-", text))


def _rst_heading(match: re.Match[str]) -> str:
    title, underline = match[1], match[2]
    if len(underline) < min(len(title), 4):
        return match[0]
    return f"\n{'#' * min(6, 1 + _RST_MARKS.index(match[3]))} {title}\n"


def _items(text: str) -> tuple[list[tuple[Section, str]], dict[str, str]]:
    """Return each list item or table row with its section, and the addresses of reference links by normalized name."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    path: list[tuple[int, str]] = []  # level and title of the open headings
    items: list[tuple[Section, list[str]]] = []
    open_items: list[list[str]] = []
    level = 0  # of the heading whose text comes next
    for token in _MARKDOWN.parse(text, environment):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "inline" and level:
            if token.content:
                path = [*(heading for heading in path if heading[0] < level), (level, _title(token.content))]
            level = 0
        elif token.type in ("list_item_open", "tr_open"):
            open_items.append([])
            items.append((tuple(title for _, title in path), open_items[-1]))
        elif token.type in ("list_item_close", "tr_close"):
            open_items.pop()
        elif token.type == "inline" and open_items:
            open_items[-1].append(token.content)
    references = environment.get("references", {})
    addresses = {name: reference["href"] for name, reference in references.items()}
    return [(section, " ".join(parts).replace("\n", " ")) for section, parts in items], addresses


def _resolve_references(item: str, addresses: Mapping[str, str]) -> str:
    """Remove images, which are badges and logos, and replace reference links by their addresses."""
    item = _IMAGE.sub("", _IMAGE.sub("", item))
    if not addresses:
        return item
    return _REFERENCE.sub(lambda m: addresses.get(normalizeReference(m[2] or m[1] or m[3] or m[4]), m[0]), item)


def _mostly_awesome_lists(names: Mapping[str, Entry]) -> bool:
    return 2 * sum(_AWESOME_NAME.fullmatch(name) is not None for name in names) > len(names)


def _title(text: str) -> str:
    """Return the words of a heading, without images, link targets, tags, closing marks or emphasis."""
    text = _TAG.sub("", _LINK_TARGET.sub("]", _IMAGE.sub("", text[:1000])))
    return " ".join(text.strip().rstrip("#").replace("/", "∕").translate(_EMPHASIS).split())[:200]


def _words(title: str) -> str:
    """Return the lower-case words of a title, for comparison."""
    return " ".join(_NOT_WORD.sub(" ", title.lower()).strip(" .-&#+0123456789").split())
