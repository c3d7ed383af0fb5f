"""Run `starvec run` again and again against a server that breaks, and watch what grows: prints one table.

    python benchmarks/soak.py [--minutes 60] [--seed 1]

A server on localhost has the hour files of a simulated month. Every few seconds it chooses at random how it behaves: it
is good, or answers as one of the other functions of BEHAVIOURS does. Two clients read the month from it:

* `starvec run`, with everything below the month, one process after another in one STARVEC_HOME.
* read_month and merge_month, again and again in one process, so that what leaks accumulates.

What they store is compared with the month as a folder gives it. A run may end with a refusal, which is a sentence, or
with hours said to be missing or damaged, which the server then gave so twice; any other end is a failure. Memory,
threads, open files and processes of either client are sampled every two seconds, its children's included, and given as
the largest of the first and of the last tenth of the time. Linux only.
"""

import argparse
import gzip
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.ingest.build_month import merge_month, read_month
from starvec_assets.ingest.coverage import OK
from starvec_assets.ingest.hour_cache import clear_hour_cache
from starvec_assets.ingest.sources import FolderSource, HttpSource, Source
from starvec_assets.sample.simulate import SampleSettings, write_archive
from starvec_assets.store import ArtifactStore, MonthlyArtifacts

MONTH = "2024-01"
USERS = 1_200  # fewer are no training batch
SECONDS = (2.0, 8.0)  # that the server behaves in one way
GOOD_SHARE = 0.4
SAMPLE_S = 2.0
PAGE = b"<!DOCTYPE html><title>Sign in to this network</title>" * 20
RETRY_AFTERS = ("9" * 400, "-5", "soon", "1e400", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "0")
EQUAL, DAMAGED, REFUSED, FAILED = ENDS = ("the good month", "damage said", "refused with a sentence", "anything else")


class Handler(BaseHTTPRequestHandler):
    """Answers each request as the server behaves when it arrives."""

    protocol_version = "HTTP/1.1"
    server: "BreakingServer"

    def do_GET(self) -> None:
        """Answer with an hour file, more or less."""
        behaviour = self.server.behaviour
        self.server.requests[behaviour.__name__] += 1
        path = self.server.folder / self.path.rpartition("/")[2]
        body = path.read_bytes() if path.is_file() else b""
        time.sleep(0.01)
        behaviour(self, body)

    def answer(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
        """Send `body`, and close the connection where its length is said to be another."""
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body) if length is None else length), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None

    def drip(self, content: bytes) -> None:
        """Send four bytes a second, until the client goes away."""
        self.close_connection = True
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(0.25)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class BreakingServer(ThreadingHTTPServer):
    """Server of a folder that every few seconds behaves otherwise."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.changes = folder, 0
        self.behaviour: Callable[[Handler, bytes], None] = good
        self.requests: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()
        threading.Thread(target=self._change, args=[random.Random(seed)], daemon=True).start()

    def _change(self, dice: random.Random) -> None:
        while True:
            time.sleep(dice.uniform(*SECONDS))
            self.behaviour = good if dice.random() < GOOD_SHARE else dice.choice(BEHAVIOURS)
            self.changes += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: clients go away from answers that drip."""


