"""Parse READMEs of awesome lists into entries: a repository and the section that lists it.

Blocks come from markdown-it-py, with HTML lists, reStructuredText and Org rewritten to Markdown first. Inline Markdown
is not parsed: links also come as plain addresses, HTML attributes and RST references, so a few expressions search the
text of each item for all of them.

Items are list items and table rows. The entries of some lists are paragraphs, lines that end in <br>, terms of a
definition list, or headings instead. Prose links repositories as well, so such a block is an item only if it begins
with its link or with a title in bold, and if its section has MIN_BLOCKS repositories or more in blocks of its kind.

A README is untrusted text: every expression has bounded backtracking, and the run time is linear in its size.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference

from starvec_assets.github_names import LOGIN, REPOSITORY_NAME
from starvec_assets.text.documents import remove_comments

MAX_CHARS = 8_000_000
MIN_BLOCKS = 3  # as many as make a group

_HTML_HEADING = re.compile(r"<h([1-6])\b[^<>]{0,300}>(.{0,600}?)</h[1-6]>", re.IGNORECASE | re.DOTALL)
_HTML_ITEM = re.compile(r"<(?:li|tr|dt)\b[^<>]{0,300}>", re.IGNORECASE)
_ORG = re.compile(r"^#\+[A-Za-z_]{1,40}:", re.MULTILINE)
_ORG_COMMENT = re.compile(r"^[ \t]{0,40}#(?:[ \t+].*)?$", re.MULTILINE)
_ORG_HEADING = re.compile(r"^(\*{1,12})[ \t]", re.MULTILINE)
_BULLET = re.compile(r"^([ \t>]{0,80})[•‣▪](?=[ \t])", re.MULTILINE)
_BULLET_WITHOUT_SPACE = re.compile(r"^([ \t>]{0,80}[-+])(?=\[[^\[\]]{1,300}\]\()", re.MULTILINE)
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
_EMPTY_LINK = re.compile(r"\[\s*\]\([^()]*\)|<a\b[^<>]*>\s*</a>", re.IGNORECASE)
_REPOSITORY = re.compile(
    rf"(?<![\w.-])(?:www\.)?github\.com/({LOGIN})/({REPOSITORY_NAME})(?![\w.-])", re.IGNORECASE | re.ASCII
)
# What may come before the link or the title that a block begins with: marks, pictographs, entities, tags, a number.
_DECORATION = r"(?:[^\w\[<`&]|&#?\w{1,10};|<(?!a\b|https?:)[^<>]{0,300}>|<a\b[^<>]{0,300}></a>|\d{1,4}\\?[.)]){0,40}"
_LEADING_LINK = re.compile(
    rf"{_DECORATION}(?:<?https?://"
    r"|\[(?=[^\[\]\w]{0,40}\w)[^\[\]]{1,300}\]\(\s?<?https?://"  # Markdown, not around an image alone
    r"|<a\b[^<>]{0,500}\bhref=[\"']?https?://[^<>]{0,500}>(?:\s|<[^<>]{0,300}>){0,9}[^\s<]"
    r"|`[^`<>]{1,300}<https?://)",  # reStructuredText
    re.IGNORECASE,
)
_LEADING_TITLE = re.compile(r"[^\w\[<`*]{0,40}\*\*(?=\w)[^*\n]{3,300}\*\*")
_LINE_BREAK = re.compile(r"</?(?:br|p|div|center)\b[^<>]{0,300}>[ \t]*\n?", re.IGNORECASE)
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
    lost: int = 0
    """Repositories that are linked outside the items: in prose, or in entries of a shape that is not recognized."""


@dataclass
class _Block:
    """Lines of text and their section. `kind`: item; link, title or heading, an item among its like; or prose."""

    section: Section
    kind: str
    lines: list[str]

    @cached_property
    def text(self) -> str:
        return " ".join(self.lines)

    @cached_property
    def repository(self) -> str | None:
        return find_repository(self.text)


def find_repository(text: str) -> str | None:
    """Return the first `owner/name` that a github.com address in `text` points at or into."""
    return next(_find_repositories(text), None)


def _find_repositories(text: str) -> Iterator[str]:
    for owner, name in _REPOSITORY.findall(text):
        name = name.rstrip(".")  # of the sentence
        name = name[:-4] if name.lower().endswith(".git") else name
        if name and not _SITE_PAGE.fullmatch(owner):
            yield f"{owner}/{name}"


def parse_readme(text: str) -> ParsedReadme:
    """Parse a README into the first repository link of each item, in order, without duplicates in a section.

    Items are list items at any depth and table rows, in Markdown, HTML, reStructuredText or Org, and the paragraphs,
    lines or headings that stand for them (see above). Sections for contents, licence, credits, contributing or links to
    other lists are left out.
    """
    readme = ParsedReadme()
    sections: dict[Section, dict[str, Entry]] = {}
    items, others = _split_items(_blocks(_to_markdown(text[:MAX_CHARS])))
    for position, item in enumerate(items):
        if item.repository is None:
            readme.no_repository += 1
        else:
            entry = Entry(" / ".join(item.section), position, item.repository)
            entries = sections.setdefault(item.section, {})
            readme.duplicate += entries.setdefault(item.repository.lower(), entry) is not entry
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
    linked = (name.lower() for other in others for name in _find_repositories(_EMPTY_LINK.sub("", other.text)))
    readme.lost = len(set(linked).difference(*sections.values()))
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
    text = _BULLET_WITHOUT_SPACE.sub(r"\1 ", _BULLET.sub(r"\1-", text))
    return _ITEM_INDENT.sub("", text)


def _rst_heading(match: re.Match[str]) -> str:
    title, underline = match[1], match[2]
    if len(underline) < min(len(title), 4):
        return match[0]
    return f"\n{'#' * min(6, 1 + _RST_MARKS.index(match[3]))} {title}\n"


def _blocks(text: str) -> list[_Block]:
    """Return list items and table rows, lines of paragraphs, and headings, with the sections that they are in."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    tokens = _MARKDOWN.parse(text, environment)
    addresses = {name: reference["href"] for name, reference in environment.get("references", {}).items()}
    path: list[tuple[int, str]] = []  # level and title of the open headings
    blocks: list[_Block] = []
    open_items: list[_Block] = []
    level = 0  # of the heading whose text comes next
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type in ("list_item_open", "tr_open"):
            open_items.append(_Block(tuple(title for _, title in path), "item", []))
            blocks.append(open_items[-1])
        elif token.type in ("list_item_close", "tr_close"):
            open_items.pop()
        elif token.type == "inline" and token.content:
            text = _resolve_references(token.content, addresses)
            begins_with_link = _LEADING_LINK.match(text) is not None
            if open_items and (not level or begins_with_link):
                open_items[-1].lines += text.split("\n")
            elif level:
                path = [heading for heading in path if heading[0] < level]
                if not open_items:
                    kind = "heading" if begins_with_link else "prose"
                    blocks.append(_Block(tuple(title for _, title in path), kind, [text]))
                path.append((level, _title(token.content)))
            else:
                section = tuple(title for _, title in path)
                blocks += [_Block(section, kind, lines) for kind, lines in _split_paragraph(text)]
        if token.type == "heading_close":
            level = 0
    return blocks


