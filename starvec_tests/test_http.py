import asyncio
import contextlib
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from starvec_assets import http
from starvec_assets.errors import StarvecError
from starvec_assets.http import (
    MAX_RETRY_AFTER,
    HttpClient,
    HttpError,
    HttpLimits,
    Response,
    RetriesExhausted,
    parse_retry_after,
)

URL = "https://hours.example/a"
Headers = dict[str, str] | list[tuple[bytes, bytes]]
Reply = httpx.Response | Exception


class Breaking(httpx.AsyncByteStream):
    """A body whose connection breaks after its last byte, or that goes on for ever."""

    def __init__(self, body: bytes, endless: bool = False) -> None:
        self.body, self.endless, self.sent = body, endless, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.endless or not self.sent:
            self.sent += len(self.body)
            yield self.body
        raise httpx.ReadError("connection lost")


def reply(status: int, body: bytes | httpx.AsyncByteStream = b"", headers: Headers | None = None) -> httpx.Response:
    stream = httpx.ByteStream(body) if isinstance(body, bytes) else body
    return httpx.Response(status, headers=headers or {}, stream=stream)


class Server:
    """A transport that gives its replies in turn, the last one repeatedly, and records requests and waits."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.requests, self.waits = list(replies), list[httpx.Request](), list[float]()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, limits: HttpLimits | None = None, **options: Any) -> HttpClient:
        transport = httpx.MockTransport(self.answer)
        return HttpClient(limits, transport=transport, sleep=self.waits.append, **options)

    def sent(self, header: str) -> list[str | None]:
        return [request.headers.get(header) for request in self.requests]


def test_transient_failures_are_retried_with_growing_bounded_waits() -> None:
    server = Server(httpx.ConnectError("no route"), *[reply(503) for _ in range(3)], reply(200, b"hello"))
    assert server.client(HttpLimits(max_wait=3)).get(URL).body == b"hello"
    assert server.waits == [1, 2, 3, 3]


def test_retry_after_is_obeyed_up_to_the_limit() -> None:
    server = Server(reply(429, headers={"retry-after": "7"}), reply(429, headers={"retry-after": "900"}), reply(200))
    server.client().get(URL)
    assert server.waits == [7, 120]


def test_lasting_failure_is_an_error_with_reason_and_tries() -> None:
    with pytest.raises(RetriesExhausted, match=r"HTTP 503: away \(2 tries\)"):
        Server(reply(503, b'{"message": "away"}'), reply(503, b'{"message": "away"}')).client(HttpLimits(2)).get(URL)
    with pytest.raises(RetriesExhausted, match=r"HTTP 503: away \(2 tries\)"):
        Server(reply(503, b"aw\x00\x1bay"), reply(503, b"\x00aw\nay")).client(HttpLimits(2)).get(URL)
    with pytest.raises(RetriesExhausted, match=r"ConnectError: no route \(2 tries\)"):
        Server(httpx.ConnectError("no route")).client(HttpLimits(2)).get(URL)


@pytest.mark.parametrize("status", [302, 403, 404, 418, 999])
def test_other_answers_are_returned_without_a_retry(status: int) -> None:
    server = Server(reply(status, b"text"))
    assert server.client().get(URL) == Response(status, httpx.Headers(), b"text")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 0), ("9" * 5_000, MAX_RETRY_AFTER), (None, None)]
    + [("Mon, 01 Jan 2024 00:00:00 GMT", 0), ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER)]
    + [(odd, None) for odd in ("", "soon", "-5", "²", "1e400", "Mon", "1 Jan 2024 -")]
    + [(f"Mon, 01 Jan 2024 00:00:00 +{zone}", None) for zone in ("9" * 20, "9999999")],
)
def test_retry_after_is_a_number_or_a_date(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_a_retry_after_date_is_counted_from_now() -> None:
    assert parse_retry_after(formatdate(time.time() + 3600)) == pytest.approx(3600, abs=60)


def test_redirects_are_followed_on_the_same_host() -> None:
    server = Server(reply(302, headers={"location": "/b"}), reply(200, b"hello"))
    assert server.client().get(URL).body == b"hello"
    assert [str(request.url) for request in server.requests] == [URL, "https://hours.example/b"]


@pytest.mark.parametrize(
    "location",
    [
        *("http://hours.example/", "file:///etc/passwd", "gopher://x/", "https://ada:pw@hours.example/"),
        *("https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/", "https://[::1]/"),
        *("https://hours.example:99999999/", "http://[::1", "javascript:alert(1)"),
    ],
)
def test_redirects_elsewhere_are_refused(location: str) -> None:
    server = Server(reply(302, headers={"location": location}))
    with pytest.raises(HttpError, match=r"redirect|Invalid ?URL") as error:
        server.client(HttpLimits(tries=1)).get(URL)
    assert len(server.requests) == 1
    assert "pw" not in str(error.value)


def test_redirects_between_private_hosts_are_followed() -> None:
    server = Server(reply(302, headers={"location": "http://127.0.0.2/b"}), reply(200, b"hello"))
    assert server.client().get("http://127.0.0.1/a").body == b"hello"


@pytest.mark.parametrize("address", ["169.254.169.254", "[fe80::1]", "2852039166"])
def test_link_local_addresses_are_never_redirected_to(address: str) -> None:
    server = Server(reply(302, headers={"location": f"http://{address}/latest/meta-data"}))
    with pytest.raises(HttpError, match="a private address: not followed"):
        server.client().get("http://127.0.0.1/a")
    assert len(server.requests) == 1


def test_another_origin_gets_no_credentials() -> None:
    hops = [reply(302, headers={"location": to}) for to in ("/b", "https://b.example/c", "https://b.example/d")]
    server = Server(*hops, reply(200, b"hello"))
    client = server.client(headers={"Authorization": "Bearer t", "X-Version": "1"})
    assert client.get(URL, {"Cookie": "c"}).body == b"hello"
    assert server.sent("authorization") == ["Bearer t", "Bearer t", None, None]
    assert server.sent("cookie") == ["c", "c", None, None]
    assert server.sent("x-version") == ["1"] * 4


def test_cookies_are_not_kept() -> None:
    server = Server(*[reply(200, b"hello", {"set-cookie": "a=b"}) for _ in range(2)])
    client = server.client()
    assert [client.get(URL).status for _ in range(2)] == [200, 200]
    assert server.sent("cookie") == [None, None]


def test_redirects_end_after_a_few_and_their_bodies_are_not_read() -> None:
    body = Breaking(b"x", endless=True)
    server = Server(*[reply(302, body, {"location": "/b"}) for _ in range(9)])
    with pytest.raises(HttpError, match="more than 3 redirects"):
        server.client(HttpLimits(max_redirects=3)).get(URL)
    assert (len(server.requests), body.sent) == (4, 0)


def test_caller_decides_on_redirects() -> None:
    def refuse(current: httpx.URL, target: httpx.URL) -> None:
        raise HttpError(f"from {current.host} to {target.host}")

    with pytest.raises(HttpError, match=r"from hours\.example to b\.example"):
        Server(reply(301, headers={"location": "https://b.example"})).client(check_redirect=refuse).get(URL)


def test_bodies_are_decoded_up_to_the_limit() -> None:
    packed, limits = {"content-encoding": "gzip"}, HttpLimits(max_bytes=100_000)
    assert Server(reply(200, gzip.compress(b"hello"), packed)).client(limits).get(URL).body == b"hello"
    for large in (
        reply(200, gzip.compress(bytes(10_000_000)), packed),
        reply(200, Breaking(b"x" * 9_999, endless=True)),
    ):
        with pytest.raises(HttpError, match="larger than 100,000 bytes"):
            Server(large).client(limits).get(URL)


def test_bodies_of_errors_are_read_in_part() -> None:
    response = Server(reply(404, Breaking(b"x" * 9_999, endless=True))).client().get(URL)
    assert (response.status, len(response.body)) == (404, 1 << 16)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        *((gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "gzip, gzip"), (b"x", "br")),
        *((b"no gzip", "gzip"), (gzip.compress(b"hello", mtime=0)[:-9], "gzip")),
    ],
)
def test_undecodable_bodies_are_requested_again(body: bytes, encoding: str) -> None:
    server = Server(reply(200, body, {"content-encoding": encoding}), reply(200, b"hello"))
    assert server.client().get(URL).body == b"hello"


@pytest.mark.parametrize("status", [206, 304])
def test_answers_to_what_was_not_asked_are_wrong(status: int) -> None:
    server = Server(reply(status, b"llo", {"content-range": "bytes 2-4/5"}), reply(200, b"hello"))
    assert server.client().get(URL).body == b"hello"
    with pytest.raises(RetriesExhausted, match=f"HTTP {status}, though no .* was sent"):
        Server(reply(status)).client(HttpLimits(tries=1)).get(URL)


def test_unchanged_answer_may_have_an_encoding_and_no_body(tmp_path: Path) -> None:
    server = Server(reply(200, b"hello", {"etag": '"1"'}), reply(304, b"", {"content-encoding": "gzip"}))
    client = server.client(cache=tmp_path)
    assert [client.get(URL).body for _ in range(2)] == [b"hello", b"hello"]


def test_bytes_after_the_end_of_a_gzip_body_are_not_read() -> None:
    body = Breaking(gzip.compress(b"hello"), endless=True)
    assert Server(reply(200, body, {"content-encoding": "gzip"})).client().get(URL).body == b"hello"


def serve_once(answer: Callable[[socket.socket], None]) -> tuple[str, socket.socket]:
    """Run a raw server for one connection; returns its address and the listening socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            answer(connection)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/", listener


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        *(OK + b"Content-Length: " + length + b"\r\n\r\nhello" for length in (b"-5", b"many", b"1" * 40, b"7")),
        OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello",
        OK + b"X: \0\r\n\r\nhello",
        OK + b"X: y\r\n" * 50_000,
        b"HTTP/1.1 99 Odd\r\n\r\n",
        b"hello",
        b"",
    ],
    ids=[
        "negative",
        "words",
        "huge",
        "longer",
        "two",
        "chunk",
        "large chunk",
        "NUL",
        "headers",
        "99",
        "bare",
        "nothing",
    ],
)
def test_answers_that_are_no_http_are_failed_attempts(answer: bytes) -> None:
    def send(connection: socket.socket) -> None:
        connection.recv(65_536)
        with contextlib.suppress(OSError):
            connection.sendall(answer)

    url, listener = serve_once(send)
    with listener, pytest.raises(RetriesExhausted, match=r"(RemoteProtocol|Read)Error"):
        HttpClient(HttpLimits(tries=1, deadline=30)).get(url)


