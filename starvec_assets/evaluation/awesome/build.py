"""Groups of repositories from READMEs of awesome lists: names resolved through the catalogue, drops counted."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.parse import MAX_CHARS, Entry, ParsedReadme, parse_readme
from starvec_assets.github_names import is_repository
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import column, table_of, write_table
from starvec_assets.ranking.groups import SIZE_MIN

ENTRIES = pa.schema(
    [
        column("list", pa.string(), "owner/name of the awesome list"),
        column("section", pa.string(), "path of headings, joined by ' / '"),
        column("position", pa.int32(), "index of the item in the README, from 0"),
        column("repo_name", pa.string(), "name as the list spells it"),
        column("repo_id", pa.int64(), "repository that has or had this name; null = unknown", nullable=True),
    ]
)
GROUPS = pa.schema(
    [
        column("group", pa.int32(), "number of the group: one section of one list with 3 known repositories or more"),
        column("list", pa.string(), "owner/name of the awesome list"),
        column("section", pa.string(), "path of headings"),
        column("repo_id", pa.int64(), "a member, once per group"),
    ]
)
DROP_REASONS = {
    "no_repository": "no link to a GitHub repository",
    "not_content": "in a section of contents, licence, credits or contributing",
    "list_of_lists": "in a section of links to other lists",
    "duplicate": "the section has the repository already",
    "unknown": "repository not in the catalogue",
    "small_group": "fewer than 3 known repositories in the section",
}
LISTS = pa.schema(
    [
        column("list", pa.string(), "owner/name of the awesome list"),
        column("items", pa.int32(), "list items, table rows and what stands for them in the README"),
        *(column(name, pa.int32(), f"dropped: {reason}") for name, reason in DROP_REASONS.items()),
        column("kept", pa.int32(), "members of groups"),
        column("groups", pa.int32(), "sections that became groups"),
        column("lost", pa.int32(), "repositories linked outside the items: prose, or entries that were not recognized"),
    ]
)
LIST_NAMES = Path(__file__).with_name("list_names.txt")


def load_list_names(path: Path = LIST_NAMES) -> list[str]:
    """Read distinct owner/name lines from a text file; `#` begins a comment.

    Raises StarvecError for any other line.
    """
    names = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    for name in filter(None, names):
        if not is_repository(name):
            raise StarvecError(f"{path.name}: {name!r} is not owner/name")
    return list(dict.fromkeys(filter(None, names)))


def read_readmes(folder: Path) -> dict[str, str]:
    """Read READMEs by list name: `owner__name.md` (or .rst, .markdown, .txt) is the list owner/name.

    Raises StarvecError when the folder is missing or has no README, or a file is too large or not UTF-8.
    """
    suffixes = (".md", ".rst", ".markdown", ".txt")
    files = [f for f in sorted(folder.glob("*")) if f.suffix.lower() in suffixes and f.is_file()]
    if not files:
        raise StarvecError(f"no README (.md or .rst) in {folder}: put lists there as owner__name.md")
    readmes = {}
    for file in files:
        if file.stat().st_size > 4 * MAX_CHARS:
            raise StarvecError(f"{file} has {file.stat().st_size:,} bytes, more than a README: remove it")
        try:
            readmes[file.stem.replace("__", "/", 1)] = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise StarvecError(f"{file} is not UTF-8 text ({error}): convert or remove it") from error
    return readmes


def build_awesome_lists(readmes: Mapping[str, str], catalog: RepoCatalog, out: Path) -> dict[str, int]:
    """Write entries.parquet, groups.parquet and lists.parquet into `out`; `readmes` is text by list name.

    Returns the number of lists and the sum of every other column of LISTS; items = kept + all drops. Groups are not yet
    cut to a vocabulary or to at most 60 members: `ranking.groups.load_groups` does that. Without any README the tables
    are empty. Raises StarvecError when there are READMEs and none has a group.
    """
    parsed = {name: parse_readme(readmes[name]) for name in sorted(readmes, key=lambda name: (name.lower(), name))}
    ids = catalog.repo_ids(entry.repo_name for readme in parsed.values() for entry in readme.entries)
    entries: list[tuple[str, str, int, str, int | None]] = []
    members: list[tuple[int, str, str, int]] = []
    counts: list[dict[str, str | int]] = []
    n_groups = 0
    for name, readme in parsed.items():
        entries += [(name, e.section, e.position, e.repo_name, ids.get(e.repo_name.lower())) for e in readme.entries]
        sections = _resolve_sections(readme.entries, ids)
        groups = {section: repos for section, repos in sections.items() if len(repos) >= SIZE_MIN}
        for number, (section, repos) in enumerate(groups.items(), n_groups):
            members += [(number, name, section, repo_id) for repo_id in repos]
        n_groups += len(groups)
        counts.append({"list": name, **_count_items(readme, ids, sections, groups)})
    if readmes and not n_groups:
        raise StarvecError(
            f"none of {len(readmes):,} awesome lists has a section with {SIZE_MIN} repositories of the catalogue "
            f"({len(entries):,} links were found): check the READMEs, or add months to the star log"
        )
    write_table(table_of(entries, ENTRIES), ENTRIES, out / "entries.parquet")
    write_table(table_of(members, GROUPS), GROUPS, out / "groups.parquet")
    lists = pa.Table.from_pylist(counts, schema=LISTS)
    write_table(lists, LISTS, out / "lists.parquet")
    return {"lists": len(lists)} | {name: pc.sum(lists[name], min_count=0).as_py() for name in LISTS.names[1:]}


def awesome_lists_metadata(totals: Mapping[str, int], folder: Path, notes: Iterable[str] = ()) -> Metadata:
    """Return what the UI shows of the awesome lists in `folder`, whose counts `build_awesome_lists` returned.

    `notes` names lists that were not fetched, and why.
    """
    outcomes = [(name, totals[name]) for name in ("kept", *sorted(DROP_REASONS, key=lambda reason: -totals[reason]))]
    lists = pq.read_table(folder / "lists.parquet", columns=["list", "groups"]).to_pylist()
    return {
        "lists": totals["lists"],
        "groups": totals["groups"],
        "items": markdown_table(["items", "count"], outcomes),
        "repositories linked outside the items": totals["lost"],
        "lists without a group": markdown_table(["list"], [[row["list"]] for row in lists if not row["groups"]]),
        "by list": parquet_preview(
            folder / "lists.parquet", ["list", "items", "kept", "groups", "lost", *DROP_REASONS], rows=1_000
        ),
        "not fetched": markdown_table(["list"], [[note] for note in notes]),
    }


def _resolve_sections(entries: Iterable[Entry], ids: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the distinct repo_ids of each section, in list order; `ids` is `RepoCatalog.repo_ids` of their names."""
    sections: dict[str, dict[int, None]] = {}
    for entry in entries:
        if (repo_id := ids.get(entry.repo_name.lower())) is not None:
            sections.setdefault(entry.section, {})[repo_id] = None
    return {section: list(members) for section, members in sections.items()}


def _count_items(
    readme: ParsedReadme, ids: Mapping[str, int], sections: Mapping[str, list[int]], groups: Mapping[str, list[int]]
) -> dict[str, int]:
    """Return the columns of lists.parquet for one README: items, drops by reason, kept members and groups."""
    known = sum(entry.repo_name.lower() in ids for entry in readme.entries)
    distinct = sum(map(len, sections.values()))
    kept = sum(map(len, groups.values()))
    return {
        "items": readme.items,
        "no_repository": readme.no_repository,
        "not_content": readme.not_content,
        "list_of_lists": readme.list_of_lists,
        "duplicate": readme.duplicate + known - distinct,
        "unknown": len(readme.entries) - known,
        "small_group": distinct - kept,
        "kept": kept,
        "groups": len(groups),
        "lost": readme.lost,
    }
