import re
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
        ("https://github.com/ada_company/r", "ada_company/r"),
        ("https://github.com/ada--/drop-down", "ada--/drop-down"),
        ("https://github.com/Grace-/Compiler.pkg", "Grace-/Compiler.pkg"),
        ("https://github.com/a/b", "a/b"),
        ("https://github.com/o/second-try--)", "o/second-try--"),
        ("(https://github.com/o/_r_-).", "o/_r_-"),
        ("github.com/o/r-.", "o/r-"),
        ("https://github.com/o/r--.git", "o/r--"),
        ("https://github.com/o/...", None),
        ("https://github.com/-o/r", None),
        (f"https://github.com/o/{'r' * 101}", None),
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


def test_lines_of_an_html_paragraph_are_items():
    text = """## Tools
<div align="left"><p>
<b>All of these are free:</b><br>
&nbsp;<a href="https://github.com/x/saw"><b>saw</b></a> - cuts wood<br />
&nbsp;<a href="https://example.com/plane">plane</a> - makes it flat<br>
🔨 <a name="hammer"></a><a href='https://github.com/x/hammer'>hammer</a>
   drives nails, unlike <a href="https://github.com/x/glue">glue</a><BR>
<i><a href="https://github.com/x/file">file</a></i> - makes it smooth
</p></div>
"""
    assert found(text) == [("Tools", "x/saw"), ("Tools", "x/hammer"), ("Tools", "x/file")]
    reading = parse_readme(text)
    assert (reading.items, reading.no_repository, reading.lost) == (4, 1, 0)


def test_lines_with_hard_breaks_are_items():
    breaks = "[a](https://github.com/x/a)  \n**[b](https://github.com/x/b)**: text  \n[c](https://github.com/x/c) text"
    assert found(f"## S\n{breaks}") == [("S", "x/a"), ("S", "x/b"), ("S", "x/c")]
    plain = "[a](https://github.com/x/a) text\n[b](https://github.com/x/b)\nhttps://github.com/x/c\n"
    assert found(f"## S\n{plain}") == [("S", "x/a"), ("S", "x/b"), ("S", "x/c")]


def test_a_wrapped_line_that_happens_to_begin_with_a_link_is_no_item():
    paragraph = (
        "[{0}](https://github.com/x/{0}) does more than\n[{0}-old](https://github.com/x/{0}-old) did,\nand faster\n\n"
    )
    assert [repo for _, repo in found("## S\n" + "".join(map(paragraph.format, "abc")))] == ["x/a", "x/b", "x/c"]


def test_paragraphs_that_begin_with_a_link_are_items():
    text = """# Handbook
[Contents](#contents)
## Editors
Read [the handbook](https://github.com/x/handbook) before you choose.

[Quill](https://github.com/x/quill) writes.

1\\. [Eraser](https://github.com/x/eraser) rubs out, and [Knife](https://github.com/x/knife) too.

<https://github.com/x/ink> is needed as well.

[![build](https://ci.example.com/b.svg)](https://github.com/x/badge)
"""
    assert found(text) == [("Handbook / Editors", f"x/{name}") for name in ("quill", "eraser", "ink")]
    assert parse_readme(text).lost == 1, "the handbook; knife is in an item, and a badge says nothing"


def test_paragraphs_with_a_title_in_bold_are_items():
    paper = "**A study of {0}** \\\n*A. Author* \\\n[[Paper](https://example.com/{0})] [[Code](https://github.com/x/{0})]\n\n"
    text = "## Papers\n" + "".join(paper.format(name) for name in ("ants", "bees", "wasps"))
    assert [repo for _, repo in found(text)] == ["x/ants", "x/bees", "x/wasps"]


@pytest.mark.parametrize(
    "blocks",
    [
        "[a](https://github.com/x/a) text\n\n[b](https://github.com/x/b) text\n\n",
        "[a](https://github.com/x/a)\n\n[a](https://github.com/x/a/issues)\n\n[a](https://github.com/x/a/wiki)\n\n",
        "See [a](https://github.com/x/a)\n\nSee [b](https://github.com/x/b)\n\nSee [c](https://github.com/x/c)\n\n",
        "### [a](https://github.com/x/a)\ntext\n### [b](https://github.com/x/b)\ntext\n",
        "**Note:** [a](https://github.com/x/a)\n\n**Note:** text\n\n**Note:** text\n\n",
    ],
    ids=["few", "one repository", "prose", "few headings", "few titles"],
)
def test_links_in_prose_are_no_entries_but_counted(blocks):
    reading = parse_readme(f"## S\n{blocks}")
    assert (reading.entries, reading.items) == ([], 0)
    assert reading.lost == len(set(re.findall(r"github\.com/x/([abc])", blocks)))


def test_headings_that_link_repositories_are_items_of_the_section_above():
    text = """# Addons
## 1. [Apple](https://github.com/x/apple) ![stars](https://img.shields.io/x.svg)
- [manual](https://github.com/x/manual)
### Usage
## [Berry](https://github.com/x/berry)
## <a href="https://github.com/x/cherry">Cherry</a>
## License
"""
    assert found(text) == [
        ("Addons", "x/apple"),
        ("Addons / 1. Apple", "x/manual"),
        ("Addons", "x/berry"),
        ("Addons", "x/cherry"),
    ]


def test_a_heading_inside_an_item_belongs_to_the_item_if_it_is_a_link():
    text = "## S\n" + "".join(f"- ### [{name}](https://github.com/x/{name})\n  text\n" for name in "ab")
    assert found(text) == [("S", "x/a"), ("S", "x/b")]


def test_bullets_without_a_space_are_items():
    assert found("## S\n-[a](https://github.com/x/a)\n- [b](https://github.com/x/b)\n") == [("S", "x/a"), ("S", "x/b")]


def test_terms_and_lines_of_restructured_text_are_items():
    text = """Stores
======

first_
   A store.
`Second Store`_
   Another, unlike first_.

   With a paragraph.

`third <https://github.com/x/third>`__
   One more.

Addresses
---------
| Source: https://github.com/x/source
| Mirror: https://example.com

.. _first: https://github.com/x/first
.. _Second Store: https://github.com/x/second
"""
    names = ("first", "second", "third")
    assert found(text) == [*(("Stores", f"x/{name}") for name in names), ("Stores / Addresses", "x/source")]


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
        "github.com/a- ",
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
        "- x\n\n  ",
        "https://x\n",
        "https://x<br>",
        "**a**\\\n",
        "&a;",
        "<a>",
        "<a></a>",
        "[a](https://",
        "| x\n",
        "x\n y\n",
        "# [a](https://x)\n",
        "[ ",
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
    assert kept > 0.97 * linked
