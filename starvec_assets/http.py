"""HTTP client of the whole package: retries, bounds on bytes and time, checked redirects, an ETag cache, downloads.

httpx runs on an event loop in a thread of its own, so that a deadline or a cancellation interrupts any wait for the
network, even for headers that arrive byte by byte. The methods of `HttpClient` are ordinary functions. docs/faults.md
lists what servers and networks do wrong, and what bounds it.
"""

import asyncio
import concurrent.futures
import contextlib
import email.utils
import functools
import hashlib
import ipaddress
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from threading import Event
from typing import Any, Self
from urllib.parse import quote, quote_plus

import httpx
import orjson

from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.files import write_atomically

NOT_FOUND_CODES = {404, 410}
RETRYABLE_CODES = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}
MAX_RETRY_AFTER = 86_400.0  # seconds; a longer Retry-After is cut to this
MAX_ERROR_BYTES = 1 << 16  # of the body of an answer other than 200
MIN_SPEED = 1_000  # bytes a second of a download, on average since its attempt began
LOOP_GRACE = 10.0  # seconds beyond the deadline; only the event loop itself can be so late

_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,200}"')
_USERINFO = re.compile(r"//[^\s\"'<>]*@")  # to the last @: a password may have one
_SECRET_PARAMETER = re.compile(
    r"([?&][\w.-]*(?:token|key|secret|password|credential|signature|sig)=)[^&#\s\"']*", re.IGNORECASE
)
_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")


class HttpError(StarvecError):
    """A request that got no usable answer."""


class RetriesExhausted(HttpError, TransientError):
    """Every attempt failed for a reason that might have passed."""


class Cancelled(Exception):
    """The `cancelled` event was set while the request was under way."""


class WrongAnswer(Exception):
    """An answer that contradicts the request; the request is sent again."""


@dataclass(frozen=True)
class HttpLimits:
    """Bounds of a request.

    Seconds: `timeout` without a byte; `deadline` for all attempts together, waits between them excluded; `backoff`
    before the second attempt, then doubled; `max_wait` for any wait between attempts, a Retry-After included. `jitter`:
    share of a backoff that is random. `concurrency` above 1 makes all threads obey a Retry-After that one received.
    """

    tries: int = 6
    timeout: float = 30.0
    deadline: float = 300.0
    max_bytes: int = 16 << 20
    max_redirects: int = 5
    backoff: float = 1.0
    max_wait: float = 120.0
    jitter: float = 0.0
    concurrency: int = 1


@dataclass(frozen=True)
class Response:
    """Status, headers and decoded body of an answer."""

    status: int
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""

    @property
    def etag(self) -> str:
        """The ETag, "" if there is none that could be sent back."""
        etag = self.headers.get("etag", "")
        return etag if _ETAG.fullmatch(etag) else ""

    @property
    def text(self) -> str:
        """The body as UTF-8, undecodable bytes replaced."""
        return self.body.decode("utf-8", errors="replace")

    @property
    def message(self) -> str:
        """The `message` of a JSON body, else the body's beginning: at most 200 printable characters."""
        text = self.body[:1_000].decode("utf-8", errors="replace")
        with contextlib.suppress(orjson.JSONDecodeError, TypeError, KeyError):
            text = str(orjson.loads(self.body)["message"])
        return "".join(character for character in text[:1_000] if character.isprintable())[:200]


@dataclass(frozen=True)
class Retry:
    """Why a request is sent again, and after how many seconds; None: after the backoff."""

    reason: str
    wait: float | None = None


RetryRule = Callable[[Response], Retry | None]
"""Decides whether a request is sent again; None accepts the answer, an exception gives up."""


def retry_transient(response: Response) -> Retry | None:
    """Retry the answers of RETRYABLE_CODES, after Retry-After where the server sends one."""
    if response.status not in RETRYABLE_CODES:
        return None
    reason = f"HTTP {response.status}" + (f": {response.message}" if response.body else "")
    return Retry(reason, parse_retry_after(response.headers.get("retry-after")))


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds from now in a Retry-After header, a number or a date; None for anything else."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        when = email.utils.parsedate_to_datetime(value)
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER)


def require_public_host(current: httpx.URL, target: httpx.URL) -> None:
    """Raise HttpError for a redirect to another host that has a private address, unless the current host has one, too.

    Link-local addresses, where clouds serve their machines' credentials, are refused in any case.
    """
    if target.host == current.host:
        return
    addresses = _addresses(target.host)
    private = not all(address.is_global for address in addresses)
    if any(a.is_link_local for a in addresses) or (private and all(a.is_global for a in _addresses(current.host))):
        raise HttpError(f"redirect from {current.host} to {target.host}, a private address: not followed")


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return []  # the request itself fails, or a proxy knows the name
    return [ipaddress.ip_address(address) for address in found]


