from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starvec_assets.evaluation.awesome.parse import MAX_CHARS, find_repository, parse_readme

SHARED = Path(__file__).parents[2] / "../shared/data/awesome"


def found(text: str) -> list[tuple[str, str]]:
    return [(entry.section, entry.repo_name) for entry in parse_readme(text).entries]


def test_first_repository_link_of_each_item_with_its_headings():
    text = """# Awesome things
- [intro](https://github.com/a/intro)
## Databases
* [one](https://github.com/a/one) - like [two](https://github.com/a/two)
+ [site](https://example.com) ([source](https://github.com/a/three))
1. <https://github.com/a/four>
2) bare https://github.com/a/five.
### Embedded
- [six](http://www.github.com/a/six)
## Editors
- nothing here
"""
    assert found(text) == [
        ("Awesome things", "a/intro"),
        ("Awesome things / Databases", "a/one"),
        ("Awesome things / Databases", "a/three"),
        ("Awesome things / Databases", "a/four"),
        ("Awesome things / Databases", "a/five"),
        ("Awesome things / Databases / Embedded", "a/six"),
    ]
    reading = parse_readme(text)
    assert (reading.items, reading.no_repository) == (7, 1)


@pytest.mark.parametrize(
    ("address", "repo"),
    [
        ("https://github.com/Owner/Na.me_-1", "Owner/Na.me_-1"),
        ("https://github.com/o/r.git", "o/r"),
        ("https://github.com/o/r/", "o/r"),
        ("https://github.com/o/r#readme", "o/r"),
        ("https://github.com/o/r?tab=readme-ov-file", "o/r"),
        ("https://github.com/o/r/blob/main/docs/x.md", "o/r"),
        ("https://github.com/o/r/tree/v1.0/packages/p", "o/r"),
        ("github.com/o/r.", "o/r"),
        ("(https://github.com/o/r).", "o/r"),
        ("https://github.com/o/r**", "o/r"),
        ("HTTPS://GitHub.com/o/r", "o/r"),
        ("https://github.com/o/.github", "o/.github"),
        ("git://github.com/o/node.js", "o/node.js"),
        ("https://github.com/o/.", None),
        ("https://github.com/o/..", None),
        ("https://github.com/owner", None),
        ("https://github.com/owner/", None),
        ("https://github.com/topics/python", None),
        ("https://github.com/sponsors/someone", None),
        ("https://github.com/orgs/o/projects", None),
        ("https://github.com/features/actions", None),
        ("https://github.com/marketplace/actions", None),
        ("https://github.com/search?q=x", None),
        ("https://gist.github.com/o/123", None),
        ("https://o.github.io/r", None),
        ("https://raw.githubusercontent.com/o/r/main/x.png", None),
        ("https://notgithub.com/o/r", None),
        ("https://evil-github.com/o/r", None),
        ("https://gitlab.com/o/r", None),
        ("https://github.com/o_o/r", None),
        ("https://github.com/topics/x then https://github.com/o/r", "o/r"),
    ],
)
def test_repository_addresses_are_recognized(address, repo):
    assert find_repository(address) == repo


def test_indented_items_are_items():
    text = "## S\n\n    - [a](https://github.com/x/a)\n    - [b](https://github.com/x/b)\n"
    assert found(text) == [("S", "x/a"), ("S", "x/b")]


def test_nested_items_are_items():
    assert found("## S\n- Group\n    - [a](https://github.com/x/a)\n        * [b](https://github.com/x/b)\n") == [
        ("S", "x/a"),
        ("S", "x/b"),
    ]


def test_an_item_includes_its_continuation_lines_but_not_the_next_paragraph():
    text = "## S\n- Tool\n  described at\n\n  https://github.com/x/a\n- Other\n\nSee https://github.com/x/b\n"
    assert found(text) == [("S", "x/a")]


def test_table_rows_are_items():
    text = """## S
| Name | Stars |
|:-----|------:|
| [a](https://github.com/x/a) | 1 |
| b | https://github.com/x/b and https://github.com/x/c |

Name | About
--- | ---
[d](https://github.com/x/d) | without outer bars
"""
    assert found(text) == [("S", "x/a"), ("S", "x/b"), ("S", "x/d")]