def _split_paragraph(paragraph: str) -> Iterator[tuple[str, list[str]]]:
    """Yield kind and lines of what a paragraph consists of: prose, or entries that begin in lines of their own.

    A line begins an entry after a line break, or after the definition of a term; any line does where all have a link.
    """
    lines = _LINE_BREAK.sub("  \n", paragraph).split("\n")
    always = all(map(_LEADING_LINK.match, lines))
    kind, start = "prose", 0
    for i, line in enumerate(lines):
        begins = _kind_of_line(line) if always or i == 0 or _may_end_an_entry(lines[i - 1], line) else "prose"
        if begins != "prose" and kind in ("prose", begins):
            yield kind, lines[start:i]
            kind, start = begins, i
    yield kind, lines[start:]


def _may_end_an_entry(line: str, following: str) -> bool:
    definition_ends = line[:1].isspace() and not following[:1].isspace()
    return definition_ends or line.endswith(("  ", "\\")) or following.startswith("| ")


def _kind_of_line(line: str) -> str:
    if line.startswith("| "):  # of a line block or grid table in reStructuredText
        return "item"
    return "link" if _LEADING_LINK.match(line) else "title" if _LEADING_TITLE.match(line) else "prose"


def _split_items(blocks: list[_Block]) -> tuple[list[_Block], list[_Block]]:
    """Return the blocks that are items, and the others."""
    repositories: dict[tuple[Section, str], set[str]] = {}
    for block in blocks:
        if block.repository:
            repositories.setdefault((block.section, block.kind), set()).add(block.repository.lower())
    items: list[_Block] = []
    others: list[_Block] = []
    for block in blocks:
        alike = repositories.get((block.section, block.kind), ())
        is_item = block.kind == "item" or (block.kind != "prose" and len(alike) >= MIN_BLOCKS)
        (items if is_item else others).append(block)
    return items, others


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
