import httpx
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.fetch import FetchSettings, fetch_lists

SETTINGS = FetchSettings(attempts=3, pause=0.5, max_bytes=1_000)


class GitHub:
    """A raw.githubusercontent.com of a few files, which counts what it is asked."""

    def __init__(self, files: dict[str, str]):
        self.files, self.asked, self.slept = files, [], []
        self.trouble: list[httpx.Response | Exception] = []
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.trouble:
            trouble = self.trouble.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        text = self.files.get(request.url.path)
        if text is None:
            return httpx.Response(404, text="404: Not Found")
        etag = f'"{hash(text)}"'
        if request.headers.get("if-none-match") == etag:
            return httpx.Response(304)
        return httpx.Response(200, text=text, headers={"etag": etag})

    def fetch(self, names, cache):
        return fetch_lists(names, cache, SETTINGS, self.client, self.slept.append)


def test_readmes_come_over_http_under_any_of_their_names(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/b/HEAD/readme.md": "- b", "/o/c/HEAD/README.rst": "* c"})
    assert github.fetch(["o/a", "o/b", "o/c"], tmp_path).readmes == {"o/a": "- a", "o/b": "- b", "o/c": "* c"}
    assert github.slept == [0.5] * len(github.asked), "polite: a pause after every answer"


def test_only_what_changed_travels_again(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/b/HEAD/readme.md": "- b"})
    github.fetch(["o/a", "o/b"], tmp_path)
    github.asked.clear()
    github.files["/o/a/HEAD/README.md"] = "- new"
    assert github.fetch(["o/a", "o/b"], tmp_path).readmes == {"o/a": "- new", "o/b": "- b"}
    assert github.asked == ["/o/a/HEAD/README.md", "/o/b/HEAD/readme.md"], "found at once where it was"


def test_passing_trouble_is_tried_again_ever_later(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.trouble = [httpx.ConnectError("down"), httpx.Response(429, headers={"retry-after": "7"})]
    assert github.fetch(["o/a"], tmp_path).readmes == {"o/a": "- a"}
    assert github.slept == [1, 7, 0.5]


def test_a_list_that_is_gone_or_too_large_is_named(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/large/HEAD/README.md": "x" * 1_001})
    fetched = github.fetch(["o/gone", "o/a", "o/large"], tmp_path)
    assert fetched.readmes == {"o/a": "- a"}
    assert "404" in fetched.failed["o/gone"]
    assert "1,000 bytes" in fetched.failed["o/large"]


def test_the_older_copy_serves_when_github_does_not(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.fetch(["o/a"], tmp_path)
    github.trouble = [httpx.Response(503)] * 3
    fetched = github.fetch(["o/a"], tmp_path)
    assert fetched.readmes == {"o/a": "- a"}
    assert fetched.stale == {"o/a": "HTTP 503, 3 times"}


def test_nothing_at_all_is_an_error(tmp_path):
    github = GitHub({})
    github.trouble = [httpx.ConnectTimeout("no route")] * 3
    with pytest.raises(StarvecError, match="none of 1 awesome lists could be fetched"):
        github.fetch(["o/a"], tmp_path)


def test_without_a_network_it_is_not_tried_for_every_list(tmp_path):
    names = [f"o/{i}" for i in range(200)]
    github = GitHub({f"/{name}/HEAD/README.md": "- a" for name in names[:2]})
    github.fetch(names[:2], tmp_path)
    github.asked.clear()
    github.trouble = [httpx.ConnectTimeout("no route")] * 1_000
    fetched = github.fetch(names, tmp_path)
    assert len(github.asked) == 5 * 3
    assert set(fetched.stale) == set(fetched.readmes) == set(names[:2])
    assert fetched.failed["o/199"] == "not asked for: 5 lists before it were tried in vain"


def test_lists_that_are_gone_stop_nothing(tmp_path):
    github = GitHub({"/o/last/HEAD/README.md": "- a"})
    names = [*(f"o/{i}" for i in range(9)), "o/last"]
    assert github.fetch(names, tmp_path).readmes == {"o/last": "- a"}


def test_a_damaged_cache_is_fetched_anew(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.fetch(["o/a"], tmp_path)
    for damage in ("", "{", "README.md", "README.md\nwrong\n"):
        (tmp_path / "o__a.etag").write_text(damage)
        assert github.fetch(["o/a"], tmp_path).readmes == {"o/a": "- a"}