def test_html_headings_lists_and_tables():
    text = """<h2 align="center"><a id="db"></a>Data<b>bases</b></h2>
<ul><li><a href="https://github.com/x/a">a</a></li><li><a href='https://github.com/x/b/issues'>b</a></ul>
<h3>
  Tables
</h3>
<table><tr><td><a href="https://github.com/x/c">c</a></td><td><a href="https://github.com/x/d">d</a></td></tr></table>
"""
    assert found(text) == [("Databases", "x/a"), ("Databases", "x/b"), ("Databases / Tables", "x/c")]


def test_badges_and_images_are_not_links_but_links_around_them_are():
    text = """## S
- [![Build](https://github.com/bad/ge/workflows/CI/badge.svg)](https://ci.example.com) [a](https://github.com/x/a)
- [![Stars](https://img.shields.io/github/stars/x/b)](https://github.com/x/b)
- <img src="https://github.com/bad/ge.png"> [c](https://github.com/x/c)
- ![logo][logo] [d](https://github.com/x/d)

[logo]: https://github.com/bad/ge/logo.png
"""
    assert [repo for _, repo in found(text)] == ["x/a", "x/b", "x/c", "x/d"]


def test_reference_links_are_followed():
    text = """## S
- [Full][full] text
- [Collapsed][]
- [Short Cut]
- [Undefined][nowhere]
- [bracketed] https://github.com/x/plain_

[FULL]: https://github.com/x/full "title"
[collapsed]: <https://github.com/x/collapsed>
[short  cut]: https://github.com/x/short
"""
    assert [repo for _, repo in found(text)] == ["x/full", "x/collapsed", "x/short", "x/plain_"]


def test_headings_at_odd_levels_and_shapes():
    text = """##### Deep first
- https://github.com/x/a
##NoSpace##
- https://github.com/x/b
Setext One
==========
- https://github.com/x/c

Setext Two
---
- https://github.com/x/d

### [Linked](https://github.com/x/heading) `code` :tada: [⬆](#top) ###
- https://github.com/x/e
"""
    assert found(text) == [
        ("Deep first", "x/a"),
        ("NoSpace", "x/b"),
        ("Setext One", "x/c"),
        ("Setext One / Setext Two", "x/d"),
        ("Setext One / Setext Two / Linked code :tada: ⬆", "x/e"),
    ]


def test_rules_code_and_comments_give_no_headings_or_items():
    text = """## S
- https://github.com/x/a

---

```sh
# not a heading
- https://github.com/x/code
```
<!-- - https://github.com/x/comment
## Hidden -->
- https://github.com/x/b
"""
    assert found(text) == [("S", "x/a"), ("S", "x/b")]


def test_restructured_text():
    text = """Awesome
=======

.. contents::

Databases
---------

* `Alpha <https://github.com/x/alpha>`_ - one
* Beta_ - two
* `Gamma Ray`_

Small
~~~~~

* https://github.com/x/delta

========
Overline
========

* https://github.com/x/epsilon

.. _Beta: https://github.com/x/beta
.. _`Gamma Ray`: https://github.com/x/gamma
"""
    assert found(text) == [
        ("Awesome / Databases", "x/alpha"),
        ("Awesome / Databases", "x/beta"),
        ("Awesome / Databases", "x/gamma"),
        ("Awesome / Databases / Small", "x/delta"),
        ("Overline", "x/epsilon"),
    ]


def test_org_mode():
    text = """#+TITLE: Awesome
# a comment
* Packages
** Windows
- [[https://github.com/x/a][a]] - one
   # another comment
- [[https://github.com/x/b][b]]
"""
    assert found(text) == [("Packages / Windows", "x/a"), ("Packages / Windows", "x/b")]


DROPPED_TITLES = (
    "Contents|Table of Contents|📖 Contents|TOC|License|Licence|Credits|Contributing|How to Contribute|Sponsors"
    "|Acknowledgements|Star History|Other Awesome Lists|Related Lists|Other Security Awesome Lists|12. Other lists"
    "|More Lists|Similar lists|Lists|See also"
)


