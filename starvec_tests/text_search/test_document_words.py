"""The words of a repository: every field, and bounds on hostile text."""

import pytest

from starvec_assets.text.documents import BEGINNING_CHARS
from starvec_assets.text_search.documents import MAX_FIELD_CHARS, MAX_TOPICS, document_words
from starvec_assets.text_search.tokenizer import tokenize


def test_words_come_from_every_field_in_order():
    words = document_words("owner/Thing", "A parser", "Rust", ["json", "cli"], "# Usage\nFast.")
    assert words == [
        word for field in ("owner/Thing", "parser", "Rust", "json cli", "Usage Fast") for word in tokenize(field)
    ]


def test_fields_that_are_unknown_have_no_words():
    assert (
        document_words("a/b") == document_words("a/b", None, None, None, None) == document_words("a/b", "", "", [], "")
    )


def test_the_markup_of_a_readme_has_no_words():
    words = document_words(
        "a/b", readme="<script>alert(1)</script>\n```\ncode\n```\n[guide](https://example.org/secret)"
    )
    assert not set(words) & set(tokenize("script code https example secret"))
    assert set(tokenize("guide")) <= set(words)


@pytest.mark.parametrize(
    "text",
    ["word " * 2_000_000, "a" * 10_000_000, "\x00\x1b[31m\u202e " * 1_000_000, "<b>" * 3_000_000, "中" * 3_000_000],
    ids=["one word a million times", "one long word", "control characters", "markup", "Han"],
)
@pytest.mark.parametrize("field", ["description", "language", "readme"])
def test_hostile_text_is_bounded(text: str, field: str):
    words = document_words("a/b", **{field: text})
    assert len(words) <= 2 * MAX_FIELD_CHARS
    assert all(len(word) < 100 and word.isprintable() for word in words)
    if field == "readme":
        assert len(words) <= BEGINNING_CHARS


def test_topics_are_bounded():
    assert len(document_words("a/b", topics=["topic"] * 1_000_000)) <= MAX_TOPICS + 2
