import pytest

from starvec_assets.text.documents import (
    README_CHARS,
    document,
    name_words,
    plain_readme,
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pandas-dev/pandas", "pandas dev pandas"),
        ("facebookresearch/DensePose", "facebookresearch DensePose Dense Pose"),
        ("microsoft/XMLParser", "microsoft XMLParser XML Parser"),
        ("vuejs/vue-next_2.0", "vuejs vue next 2 0"),
        ("notepad-plus-plus/notepad++", "notepad plus plus notepad++"),
    ],
)
def test_names_are_split_into_words_and_their_parts(name: str, words: str) -> None:
    assert name_words(name) == words


def test_document_has_a_line_per_known_field() -> None:
    text = document("a/b", "  Does\nthings ", "Rust", ["cli", "tool"], "# Title\n\nLong story")
    assert text == "a b\nDoes things\nRust\ncli tool\nTitle Long story"


def test_absent_fields_leave_no_line() -> None:
    assert document("a/b", None, None, None, None) == document("a/b", "", "", [], "  ") == "a b"


README = """<!-- hidden words -->
<p align="center"><img src="https://x.io/logo.png" alt="logo"></p>

[![Build](https://ci.io/badge.svg)](https://ci.io/run) ![plain badge](b.svg)

Fast Project &amp; friends
==========================

See the [user guide](https://docs.io/guide "Guide") or [reference][docs], at https://docs.io/x?y=1.

```python
import secret_sauce
```

* **bold** _words_ | table |

[docs]: https://docs.io
"""


def test_markup_urls_and_code_are_removed_from_a_readme() -> None:
    assert plain_readme(README) == "Fast Project & friends See the user guide or reference, at bold words table"


def test_readme_is_bounded() -> None:
    assert len(plain_readme("word " * 100_000)) == README_CHARS


@pytest.mark.parametrize("part", ["<!--", "[", "![", "<", "```\n", "[a](", "](", "https://", "\\", "[x]: y\n", "&amp;"])
def test_hostile_readme_is_parsed_in_linear_time(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # a million characters in place of the first 64,000: a quadratic expression would take many minutes
    monkeypatch.setattr("starvec_assets.text.documents._RAW_CHARS", 1_000_000)
    assert len(plain_readme(part * (1_000_000 // len(part)))) <= README_CHARS
