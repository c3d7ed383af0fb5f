from pathlib import Path

import pytest
from fake_github import FakeGitHub

from starvec_assets.errors import StarvecError
from starvec_assets.github import GitHubError
from starvec_assets.item_faults import ServiceDown
from starvec_assets.text.readmes import Readmes, folder_readmes, no_readmes


def test_folder_readmes_ignores_letter_case(tmp_path: Path) -> None:
    (tmp_path / "Owner__Some.Name.md").write_bytes(b"hello \xff")
    (tmp_path / "owner__folder.md").mkdir()
    readmes = folder_readmes(tmp_path)
    assert readmes.get("owner/some.name") == "hello �"
    assert readmes.get("owner/other") is None
    assert readmes.get("owner/folder") is None


def test_folder_readmes_reads_no_file_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("x")
    inside = tmp_path / "readmes"
    inside.mkdir()
    assert folder_readmes(inside).get("../secret") is None


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match="no folder of READMEs"):
        folder_readmes(tmp_path / "nowhere")


def test_only_the_first_readmes_are_read() -> None:
    names: list[str] = []
    readmes = Readmes(lambda name: names.append(name) or name, 2)  # type: ignore[func-returns-value]
    assert [readmes.get(name) for name in ("a/a", "b/b", "c/c")] == ["a/a", "b/b", None]
    assert names == ["a/a", "b/b"]
    assert no_readmes().get("a/a") is None


def test_refused_repository_is_passed_over_with_its_reason() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.repository_faults |= {2: "blocked", 3: "gone", 4: "down"}
        readmes = Readmes(client.readme)
        texts = [readmes.get(f"owner/repo{number}") for number in range(1, 6)]
        assert [text is None for text in texts] == [False, True, True, True, False]
        assert list(readmes.faults.reasons) == ["owner/repo2", "owner/repo4"], "a missing README is no fault"
        assert "Repository access blocked" in readmes.faults.reasons["owner/repo2"]
        [warning] = readmes.warnings()
        assert warning.startswith("READMEs: 2 passed over: owner/repo2: /repos/owner/repo2/readme: GitHub answers 403")


def test_spent_limit_ends_the_requests_and_keeps_what_came() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.requests_per_hour = 2
        readmes = Readmes(client.readme)
        texts = [readmes.get(f"owner/repo{number}") for number in range(1, 9)]
        assert [text is None for text in texts] == [False] * 2 + [True] * 6
        assert fake.requests.total() == 2
        [warning] = readmes.warnings()
        assert "rate limit is spent until 2026-11-02 01:00:01 UTC" in warning


def test_service_that_is_down_ends_the_requests() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.down = True
        readmes = Readmes(client.readme)
        with pytest.raises(ServiceDown, match="READMEs: the last 5 all failed"):
            [readmes.get(f"owner/repo{number}") for number in range(1, 99)]


def test_refused_token_is_no_fault_of_a_repository() -> None:
    def read(name: str) -> str | None:
        raise GitHubError("GitHub refuses the token")

    with pytest.raises(GitHubError, match="refuses the token"):
        Readmes(read).get("a/a")
