"""From READMEs of awesome lists to groups of repositories: names resolved through the catalogue, losses counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.parse import MAX_CHARS, Entry, read_readme
from starvec_assets.parquet import column, write_table
from starvec_assets.ranking.groups import SIZE_MIN

ENTRIES = pa.schema(
    [
        column("list", pa.string(), "owner/name of the awesome list"),
        column("section", pa.string(), "path of headings, joined by ' / '"),
        column("position", pa.int32(), "which item of the README, from 0"),
        column("repo_name", pa.string(), "as the list writes it"),
        column("repo_id", pa.int64(), "of the repository that has or had this name; null = not in the catalogue", True),
    ]
)
GROUPS = pa.schema(
    [
        column("group", pa.int32(), "number of the group: one section of one list with 3 known repositories or more"),
        column("list", pa.string(), "owner/name of the awesome list"),
        column("section", pa.string(), "path of headings"),
        column("repo_id", pa.int64(), "a member, once a group"),
    ]
)
LISTS = pa.schema(
    [
        column("list", pa.string(), "owner/name of the awesome list"),
        column("items", pa.int32(), "list items and table rows in the README"),
        column("no_repository", pa.int32(), "dropped: no link to a GitHub repository"),
        column("not_content", pa.int32(), "dropped: in a section of contents, licence, credits or contributing"),
        column("list_of_lists", pa.int32(), "dropped: in a section of links to other lists"),
        column("duplicate", pa.int32(), "dropped: the section has the repository already"),
        column("unknown", pa.int32(), "dropped: repository not in the catalogue"),
        column("small_group", pa.int32(), "dropped: fewer than 3 known repositories in the section"),
        column("kept", pa.int32(), "members of groups"),
        column("groups", pa.int32(), "sections that became groups"),
    ]
)
LOSSES = ("no_repository", "not_content", "list_of_lists", "duplicate", "unknown", "small_group")


@dataclass(frozen=True)
class AwesomeSummary:
    """What became of the items of all lists; for each list: items = losses + kept."""

    lists: int
    items: int
    kept: int
    groups: int
    losses: dict[str, int]
    """Items dropped, by reason: the columns of lists.parquet."""
    empty: list[str]
    """Lists that gave no group."""


LIST_NAMES = Path(__file__).with_name("list_names.txt")


def list_names(path: Path = LIST_NAMES) -> list[str]:
    """The names owner/name in a text file, one a line, `#` begins a comment.

    Raises StarvecError for a line that is no such name.
    """
    names = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    for name in filter(None, names):
        if name.count("/") != 1 or not all(part and part.strip(".") for part in name.split("/")) or " " in name:
            raise StarvecError(f"{path.name}: {name!r} is not owner/name")
    return list(dict.fromkeys(filter(None, names)))


def read_folder(folder: Path) -> dict[str, str]:
    """READMEs of a folder by list name: `owner__name.md` (or .rst, .markdown, .txt) is the list owner/name.

    Raises StarvecError when the folder is absent or holds none, or a file is too large or not UTF-8.
    """
    kinds = (".md", ".rst", ".markdown", ".txt")
    files = [f for f in sorted(folder.glob("*")) if f.suffix.lower() in kinds and f.is_file()]
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


def catalogue_ids(catalogue: Path, wanted: Iterable[str]) -> dict[str, int]:
    """Lower-case name to repo_id of those `wanted` that repo_catalog's repos.parquet knows, now or by a former name.

    A name in use wins over a former one; where two repositories claim one name, the more starred.
    """
    asked = pa.array(sorted({name.lower() for name in wanted}), pa.string())
    claims: list[tuple[bool, int, int, str]] = []  # in use, stars, repo_id negated, name
    for batch in pq.ParquetFile(catalogue).iter_batches(columns=["repo_id", "name", "former_names", "stars"]):
        rows, former = pa.array(range(len(batch))), batch["former_names"]
        named = (True, rows, batch["name"]), (False, pc.list_parent_indices(former), pc.list_flatten(former))
        for in_use, owners, names in named:
            lower = pc.utf8_lower(names.cast(pa.string()))
            found = pc.is_in(lower, value_set=asked)
            owned = batch.select(["stars", "repo_id"]).take(owners.filter(found)).to_pylist()
            claims += [
                (in_use, owner["stars"], -owner["repo_id"], name)
                for owner, name in zip(owned, lower.filter(found).to_pylist(), strict=True)
            ]
    return {name: -negated for _, _, negated, name in sorted(claims)}


def resolve_groups(entries: Iterable[Entry], ids: Mapping[str, int]) -> dict[str, list[int]]:
    """Distinct repo_ids of each section, in the list's order; `ids` maps lower-case names, see `catalogue_ids`."""
    sections: dict[str, dict[int, None]] = {}
    for entry in entries:
        if (repo_id := ids.get(entry.repo_name.lower())) is not None:
            sections.setdefault(entry.section, {})[repo_id] = None
    return {section: list(members) for section, members in sections.items()}