def test_headers_that_arrive_byte_by_byte_end_at_the_deadline() -> None:
    closed = Event()

    def drip(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                connection.sendall(b"X")
                time.sleep(0.01)
        except OSError:
            closed.set()

    url, listener = serve_once(drip)
    with listener, pytest.raises(HttpError, match=r"0\.2 s \(deadline\)"):
        HttpClient(HttpLimits(deadline=0.2)).get(url)
    assert closed.wait(60), "the connection was closed"


def test_the_deadline_holds_for_all_attempts_together() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.03)
        return reply(503)

    with pytest.raises(HttpError, match="deadline"):
        HttpClient(HttpLimits(tries=99, deadline=0.1), transport=httpx.MockTransport(slow), sleep=lambda _: None).get(
            URL
        )


def test_a_request_that_cannot_be_cancelled_does_not_hold_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LOOP_GRACE", 0.1)
    released = Event()

    async def stubborn(request: httpx.Request) -> httpx.Response:
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        return reply(200)

    with pytest.raises(HttpError, match="deadline"):
        HttpClient(HttpLimits(deadline=0.1), transport=httpx.MockTransport(stubborn)).get(URL)
    released.set()


def test_a_name_that_is_looked_up_for_ever_ends_at_the_deadline_and_holds_no_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(60))
    redirect = reply(302, headers={"location": "https://b.example/"})
    clients = [HttpClient(HttpLimits(deadline=0.1)), Server(redirect).client(HttpLimits(deadline=0.1))]
    try:
        for client in clients:
            with pytest.raises(HttpError, match="deadline"):
                client.get(URL)
        waiting = [thread for thread in threading.enumerate() if thread.name == "http-blocking"]
        assert len(waiting) == 2
        assert all(thread.daemon for thread in waiting), "the interpreter waits for other threads"
    finally:
        released.set()


