from collections import Counter
from itertools import combinations

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.profiles.developers import read_developers
from starvec_assets.profiles.probes import load_categories
from starvec_assets.sample.catalogue import RELATED, load_catalogue, parse_catalogue


def lines(count: int = 3, **change: str) -> list[str]:
    """Return a valid table, with the columns of its last line replaced by `change`."""
    rows = [
        {
            "name": f"owner/r{i}",
            "language": "Go",
            "field": "web3",
            "topic": "bitcoin",
            "stars": "1000",
            "text": "Does it",
        }
        for i in range(count)
    ]
    rows[-1] |= change
    return ["\t".join(row.values()) for row in rows]


def test_the_catalogue_is_large_and_broad() -> None:
    repos = load_catalogue()
    fields = Counter(repo.field for repo in repos)
    assert len(repos) >= 1_050
    assert len(fields) >= 18
    assert min(fields.values()) >= 25
    assert {"pandas-dev/pandas", "pytorch/pytorch", "facebook/react", "rust-lang/rust"} <= {repo.name for repo in repos}


def test_most_repositories_have_a_language_and_all_a_description_of_their_own() -> None:
    repos = load_catalogue()
    assert sum(repo.language is None for repo in repos) < len(repos) / 50
    assert len({repo.description for repo in repos}) == len(repos)
    assert all(len(repo.description.split()) >= 2 for repo in repos)


def test_related_fields_are_fields_of_the_catalogue_and_every_field_has_some() -> None:
    fields = {repo.field for repo in load_catalogue()}
    assert {field for line in RELATED for field in line} == fields


def test_every_reference_repository_of_a_category_is_in_the_catalogue() -> None:
    names = {repo.name for repo in load_catalogue()}
    categories = load_categories()
    assert len(categories) == 10
    for references in categories.values():
        assert len(references) >= 22
        assert set(references) <= names
    assert not any(set(a) & set(b) for a, b in combinations(categories.values(), 2))


def test_developers_are_many_and_of_many_fields() -> None:
    developers = read_developers()
    assert len(developers) >= 60
    assert len({developer.field for developer in developers}) >= 20


def test_comments_blank_lines_and_a_missing_language_are_read() -> None:
    repos = parse_catalogue("\n".join(["# explained", "", *lines(language="-")]))
    assert [repo.language for repo in repos] == ["Go", "Go", None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "no-owner"}, r"line 3: name 'no-owner'"),
        ({"name": "-a/b"}, r"line 3: name '-a/b'"),
        ({"name": "OWNER/R0"}, r"line 3: OWNER/R0 is listed twice"),
        ({"stars": "2000"}, r"line 3: stars '2000'"),
        ({"stars": "many"}, r"line 3: stars 'many'"),
        ({"text": ""}, r"line 3: description ''"),
        ({"text": "x" * 201}, r"line 3: description 'xxx"),
        ({"text": "a\tb"}, r"line 3: .* 7 columns"),
        ({"topic": "wallets"}, r"topic 'bitcoin' of 'web3' has 2 repositories"),
    ],
)
def test_an_invalid_line_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(StarvecError, match=message):
        parse_catalogue("\n".join(lines(**change)))


def test_a_topic_too_large_and_an_unknown_field_are_refused() -> None:
    with pytest.raises(StarvecError, match="has 13 repositories, not 3 to 12"):
        parse_catalogue("\n".join(lines(13)))
    with pytest.raises(StarvecError, match=r"related to \['web4'\]"):
        parse_catalogue("\n".join(lines()).replace("web3", "web4"))
