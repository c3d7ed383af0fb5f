from collections import Counter
from itertools import combinations

from starvec_assets.github_names import is_repository
from starvec_assets.profiles.developers import read_developers
from starvec_assets.profiles.probes import load_categories
from starvec_assets.sample.catalogue import RELATED, load_catalogue, load_little_known


def test_every_line_is_valid() -> None:
    repos, little_known = load_catalogue(), load_little_known()
    for repo in [*repos, *little_known]:
        assert is_repository(repo.name), repo
        assert repo.stars in ((100, 300) if repo in little_known else (1_000, 3_000, 10_000, 30_000, 100_000, 300_000))
        for text in (repo.language or "-", repo.field, repo.topic, repo.description):
            assert text == text.strip(), repo
            assert 0 < len(text) <= 200, repo
    assert Counter(repo.name.lower() for repo in [*repos, *little_known]).most_common(1)[0][1] == 1
    topics = Counter((repo.field, repo.topic) for repo in repos)
    assert topics.keys() >= {(repo.field, repo.topic) for repo in little_known}
    assert {topic for topic, size in topics.items() if not 3 <= size <= 12} == set()


def test_the_catalogue_is_large_and_broad() -> None:
    repos = load_catalogue()
    fields = Counter(repo.field for repo in repos)
    assert len(repos) >= 1_050
    assert len(fields) >= 18
    assert min(fields.values()) >= 25
    assert {"pandas-dev/pandas", "pytorch/pytorch", "facebook/react", "rust-lang/rust"} <= {repo.name for repo in repos}


def test_most_repositories_have_a_language_and_all_a_description_of_their_own() -> None:
    repos = [*load_catalogue(), *load_little_known()]
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