class HttpClient:
    """An HTTP client; safe to share between threads.

    Args:
        limits: bounds of each request.
        headers: sent with each request.
        secrets: strings replaced by *** in every error message, percent-encoded ones too.
        cache: folder of answers with an ETag; one that has not changed is read from there.
        retry: which answers lead to another attempt, and when.
        check_redirect: called with the current URL and the next, of the same scheme or https; raises to refuse.
        sleep: called with seconds between attempts, unless the request can be cancelled.
        transport: in place of the network, for tests.

    Raises StarvecError when the environment's proxies or certificates cannot be used.
    """

    def __init__(
        self,
        limits: HttpLimits | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        secrets: Sequence[str] = (),
        cache: Path | None = None,
        retry: RetryRule = retry_transient,
        check_redirect: Callable[[httpx.URL, httpx.URL], object] = require_public_host,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.limits = limits or HttpLimits()
        self.answered = False  # whether any server answered anything
        self._secrets = {
            text for secret in secrets if secret for text in (secret, quote(secret, ""), quote_plus(secret))
        }
        self._cache = cache
        self._retry, self._check_redirect, self._sleep = retry, check_redirect, sleep
        self._loop = _event_loop()
        self._resume_at = 0.0  # time.monotonic() before which a Retry-After forbids requests of all threads
        try:
            self._client = httpx.AsyncClient(
                headers={"User-Agent": "starvec", "Accept-Encoding": "gzip", **(headers or {})},
                timeout=httpx.Timeout(self.limits.timeout, connect=min(10.0, self.limits.timeout), pool=None),
                limits=httpx.Limits(max_connections=self.limits.concurrency),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none is kept
                transport=transport,
            )
        except (ValueError, TypeError, ImportError, OSError, httpx.InvalidURL) as error:
            reason = self.mask(f"{type(error).__name__}: {error}")
            raise StarvecError(
                f"no HTTP client can be made ({reason}): check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, "
                "SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop)

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """Return the answer to GET `url`, from the cache if the server says that it has not changed.

        Raises RetriesExhausted or another HttpError.
        """
        headers = dict(headers or {})
        entry = self._cache_entry(url, headers)
        stored = _read_cache(entry, self.limits.max_bytes) if entry else None
        if stored:
            headers["If-None-Match"] = stored.etag
        response = self._attempts(lambda: self._fetch("GET", url, headers), self._retry)
        if response.status == 304 and stored:
            return stored
        if entry and response.status == 200 and response.etag:
            _write_cache(entry, response)
        elif entry and response.status in NOT_FOUND_CODES:
            entry.unlink(missing_ok=True)
        return response

    def cached(self, url: str, headers: Mapping[str, str] | None = None) -> Response | None:
        """Return the answer to GET `url` that the cache holds, without a request."""
        entry = self._cache_entry(url, headers or {})
        return _read_cache(entry, self.limits.max_bytes) if entry else None

    def post(self, url: str, content: bytes, headers: Mapping[str, str], retry: RetryRule) -> Response:
        """Return the answer to POST `url`; raises as `get` does."""
        return self._attempts(lambda: self._fetch("POST", url, headers, content), retry)

    def download(self, url: str, path: Path, cancelled: Event, magic: bytes = b"") -> Response:
        """Stream the body of GET `url` to `path`, as sent; a broken download resumes where its ETag still holds.

        Returns status and headers; `path` is written for 200 and 206 alone. A body that does not begin with `magic`, or
        comes at less than MIN_SPEED, is a failed attempt. Raises as `get` does, Cancelled soon after `cancelled` is
        set, OSError when `path` cannot be written.
        """
        download = _Download(path, self.limits, magic)

        async def attempt() -> Response:
            headers = {"Accept-Encoding": "identity", **download.resume_headers()}
            async with self._stream("GET", url, headers) as response:
                return Response(await download.receive(response), response.headers)

        return self._attempts(attempt, self._retry, cancelled)

    def _attempts(
        self, send: Callable[[], Coroutine[Any, Any, Response]], retry: RetryRule, cancelled: Event | None = None
    ) -> Response:
        """Return the first answer of `send` that `retry` accepts."""
        limits, remaining, again, wait = self.limits, self.limits.deadline, Retry(""), 0.0
        for attempt in range(limits.tries):
            self._pause(max(wait, self._resume_at - time.monotonic()), cancelled)
            started = time.monotonic()
            try:
                response = self._run(send(), remaining, cancelled)
                if (decision := retry(response)) is None:
                    return response
                again = decision
            except (httpx.TransportError, httpx.StreamError, WrongAnswer) as error:
                again = Retry(f"{type(error).__name__}: {error}".rstrip(": "))
                if "CERTIFICATE_VERIFY_FAILED" in again.reason:
                    advice = "check the clock, or name the certificates in SSL_CERT_FILE"
                    raise HttpError(self.mask(f"{again.reason}: {advice}")) from None
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                raise HttpError(self.mask(f"{type(error).__name__}: {error}")) from None
            except ExceptionGroup as group:  # of anyio, for a port above 65,535 in the address or in a proxy's
                raise HttpError(self.mask(str(group.exceptions[0]))) from None
            remaining -= time.monotonic() - started
            if again.wait is None:
                backoff = min(limits.max_wait, limits.backoff * 2**attempt)
                wait = backoff * (1 - limits.jitter * random.random())
            else:
                wait = min(limits.max_wait, again.wait)
                if limits.concurrency > 1:
                    self._resume_at = max(self._resume_at, time.monotonic() + wait)
        raise RetriesExhausted(self.mask(f"{again.reason} ({limits.tries} tries)"))

    def _run(self, send: Coroutine[Any, Any, Response], deadline: float, cancelled: Event | None) -> Response:
        """Run a coroutine on the event loop; raises HttpError after `deadline` seconds, Cancelled once it is set."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(send, deadline), self._loop)
        try:
            while cancelled and not concurrent.futures.wait([future], timeout=0.1).done:
                if cancelled.is_set():
                    raise Cancelled
            return future.result(deadline + LOOP_GRACE)
        except TimeoutError:
            raise HttpError(f"not done after {self.limits.deadline:g} s (deadline)") from None
        finally:
            future.cancel()

    def _pause(self, seconds: float, cancelled: Event | None) -> None:
        if cancelled is not None and cancelled.wait(max(0.0, seconds)):
            raise Cancelled
        if cancelled is None and seconds > 0:
            self._sleep(seconds)

    async def _fetch(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None) -> Response:
        async with self._stream(method, url, headers, content) as response:
            unrequested = {206: "Range", 304: "If-None-Match"}.get(response.status_code)
            if unrequested and unrequested not in headers:
                raise WrongAnswer(f"HTTP {response.status_code}, though no {unrequested} was sent")
            limit = self.limits.max_bytes if response.status_code == 200 else MAX_ERROR_BYTES
            return Response(response.status_code, response.headers, await _read_body(response, limit))

    @contextlib.asynccontextmanager
    async def _stream(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Open the answer to a request, after the redirects of a GET; another origin is sent no credentials."""
        request = self._client.build_request(method, url, headers=headers, content=content)
        origin = _origin(request.url)
        for _ in range(self.limits.max_redirects + 1):
            try:
                async with asyncio.timeout(2 * self.limits.timeout):  # headers that drip are never silent
                    response = await self._client.send(request, stream=True)
            except TimeoutError:
                raise httpx.ReadTimeout(f"no answer within {2 * self.limits.timeout:g} s") from None
            async with contextlib.aclosing(response):
                self.answered = True
                if method != "GET" or response.next_request is None:
                    yield response
                    return
                url = await _in_thread(self._redirect_target, response.url, response.next_request.url)
            request = self._client.build_request(method, url, headers=headers)
            if _origin(request.url) != origin:
                for name in _CREDENTIALS:
                    request.headers.pop(name, None)
        raise HttpError(f"more than {self.limits.max_redirects} redirects")

    def _redirect_target(self, current: httpx.URL, target: httpx.URL) -> str:
        downgraded = target.scheme not in ("https", current.scheme)
        if downgraded or not target.host or target.userinfo or (target.port or 0) > 65_535:
            raise HttpError(self.mask(f"redirect to {str(target)[:200]!r}: not followed"))
        self._check_redirect(current, target)
        return str(target)

    def _cache_entry(self, url: str, headers: Mapping[str, str]) -> Path | None:
        key = f"{headers.get('Accept', '')} {url}"
        return self._cache / hashlib.sha256(key.encode()).hexdigest() if self._cache else None

    def mask(self, text: str) -> str:
        """Return `text` without secrets, and without user, password and what looks like a secret in any URL."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _SECRET_PARAMETER.sub(r"\1***", _USERINFO.sub("//***@", text))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class _Download:
    """A download over several connections, resumed where the last one ended while its strong ETag is the same."""

    def __init__(self, path: Path, limits: HttpLimits, magic: bytes) -> None:
        self.path, self.limits, self.magic = path, limits, magic
        self.etag = ""
        self.size = 0

    def resume_headers(self) -> dict[str, str]:
        self.size = self.path.stat().st_size if self.etag and self.path.exists() else 0
        return {"Range": f"bytes={self.size}-", "If-Range": self.etag} if self.size else {}

    async def receive(self, response: httpx.Response) -> int:
        """Append the body of a 206, write that of a 200, of other answers nothing; return the status.

        A 416 that says that there is no more counts as 206.

        Raises WrongAnswer for a range, version or kind of file other than the requested one; the next attempt then
        begins anew. Raises ReadTimeout for a body that only drips.
        """
        status, etag = response.status_code, Response(response.status_code, response.headers).etag
        if status not in (200, 206, 416):
            return status
        requested_etag, self.etag = self.etag, ""
        if status == 416 and self.size and response.headers.get("content-range") == f"bytes */{self.size}":
            return 206
        if status == 416:
            raise WrongAnswer("HTTP 416")
        if status == 200:
            self.size = 0
        elif not self.size or not response.headers.get("content-range", "").startswith(f"bytes {self.size}-"):
            raise WrongAnswer("another range than the requested one")
        elif etag not in ("", requested_etag):
            raise WrongAnswer("a part of another version")
        self.etag = "" if etag.startswith("W/") else etag
        began, size_before = time.monotonic(), self.size
        with self.path.open("ab" if self.size else "wb") as file:
            async for block in response.aiter_raw():
                if not self.size and not block.startswith(self.magic[: len(block)]):
                    raise WrongAnswer(f"another kind of file, it begins with {block[:40]!r}")
                self.size += len(block)
                if self.size > self.limits.max_bytes:
                    raise HttpError(f"larger than {self.limits.max_bytes:,} bytes")
                file.write(block)
                seconds = time.monotonic() - began
                if seconds > self.limits.timeout and self.size - size_before < MIN_SPEED * seconds:
                    raise httpx.ReadTimeout(f"under {MIN_SPEED:,} bytes a second")
        return status


async def _read_body(response: httpx.Response, limit: int) -> bytes:
    """Return the decoded body, of an answer other than 200 at most its first `limit` bytes.

    Raises HttpError for a larger one, WrongAnswer for an encoding that was not requested or a body that is cut off.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    complete = response.status_code == 200
    if complete and encoding not in ("identity", "gzip", "x-gzip"):
        raise WrongAnswer(f"Content-Encoding {encoding[:50]!r}")
    decoder = zlib.decompressobj(wbits=31) if encoding in ("gzip", "x-gzip") else None
    body = bytearray()
    try:
        async for block in response.aiter_raw():
            body += decoder.decompress(block, limit + 1 - len(body)) if decoder else block
            if len(body) > limit or (decoder and decoder.eof):
                break
    except zlib.error as error:
        raise WrongAnswer(f"damaged gzip body ({error})") from error
    if complete and len(body) > limit:
        raise HttpError(f"larger than {limit:,} bytes")
    if complete and decoder and not decoder.eof:
        raise WrongAnswer("gzip body cut off")
    return bytes(body[:limit])


async def _in_thread(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run a blocking function in a daemon thread: the interpreter waits at its end for those of asyncio.to_thread."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(result: object, error: Exception | None) -> None:
        if future.done():  # cancelled
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            result = function(*args, **options)
        except Exception as error:
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=run, name="http-blocking", daemon=True).start()
    return await future


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of all clients, which runs in a thread of its own until the process ends."""
    loop = asyncio.new_event_loop()
    loop.getaddrinfo = lambda *args, **options: _in_thread(socket.getaddrinfo, *args, **options)  # type: ignore[method-assign]
    threading.Thread(target=loop.run_forever, name="http", daemon=True).start()
    return loop


def _read_cache(entry: Path, max_bytes: int) -> Response | None:
    """Return the answer stored in `entry`, None if it is missing or damaged."""
    try:
        with entry.open("rb") as file:
            head = orjson.loads(file.readline(1 << 14))
            body = file.read(max_bytes + 1)
        if hashlib.sha256(body).hexdigest() != head["sha256"]:
            return None
        stored = Response(200, httpx.Headers({"etag": head["etag"], "link": head["link"]}), body)
        return stored if stored.etag else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_cache(entry: Path, response: Response) -> None:
    """Store an answer: a line of JSON with its ETag, Link header and digest, then the body."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    link, digest = response.headers.get("link", "")[:8_000], hashlib.sha256(response.body).hexdigest()
    head = {"etag": response.etag, "link": link, "sha256": digest}
    write_atomically(entry, orjson.dumps(head) + b"\n" + response.body)
