"""The words of a repository that it is found by."""

from collections.abc import Sequence

from starvec_assets.text.documents import BEGINNING_CHARS, plain_readme
from starvec_assets.text_search.tokenizer import tokenize

MAX_TOPICS = 50
MAX_FIELD_CHARS = 1_000
"""Characters of any other field that are read; GitHub allows 350 in a description."""


def document_words(
    name: str,
    description: str | None = None,
    language: str | None = None,
    topics: Sequence[str] | None = None,
    readme: str | None = None,
) -> list[str]:
    """Return the words of a repository's owner and name, description, language, topics and README, in this order.

    A word is as often there as it was written. Every field is bounded.
    """
    topics_text = " ".join((topics or ())[:MAX_TOPICS])
    fields = (name, description, language, topics_text)
    words = [word for field in fields if field for word in tokenize(field[:MAX_FIELD_CHARS])]
    return words + (readme_words(readme) if readme else [])


def readme_words(readme: str) -> list[str]:
    """Return the words of the beginning of a README's prose."""
    return tokenize(plain_readme(readme)[:BEGINNING_CHARS])