def good(handler: Handler, body: bytes) -> None:
    """Send the file, or the range that is asked for."""
    start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
    if start:
        handler.answer(206, body[start:], ETag='"1"', Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
    else:
        handler.answer(200, body, ETag='"1"')


def unavailable(handler: Handler, body: bytes) -> None:
    """Send 503 without a reason."""
    handler.answer(503, b"")


def forbidden(handler: Handler, body: bytes) -> None:
    """Send 403, as a firewall does."""
    handler.answer(403, b"blocked")


def page(handler: Handler, body: bytes) -> None:
    """Send a page of HTML with status 200, as a hotel's network does."""
    handler.answer(200, PAGE, Content_Type="text/html")


def cut_off(handler: Handler, body: bytes) -> None:
    """Drop the connection in the middle of the file."""
    handler.answer(200, body[: len(body) // 2], len(body), ETag='"1"')


def not_found(handler: Handler, body: bytes) -> None:
    """Send 404 for a file that is there."""
    handler.answer(404, b"")


def nothing(handler: Handler, body: bytes) -> None:
    """Send a file of no bytes."""
    handler.answer(200, b"")


def half_file(handler: Handler, body: bytes) -> None:
    """Send half of the file as if it were all."""
    handler.answer(200, body[: len(body) // 2])


def dripping_headers(handler: Handler, body: bytes) -> None:
    """Send a header that does not end."""
    handler.drip(b"HTTP/1.1 200 OK\r\nX-Header: " + b"x" * 100_000)


def dripping_body(handler: Handler, body: bytes) -> None:
    """Send the file so slowly that it takes an hour."""
    handler.answer(200, b"", len(body))
    handler.drip(body)


def silent(handler: Handler, body: bytes) -> None:
    """Send nothing, until the client goes away."""
    handler.close_connection = True
    handler.rfile.read(1)


def odd_etag(handler: Handler, body: bytes) -> None:
    """Drop the connection in the middle of a file whose ETag cannot be sent back."""
    handler.answer(200, body[: len(body) // 2], len(body), ETag='"caf\xe9"')


def other_range(handler: Handler, body: bytes) -> None:
    """Drop the connection, and send another part of another version when asked for the rest."""
    if "Range" not in handler.headers:
        cut_off(handler, body)
    else:
        handler.answer(206, body[7:], ETag='"2"', Content_Range=f"bytes 7-{len(body) - 1}/{len(body)}")


def no_range(handler: Handler, body: bytes) -> None:
    """Answer that there is no such range, whatever is asked for."""
    handler.answer(416, b"", Content_Range="bytes */3")


def endless_redirects(handler: Handler, body: bytes) -> None:
    """Redirect to the same file, for ever."""
    handler.answer(302, b"moved" * 1_000, Location=f"/again{handler.path}"[-500:])


def packed_twice(handler: Handler, body: bytes) -> None:
    """Send the file packed once more."""
    handler.answer(200, gzip.compress(body, 1), Content_Encoding="gzip")


def odd_retry_after(handler: Handler, body: bytes) -> None:
    """Send 429 and an impossible time to wait."""
    handler.answer(429, b"slow down", Retry_After=random.choice(RETRY_AFTERS))


def bomb(handler: Handler, body: bytes) -> None:
    """Send 100 MB of newlines, packed, or 120,000 empty gzip members."""
    handler.answer(200, random.choice(BOMBS))


BOMBS = (gzip.compress(b"\n" * 100_000_000, 1), gzip.compress(b"", 1) * 120_000)
BEHAVIOURS: tuple[Callable[[Handler, bytes], None], ...] = (
    *(unavailable, forbidden, page, cut_off, not_found, nothing, half_file, dripping_headers, dripping_body, silent),
    *(odd_etag, other_range, no_range, endless_redirects, packed_twice, odd_retry_after, bomb),
)


@dataclass(frozen=True)
class Sample:
    """What a process and all below it have at a time: bytes of memory, threads, open files, processes."""

    at: float
    memory: int
    threads: int
    files: int
    processes: int


def sample(root: int, at: float) -> Sample:
    """Return what the process `root` and its descendants have."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    tree = [root]
    for process in tree:
        tree += children.get(process, [])
    figures = []
    for process in tree:
        folder = Path(f"/proc/{process}")
        try:
            pages = int((folder / "statm").read_text().split()[1])
            figures.append((pages, *(sum(1 for _ in (folder / kind).iterdir()) for kind in ("task", "fd"))))
        except OSError:
            continue
    pages, threads, files = (sum(column) for column in zip(*figures, strict=True)) if figures else (0, 0, 0)
    return Sample(at, pages * os.sysconf("SC_PAGE_SIZE"), threads, files, len(figures))


class Month(NamedTuple):
    """Digests of the files of a stored month, and how many of its hours are not ok."""

    digests: list[str]
    faulty: int

    @classmethod
    def stored(cls, stars: Path, repos: Path, people: Path) -> "Month":
        """Return the month in the folders of its artifacts."""
        files = [path for folder in (stars, repos, people) for path in sorted(folder.glob("*.parquet"))]
        statuses = pq.read_table(stars / "hours.parquet")["status"].to_pylist()
        return cls([sha256(path) for path in files], sum(status != OK for status in statuses))

    def compare(self, good: "Month") -> str:
        """Return which of ENDS a run has that stored this month."""
        if self == good:
            return EQUAL
        return DAMAGED if self.faulty else FAILED


def read(source: Source, scratch: Path) -> Month:
    """Read, merge and return the month."""
    outs = scratch / "stars", scratch / "repos", scratch / "people"
    for out in outs:
        out.mkdir(parents=True, exist_ok=True)
    with read_month(source, MONTH, scratch / "progress") as parts, duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        merge_month(connection, parts, *outs)
    clear_hour_cache(scratch / "progress", source.key, MONTH)
    return Month.stored(*outs)


def read_for_ever(url: str, scratch: Path, good: Month, ends: "SimpleQueue[tuple[str, str]]") -> None:
    """Read the month again and again, and put how it ended."""
    while True:
        try:
            month = read(HttpSource(url), scratch)
            ends.put((month.compare(good), f"{month.faulty} hours"))
        except StarvecError as error:
            ends.put((REFUSED, str(error)))
        except Exception as error:
            ends.put((FAILED, repr(error)))


def starvec_runs(url: str, home: Path, good: Month, until: float) -> Iterator[int | tuple[str, str]]:
    """Run `starvec run` again and again until time.monotonic() is `until`; yield each process id, then how it ended."""
    command = [sys.executable, "-m", "starvec_assets.cli", "run", "--source", url, "--months", MONTH]
    options = ["--awesome", "none", "--readmes", "none", "--set", "trained_embeddings.epochs=1"]
    log, store = home.with_suffix(".log"), ArtifactStore(home / "artifacts")
    while time.monotonic() < until:
        with log.open("w") as out:
            environment = {**os.environ, "STARVEC_HOME": str(home)}
            process = subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=out)
        yield process.pid
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            return
        said = log.read_text()
        if process.returncode == 0:
            stars = store.latest(f"raw_stars/{MONTH}")
            others = [MonthlyArtifacts(asset, store).beside(stars).path for asset in ("raw_repos", "raw_people")]
            month = Month.stored(stars.path, *others)
            yield month.compare(good), f"{month.faulty} hours"
        elif process.returncode == 1 and "starvec: " in said and "Traceback" not in said:
            yield REFUSED, said.rpartition("starvec: ")[2]
        else:
            yield FAILED, said


class Client:
    """One of the two clients: its process, its samples, and how its runs ended."""

    def __init__(self, name: str) -> None:
        self.name, self.process = name, 0
        self.samples: list[Sample] = []
        self.ends: Counter[str] = Counter()

    def ended(self, end: str, said: str) -> None:
        """Count the end of a run, and print what was said by one that is not the good month."""
        self.ends[end] += 1
        if end != EQUAL:
            when = time.strftime("%H:%M:%S")
            print(f"{when} {self.name}: {end}: {said.strip()[-3_000:]}", file=sys.stderr, flush=True)

    def row(self, began: float, ended: float) -> str:
        """Return the client's row of the table."""
        tenth = (ended - began) / 10
        first = [s for s in self.samples if s.at <= began + tenth]
        last = [s for s in self.samples if s.at >= ended - tenth]
        cells = [f"{self.ends[end]}" for end in ENDS]
        cells.append(f"{max(s.memory for s in first) / 1e6:.0f} / {max(s.memory for s in last) / 1e6:.0f}")
        for figure in ("threads", "files", "processes"):
            cells.append(" / ".join(f"{max(getattr(s, figure) for s in part)}" for part in (first, last)))
        return f"| {self.name} | " + " | ".join(cells) + " |"


def soak(seconds: float, seed: int, scratch: Path) -> Sequence[Client]:
    """Run both clients for a time, and print the table."""
    hours = scratch / "hours"
    write_archive(hours, SampleSettings(users=USERS, months=(MONTH,)))
    good_month = read(FolderSource(hours), scratch / "good")
    server = BreakingServer(hours, seed)
    runs, loop = clients = Client("`starvec run`, a process each"), Client("read_month and merge_month, in one process")
    spawn = multiprocessing.get_context("spawn")
    ends: SimpleQueue[tuple[str, str]] = spawn.SimpleQueue()
    reader = spawn.Process(target=read_for_ever, args=[server.url, scratch / "loop", good_month, ends], daemon=True)
    reader.start()
    loop.process = reader.pid or 0
    began = time.monotonic()

    def watch() -> None:
        while True:
            time.sleep(SAMPLE_S)
            for client in clients:
                client.samples.append(sample(client.process, time.monotonic()))

    def count() -> None:
        while True:
            loop.ended(*ends.get())

    for work in (watch, count):
        threading.Thread(target=work, daemon=True).start()
    for step in starvec_runs(server.url, scratch / "home", good_month, began + seconds):
        if isinstance(step, int):
            runs.process = step
        else:
            runs.ended(*step)
    ended = time.monotonic()
    reader.terminate()
    requests = f"{server.changes} changes, {sum(server.requests.values()):,} requests"
    print(
        f"| {(ended - began) / 60:.0f} minutes, {requests} | "
        + " | ".join(ENDS)
        + " | MB, first / last tenth | threads | files | processes |"
    )
    print("|---|" + "---:|" * 8)
    for client in clients:
        print(client.row(began, ended))
    print(", ".join(f"{name}: {n:,}" for name, n in sorted(server.requests.items())), file=sys.stderr)
    return clients


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for variable in ("GITHUB_TOKEN", "STARVEC_BUCKET", "STARVEC_KEEP_HOURS"):
        os.environ.pop(variable, None)
    with tempfile.TemporaryDirectory() as scratch:
        clients = soak(arguments.minutes * 60, arguments.seed, Path(scratch))
    sys.exit(any(client.ends[FAILED] for client in clients))


if __name__ == "__main__":
    main()