@pytest.mark.parametrize("title", DROPPED_TITLES.split("|"))
def test_sections_about_the_list_or_other_lists_are_dropped(title):
    text = f"# Awesome\n## Real\n- https://github.com/x/a\n## {title}\n- https://github.com/x/b\n## Again\n- https://github.com/x/c"
    assert [repo for _, repo in found(text)] == ["x/a", "x/c"]


@pytest.mark.parametrize("title", ["List", "List Views", "Licensing servers", "Indexing", "Support vector machines"])
def test_sections_with_similar_titles_are_kept(title):
    assert found(f"## {title}\n- https://github.com/x/a") == [(title, "x/a")]


def test_subsections_of_contents_are_kept_but_not_those_of_lists_of_lists():
    below_contents = "# Contents\n- https://github.com/x/toc\n## Real\n- https://github.com/x/a"
    assert found(below_contents) == [("Contents / Real", "x/a")]
    below_lists = "# Other lists\n## Python\n- https://github.com/x/a"
    assert found(below_lists) == []


def test_a_section_of_mostly_awesome_lists_is_dropped():
    links = ["awesome-a", "awesome", "b-awesome", "tool"]
    text = "## Elsewhere\n" + "".join(f"- https://github.com/x/{name}\n" for name in links)
    reading = parse_readme(text + "## Icons\n- https://github.com/x/Font-Awesome-Picker\n- https://github.com/x/y\n")
    assert reading.list_of_lists == 4
    assert [e.section for e in reading.entries] == ["Icons", "Icons"]


def test_the_same_repository_twice_in_a_section_counts_once():
    reading = parse_readme("## S\n- https://github.com/x/a\n- https://github.com/X/A\n## T\n- https://github.com/x/a\n")
    assert [(e.section, e.position) for e in reading.entries] == [("S", 0), ("T", 2)]
    assert reading.duplicate == 1


def test_pages_without_items_give_no_entries():
    for text in ("404: Not Found", "", "Some prose about https://github.com/x/a."):
        assert parse_readme(text).entries == []


@pytest.mark.parametrize(
    "unit",
    [
        "[",
        "![",
        "![](",
        "<h1>",
        "<img ",
        "<!--",
        "github.com/a-",
        "#",
        "* ",
        "> ",
        "a\n--\n",
        "|",
        "[a][b]",
        "`a`_",
        "](",
        "`",
        "- a\nb\n",
        "a\n~~~~\n",
        "[a]:\n",
        "> - ",
    ],
)
def test_hostile_text_is_parsed_in_linear_time(unit):
    # 200,000 characters: a quadratic parser would take many minutes
    assert parse_readme("[b]: x\n- " + unit * (200_000 // len(unit))).entries == []


def test_text_beyond_the_limit_is_ignored():
    assert parse_readme("x" * MAX_CHARS + "\n- https://github.com/x/a").items == 0


@given(st.text(alphabet="[]()<>!#-*|`_ \n\t:/~=.ahlimg", max_size=300))
def test_every_item_of_any_text_is_an_entry_or_a_counted_drop(text):
    reading = parse_readme(text + "\n- https://github.com/x/a\n")
    dropped = reading.no_repository + reading.not_content + reading.list_of_lists + reading.duplicate
    assert reading.items == dropped + len(reading.entries)


@pytest.mark.skipif(not SHARED.exists(), reason="needs the real READMEs of ../shared/data/awesome")
def test_nearly_all_links_of_real_lists_are_found():
    linked = kept = 0
    for file in sorted(SHARED.glob("*.md"))[::4]:
        text = file.read_text(encoding="utf-8")
        reading = parse_readme(text)
        everywhere = {repo.lower() for line in text.splitlines() if (repo := find_repository(line))}
        own = {entry.repo_name.lower() for entry in reading.entries}
        linked, kept = linked + len(everywhere), kept + len(everywhere & own)
        assert reading.items > 0, file.name
    assert kept > 0.95 * linked
