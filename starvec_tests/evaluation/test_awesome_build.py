from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.build import (
    DROP_REASONS,
    LISTS,
    awesome_lists_metadata,
    build_awesome_lists,
    load_list_names,
    read_readmes,
)
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ranking.groups import load_groups

README = """# Awesome
Inspired by [you](https://github.com/x/you).
- [me](https://github.com/x/me)
## Contents
- [code](https://github.com/x/self)
## Tools
- [a](https://github.com/x/a) - and [e](https://github.com/x/e)
- [b](https://github.com/X/B)
- [c](https://github.com/x/old-c)
- [c again](https://github.com/x/c)
- [b again](https://github.com/x/b)
- [gone](https://github.com/no/where)
- [site](https://example.com)
## Few
- [d](https://github.com/x/d)
- [e](https://github.com/x/e)
## Other lists
- [l](https://github.com/x/awesome-l)
"""


@pytest.fixture
def catalog(tmp_path: Path) -> RepoCatalog:
    rows = [
        (1, "x/A", [], [], 50, 9),
        (2, "x/b", [], [], 40, 9),
        (3, "x/c", ["x/Old-C", "x/d"], [1, 2], 30, 9),
        (4, "x/d", [], [], 20, 9),  # took the name that repository 3 once had
        (5, "x/e", [], [], 9, 9),
        (6, "X/E", [], [], 10, 8),  # an abandoned repository of the same name
        (7, "x/me", [], [], 5, 9),
    ]
    names = ("repo_id", "name", "former_names", "former_names_seen", "stars", "last_seen")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "repos.parquet")
    return RepoCatalog(tmp_path / "repos.parquet")


def test_groups_and_drops_match_a_hand_count(catalog, tmp_path):
    totals = build_awesome_lists({"o/awesome": README, "o/gone": "404: Not Found"}, catalog, tmp_path)
    groups = pq.read_table(tmp_path / "groups.parquet").to_pylist()
    assert [(g["group"], g["list"], g["section"], g["repo_id"]) for g in groups] == [
        (0, "o/awesome", "Awesome / Tools", repo_id) for repo_id in (1, 2, 3)
    ]
    row = pq.read_table(tmp_path / "lists.parquet").to_pylist()[0]
    assert row == {
        "list": "o/awesome",
        "items": 12,
        "no_repository": 1,
        "not_content": 1,
        "list_of_lists": 1,
        "duplicate": 2,
        "unknown": 1,
        "small_group": 3,
        "kept": 3,
        "groups": 1,
        "lost": 1,
    }
    assert {"list": "o/awesome", **totals} == {"lists": 2, **row}, "the other list has no item"
    assert row["items"] == row["kept"] + sum(row[reason] for reason in DROP_REASONS)
    entries = pq.read_table(tmp_path / "entries.parquet").to_pylist()
    assert {e["repo_name"]: e["repo_id"] for e in entries}["x/old-c"] == 3
    assert {e["repo_name"]: e["repo_id"] for e in entries}["no/where"] is None


def test_metadata_shows_outcomes_by_list_and_what_was_not_fetched(catalog, tmp_path):
    totals = build_awesome_lists({"o/awesome": README, "o/gone": "404: Not Found"}, catalog, tmp_path)
    metadata = awesome_lists_metadata(totals, tmp_path, ["o/x: 404"])
    assert (metadata["lists"], metadata["groups"]) == (2, 1)
    assert metadata["repositories linked outside the items"] == 1
    assert metadata["items"].splitlines()[2:4] == ["| kept | 3 |", "| small&#95;group | 3 |"]
    assert "o/gone" in metadata["lists without a group"]
    assert metadata["by list"].splitlines()[2].startswith("| o/awesome | 12 | 3 | 1 | 1 | 1 | 1 | 1 | 2 | 1 | 3 |")
    assert "o/x: 404" in metadata["not fetched"]


def test_output_bytes_do_not_depend_on_list_order(catalog, tmp_path):
    readmes = {"o/a": README, "o/b": README.replace("Tools", "Things")}
    for folder, order in (("one", readmes), ("two", dict(reversed(readmes.items())))):
        (tmp_path / folder).mkdir()
        build_awesome_lists(order, catalog, tmp_path / folder)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_columns_carry_comments(catalog, tmp_path):
    build_awesome_lists({"o/a": README}, catalog, tmp_path)
    schema = pq.read_schema(tmp_path / "lists.parquet")
    assert all(schema.field(name).metadata[b"comment"] for name in LISTS.names)


def test_lists_without_any_group_raise(catalog, tmp_path):
    with pytest.raises(StarvecError, match="none of 1 awesome lists"):
        build_awesome_lists({"o/a": "404: Not Found"}, catalog, tmp_path)


def test_no_lists_give_empty_tables(catalog, tmp_path):
    assert build_awesome_lists({}, catalog, tmp_path)["groups"] == 0
    assert all(pq.read_table(tmp_path / f"{name}.parquet").num_rows == 0 for name in ("entries", "groups", "lists"))
    assert len(load_groups(tmp_path / "groups.parquet", np.arange(5)).members) == 0


def test_readmes_are_read_from_a_folder_by_suffix(tmp_path):
    (tmp_path / "o__awesome-x.md").write_text("- ü", encoding="utf-8")
    (tmp_path / "o__a__b.rst").write_text("*", encoding="utf-8")
    (tmp_path / "SOURCES.csv").write_text("list", encoding="utf-8")
    (tmp_path / "o__folder.md").mkdir()
    assert read_readmes(tmp_path) == {"o/a__b": "*", "o/awesome-x": "- ü"}


def test_missing_folders_and_files_that_are_not_utf8_raise(tmp_path):
    with pytest.raises(StarvecError, match=r"no README .* in .*absent"):
        read_readmes(tmp_path / "absent")
    (tmp_path / "o__x.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StarvecError, match=r"o__x\.md is not UTF-8"):
        read_readmes(tmp_path)


def test_shipped_names_are_at_least_150_distinct_lists():
    names = load_list_names()
    assert len({name.lower() for name in names}) == len(names) >= 150


@pytest.mark.parametrize("line", ["awesome-x", "https://github.com/o/x", "o/ x", "../x", "o/x/y"])
def test_lines_other_than_owner_slash_name_raise(tmp_path, line):
    file = tmp_path / "lists.txt"
    file.write_text(f"# lists\no/x # fine\n\n{line}\n")
    with pytest.raises(StarvecError, match="is not owner/name"):
        load_list_names(file)