def test_an_untrusted_certificate_is_no_transient_failure() -> None:
    server = Server(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
    with pytest.raises(HttpError, match=r"self-signed certificate: check the clock, or name .* SSL_CERT_FILE") as error:
        server.client().get(URL)
    assert (len(server.requests), isinstance(error.value, RetriesExhausted)) == (1, False)


def test_etags_that_cannot_be_sent_back_are_ignored(tmp_path: Path) -> None:
    server = Server(*[reply(200, b"hello", [(b"etag", b'"caf\xe9"')]) for _ in range(2)])
    for _ in range(2):
        assert server.client(cache=tmp_path).get(URL).body == b"hello"
    assert not list(tmp_path.iterdir())
    assert server.sent("if-none-match") == [None, None]


def test_cache_entry_is_removed_when_the_answer_is_gone(tmp_path: Path) -> None:
    server = Server(reply(200, b"hello", {"etag": '"1"'}), reply(304), reply(404))
    client = server.client(cache=tmp_path)
    assert client.cached(URL) is None
    client.get(URL)
    assert client.get(URL).body == b"hello"
    assert client.cached(URL) is not None
    assert client.get(URL).status == 404
    assert client.cached(URL) is None


BODY = bytes(range(100))


@pytest.mark.parametrize(
    "second",
    [
        (206, BODY[50:], {"etag": '"2"', "content-range": "bytes 50-99/100"}),
        (206, BODY[40:], {"etag": '"1"', "content-range": "bytes 40-99/100"}),
        (206, BODY[50:], {"etag": '"1"'}),
        (416, b"", {"content-range": "bytes */100"}),
        (200, Breaking(BODY[:50]), {}),
    ],
)
def test_download_begins_anew_after_a_wrong_part(tmp_path: Path, second: tuple[Any, ...]) -> None:
    server = Server(reply(200, Breaking(BODY[:50]), {"etag": '"1"'}), reply(*second), reply(200, BODY))
    assert server.client(HttpLimits(backoff=0)).download(URL, tmp_path / "a", Event()).status == 200
    assert (tmp_path / "a").read_bytes() == BODY
    assert server.sent("range") == [None, "bytes=50-", None]
    assert server.sent("if-range") == [None, '"1"', None]


def test_download_resumes_where_it_broke(tmp_path: Path) -> None:
    rest = {"etag": '"1"', "content-range": "bytes 50-99/100"}
    server = Server(reply(200, Breaking(BODY[:50]), {"etag": '"1"'}), reply(503), reply(206, BODY[50:], rest))
    assert server.client(HttpLimits(backoff=0)).download(URL, tmp_path / "a", Event()).status == 206
    assert (tmp_path / "a").read_bytes() == BODY


def test_download_is_complete_when_nothing_is_left_to_send(tmp_path: Path) -> None:
    server = Server(reply(200, Breaking(BODY), {"etag": '"1"'}), reply(416, b"", {"content-range": "bytes */100"}))
    assert server.client(HttpLimits(backoff=0)).download(URL, tmp_path / "a", Event()).status == 206
    assert (tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("etag", [b'W/"1"', b'"caf\xe9"', b""])
def test_download_without_a_strong_etag_begins_anew(tmp_path: Path, etag: bytes) -> None:
    server = Server(reply(200, Breaking(BODY[:50]), [(b"etag", etag)]), reply(200, BODY))
    server.client(HttpLimits(backoff=0)).download(URL, tmp_path / "a", Event())
    assert (tmp_path / "a").read_bytes() == BODY
    assert server.sent("range") == [None, None]


def test_part_that_was_not_requested_is_refused(tmp_path: Path) -> None:
    part = reply(206, BODY[50:], {"content-range": "bytes 50-99/100"})
    server = Server(part, reply(200, BODY))
    server.client(HttpLimits(backoff=0)).download(URL, tmp_path / "a", Event())
    assert (tmp_path / "a").read_bytes() == BODY


def test_secrets_and_passwords_are_masked_in_messages() -> None:
    server = Server(reply(503, b'{"message": "bad token s3cret at https://ada:pw@proxy/"}'))
    with pytest.raises(HttpError, match=r"bad token \*\*\* at https://\*\*\*@proxy/") as error:
        server.client(HttpLimits(tries=1), secrets=["s3cret"]).get(URL)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("token s3/cr+t, s3%2Fcr%2Bt and again s3/cr+t", "token ***, *** and again ***"),
        ("at https://ada:p@ss/w0rd@proxy:1/x failed", "at https://***@proxy:1/x failed"),
        ("https://x/?a=1&access_token=abc&b=2#c", "https://x/?a=1&access_token=***&b=2#c"),
        ("https://x/?X-Amz-Signature=0f&X-Amz-Credential=AK", "https://x/?X-Amz-Signature=***&X-Amz-Credential=***"),
        ("https://x/?key=a 'https://y/?sig=b'", "https://x/?key=*** 'https://y/?sig=***'"),
        ("mail ada@example.org about https://x/2024-01-01-0.json.gz?hour=1&design=2", None),
    ],
)
def test_secrets_are_masked_in_any_form(text: str, masked: str | None) -> None:
    assert HttpClient(secrets=["s3/cr+t", ""]).mask(text) == (masked or text)


@pytest.mark.parametrize(
    ("url", "proxy"), [("http://127.0.0.1:99999", ""), ("http://example.org", "http://127.0.0.1:65536")]
)
def test_a_port_that_is_none_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(HttpError, match="port must be 0-65535"):
        HttpClient().get(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "gopher://ada:s3cret@proxy:1"), ("ALL_PROXY", "http://[::1"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_unusable_environment_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StarvecError, match=f"no HTTP client can be made .*{name}") as error:
        HttpClient()
    assert "s3cret" not in str(error.value)
