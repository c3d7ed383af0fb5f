import re
from pathlib import Path

import pytest

import starvec_assets
from starvec_assets.errors import StarvecError
from starvec_assets.github_names import (
    LOGIN,
    REPOSITORY,
    check_login,
    check_repository,
    is_login,
    is_repository,
    repository_of,
)
from starvec_assets.topics import TOPIC

WEB = Path(starvec_assets.__file__).parent / "web"


@pytest.mark.parametrize("login", ["a", "7", "torvalds", "koral--", "Zynine-", "a--b", "ada_company", "a" * 39])
def test_logins_that_github_has_are_accepted(login: str) -> None:
    assert check_login(login) == login


@pytest.mark.parametrize("login", ["", ".", "..", "-a", "a b", "a/b", "a\n", "ä", "<b>", "app[bot]", "a" * 101])
def test_other_logins_are_refused(login: str) -> None:
    assert not is_login(login)
    with pytest.raises(StarvecError, match="no GitHub login"):
        check_login(login)


@pytest.mark.parametrize(
    "name",
    [
        *("koral--/android-gif-drawable", "Zynine-/HDHRViewerV2.bundle", "o/CPP-Templates-2nd--", "o/.github"),
        *("o/r", "o/r-", "o/-", "o/_", "o/...", "o/..a", "o/" + "r" * 100),
    ],
)
def test_repositories_that_github_has_are_accepted(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize(
    "name", ["", "o", "o/", "/r", "o/.", "o/..", "../r", "o/r/x", "o/r?x", "o/r\n", "o/" + "r" * 103]
)
def test_other_repositories_are_refused(name: str) -> None:
    assert not is_repository(name)
    with pytest.raises(StarvecError, match="owner/name"):
        check_repository(name)


@pytest.mark.parametrize(
    "address",
    [
        "o/a.b", " /o/a.b/ ", "https://github.com/o/a.b", "HTTP://www.GitHub.com/o/a.b/",
        "github.com/o/a.b?tab=readme#x", "https://github.com/o/a.b/tree/main/c", "https://github.com/o/a.b.git",
        "git@github.com:o/a.b.git", "ssh://git@github.com/o/a.b.git",
    ],
)  # fmt: skip
def test_a_repository_is_named_by_any_of_its_addresses(address: str) -> None:
    assert repository_of(address) == "o/a.b"


@pytest.mark.parametrize("text", ["", "pandas", "https://example.org/o/r", "github.com/o", "https://github.com/"])
def test_other_text_stays_without_its_outer_slashes(text: str) -> None:
    assert repository_of(text) == text.strip("/")


def test_the_page_has_the_same_patterns() -> None:
    text = (WEB / "github_names.js").read_text()
    patterns = dict(re.findall(r"export const (\w+) =\s+/\^(.*)\$/;", text))
    repository = REPOSITORY.replace("/", r"\/", 1)
    assert patterns == {"LOGIN_PATTERN": LOGIN, "REPOSITORY_PATTERN": repository, "TOPIC_PATTERN": TOPIC}


def test_the_page_has_no_other_pattern_of_a_name() -> None:
    using = {file.name for file in WEB.rglob("*.js") if "A-Za-z0-9_.-" in file.read_text()}
    assert using == {"github_names.js"}