def build_awesome_lists(readmes: Mapping[str, str], catalogue: Path, out: Path) -> AwesomeSummary:
    """Write entries.parquet, groups.parquet and lists.parquet into `out`.

    `readmes`: text by list name; `catalogue`: repos.parquet of repo_catalog. Groups are not yet cut to a vocabulary or
    to at most 60 members: `groups.in_vocabulary` does that. Without any README the tables are
    empty; raises StarvecError when there are READMEs and none gives a group.
    """
    readings = {name: read_readme(readmes[name]) for name in sorted(readmes, key=lambda name: (name.lower(), name))}
    ids = catalogue_ids(catalogue, (e.repo_name for reading in readings.values() for e in reading.entries))
    rows: list[tuple[str, str, int, str, int | None]] = []
    members: list[tuple[int, str, str, int]] = []
    counts: list[dict[str, str | int]] = []
    groups = 0
    for name, reading in readings.items():
        rows += [(name, e.section, e.position, e.repo_name, ids.get(e.repo_name.lower())) for e in reading.entries]
        sections = resolve_groups(reading.entries, ids)
        kept = {section: repos for section, repos in sections.items() if len(repos) >= SIZE_MIN}
        for number, (section, repos) in enumerate(kept.items(), groups):
            members += [(number, name, section, repo_id) for repo_id in repos]
        groups += len(kept)
        known = sum(e.repo_name.lower() in ids for e in reading.entries)
        distinct = sum(map(len, sections.values()))
        count = {
            "no_repository": reading.no_repository,
            "not_content": reading.not_content,
            "list_of_lists": reading.list_of_lists,
            "duplicate": reading.duplicate + known - distinct,
            "unknown": len(reading.entries) - known,
            "small_group": distinct - sum(map(len, kept.values())),
            "kept": sum(map(len, kept.values())),
        }
        counts.append({"list": name, "items": reading.items, **count, "groups": len(kept)})
    if readmes and not groups:
        raise StarvecError(
            f"none of {len(readmes):,} awesome lists has a section with {SIZE_MIN} repositories of the catalogue "
            f"({len(rows):,} links were found): check the READMEs, or add months to the star log"
        )
    write_table(_table(rows, ENTRIES), ENTRIES, out / "entries.parquet")
    write_table(_table(members, GROUPS), GROUPS, out / "groups.parquet")
    lists = pa.Table.from_pylist(counts, schema=LISTS)
    write_table(lists, LISTS, out / "lists.parquet")
    total = {key: sum(lists[key].to_pylist()) for key in ("items", "kept", *LOSSES)}
    return AwesomeSummary(
        lists=len(readmes),
        items=total["items"],
        kept=total["kept"],
        groups=groups,
        losses={key: total[key] for key in LOSSES},
        empty=[str(count["list"]) for count in counts if not count["groups"]],
    )


def _table(
    rows: list[tuple[str, str, int, str, int | None]] | list[tuple[int, str, str, int]], schema: pa.Schema
) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [[] for _ in schema]
    return pa.table([pa.array(values, f.type) for values, f in zip(columns, schema, strict=True)], schema=schema)
