import httpx
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.fetch import FetchSettings, fetch_lists

SETTINGS = FetchSettings(attempts=3, pause=0.5, max_bytes=1_000)


class GitHub:
    """A transport that answers as raw.githubusercontent.com does, and records paths and waits.

    `faults` come first, one a request.
    """

    def __init__(self, files: dict[str, str]):
        self.files, self.requests, self.slept = files, [], []
        self.faults: list[httpx.Response | Exception] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        text = self.files.get(request.url.path)
        if text is None:
            return response(404)
        etag = f'"{hash(text)}"'
        if request.headers.get("if-none-match") == etag:
            return response(304)
        return response(200, text, etag=etag)

    def fetch(self, names, cache):
        return fetch_lists(names, cache, SETTINGS, httpx.MockTransport(self._answer), self.slept.append)


def response(status: int, text: str = "", **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(text.encode()))


def test_readmes_are_found_under_any_usual_file_name(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/b/HEAD/readme.md": "- b", "/o/c/HEAD/README.rst": "* c"})
    assert github.fetch(["o/a", "o/b", "o/c"], tmp_path).readmes == {"o/a": "- a", "o/b": "- b", "o/c": "* c"}
    assert github.slept == [0.5] * len(github.requests), "polite: a pause after every answer"


def test_only_changed_lists_are_downloaded_again(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/b/HEAD/readme.md": "- b"})
    github.fetch(["o/a", "o/b"], tmp_path)
    github.requests.clear()
    github.files["/o/a/HEAD/README.md"] = "- new"
    assert github.fetch(["o/a", "o/b"], tmp_path).readmes == {"o/a": "- new", "o/b": "- b"}
    assert github.requests == ["/o/a/HEAD/README.md", "/o/b/HEAD/readme.md"], "found at once where it was"


def test_transient_failures_are_retried_with_growing_waits(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.faults = [httpx.ConnectError("down"), response(429, **{"retry-after": "7"})]
    assert github.fetch(["o/a"], tmp_path).readmes == {"o/a": "- a"}
    assert github.slept == [1, 7, 0.5]


def test_missing_and_oversized_lists_are_reported(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a", "/o/large/HEAD/README.md": "x" * 1_001})
    fetched = github.fetch(["o/gone", "o/a", "o/large"], tmp_path)
    assert fetched.readmes == {"o/a": "- a"}
    assert "404" in fetched.failed["o/gone"]
    assert "1,000 bytes" in fetched.failed["o/large"]


def test_cached_copy_is_used_when_github_fails(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.fetch(["o/a"], tmp_path)
    github.faults = [response(503) for _ in range(3)]
    fetched = github.fetch(["o/a"], tmp_path)
    assert fetched.readmes == {"o/a": "- a"}
    assert fetched.stale == {"o/a": "HTTP 503 (3 tries)"}


def test_no_list_at_all_is_an_error(tmp_path):
    github = GitHub({})
    github.faults = [httpx.ConnectTimeout("no route")] * 3
    with pytest.raises(StarvecError, match="none of 1 awesome lists could be fetched"):
        github.fetch(["o/a"], tmp_path)


def test_without_a_network_requests_stop_after_five_lists(tmp_path):
    names = [f"o/{i}" for i in range(200)]
    github = GitHub({f"/{name}/HEAD/README.md": "- a" for name in names[:2]})
    github.fetch(names[:2], tmp_path)
    github.requests.clear()
    github.faults = [httpx.ConnectTimeout("no route")] * 1_000
    fetched = github.fetch(names, tmp_path)
    assert len(github.requests) == 5 * 3
    assert set(fetched.stale) == set(fetched.readmes) == set(names[:2])
    assert fetched.failed["o/4"] == "ConnectTimeout: no route (3 tries)"
    assert fetched.failed["o/199"].startswith("not requested: awesome lists: the last 5 all failed, o/4 with: Connect")


@pytest.mark.parametrize("status", [403, 404, 410, 451, 503])
def test_refused_list_is_recorded_and_the_others_are_fetched(tmp_path, status):
    github = GitHub({"/o/b/HEAD/README.md": "- b"})
    github.faults = [response(status) for _ in range(3 if status == 503 else 1)]
    fetched = github.fetch(["o/a", "o/b"], tmp_path)
    assert fetched.readmes == {"o/b": "- b"}
    assert str(404 if status == 410 else status) in fetched.failed["o/a"]


@pytest.mark.parametrize(
    "limited", [{"retry-after": "900"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}]
)
def test_spent_limit_stops_the_requests_and_keeps_what_came(tmp_path, limited):
    github = GitHub({f"/o/{name}/HEAD/README.md": f"- {name}" for name in "abc"})
    github.fetch(["o/c"], tmp_path)
    github.requests.clear()
    github.faults = [response(200, "- a"), response(429, **limited)]
    fetched = github.fetch(["o/a", "o/b", "o/b2", "o/c"], tmp_path)
    assert fetched.readmes == {"o/a": "- a", "o/c": "- c"}
    assert len(github.requests) == 2
    assert "rate limit is spent" in fetched.failed["o/b"]
    assert fetched.failed["o/b2"].startswith("not requested: GitHub's rate limit")
    assert set(fetched.stale) == {"o/c"}


def test_limit_that_outlasts_every_attempt_stops_the_requests(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.faults = [response(200, "- a"), *(response(429, **{"retry-after": "7"}) for _ in range(99))]
    fetched = github.fetch(["o/a", "o/b", "o/c"], tmp_path)
    assert (len(github.requests), set(fetched.failed)) == (4, {"o/b", "o/c"})


def test_missing_lists_do_not_count_as_failures(tmp_path):
    github = GitHub({"/o/last/HEAD/README.md": "- a"})
    names = [*(f"o/{i}" for i in range(9)), "o/last"]
    assert github.fetch(names, tmp_path).readmes == {"o/last": "- a"}


def test_damaged_cache_is_fetched_again(tmp_path):
    github = GitHub({"/o/a/HEAD/README.md": "- a"})
    github.fetch(["o/a"], tmp_path)
    [entry] = tmp_path.iterdir()
    for damage in ("", "{", "{}\n", '{"etag": "\\"x\\"", "link": "", "sha256": ""}\n- b'):
        entry.write_text(damage)
        assert github.fetch(["o/a"], tmp_path).readmes == {"o/a": "- a"}
