import gzip
import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from archive import START, creation, fork, gunzip_text, gzip_lines, json_line, parse_stars, pull_request, push, star

from starvec_assets.ingest import gzip_reader, hour_parser
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_parser import HourLimits, read_hour


def read(
    tmp_path: Path, content: bytes, max_repo_facts: int = 500, max_seconds: float = 60
) -> tuple[HourCoverage, list[dict[str, Any]], list[dict[str, Any]]]:
    path = tmp_path / "2024-01-01-0.json.gz"
    path.write_bytes(content)
    stars: list[pa.Table] = []
    facts: list[pa.Table] = []
    limits = HourLimits(max_repo_facts, max_seconds)
    coverage = read_hour(path, START, stars.append, facts.append, lambda people: None, limits)
    return coverage, *([row for table in tables for row in table.to_pylist()] for tables in (stars, facts))


def rows(stars: list[dict[str, Any]]) -> list[tuple[int, str, int, str, str]]:
    return sorted(
        (s["user_id"], s["user_login"], s["repo_id"], s["repo_name"], f"{s['starred_at']:%Y-%m-%dT%H:%M:%SZ}")
        for s in stars
    )


def test_stars_are_found_among_other_events_in_either_spelling(tmp_path: Path) -> None:
    lines = [json_line(star(user, 100 + user), spaced=user % 3 == 0) for user in range(1, 40)]
    lines[5:5] = [json_line(push()), json_line(push(), spaced=True)]
    coverage, stars, _ = read(tmp_path, gzip_lines(lines))
    assert sorted(s["user_id"] for s in stars) == list(range(1, 40))
    assert (coverage.status, coverage.events, coverage.stars, coverage.rejected) == ("ok", 41, 39, {})


def test_every_faulty_line_is_counted_and_leaves_other_lines_intact(tmp_path: Path) -> None:
    old = {"created_at": "2012-04-01T00:00:00Z", "type": "WatchEvent", "actor": "octocat", "repository": {"id": 1}}
    faults = [
        '{"id":"1","type":"WatchEvent","actor":{"id":7',
        "not json at all",
        "",
        "   ",
        "\ufffd\u0000",
        '{"type":"WatchEvent"}',
        '{"id":"9","type":"WatchEvent","actor":null,"repo":null,"payload":{},"created_at":null}',
        "{}",
        "[]",
        "17",
        json_line(star(user=-3)),
        json_line(old, spaced=True),
        json_line(old | {"type": "PushEvent"}),
        b"\xff\xfe\xfd",
        "x" * 70,
        "[" * 100_000,
    ]
    lines: list[bytes] = []
    for i, fault in enumerate(faults):
        lines += [json_line(fault), json_line(star(i + 1)), json_line(push())]
    coverage, stars, _ = read(tmp_path, gzip_lines(lines))
    assert sorted(s["user_id"] for s in stars) == list(range(1, len(faults) + 1))
    assert coverage.rejected == {"broken_json": 6, "missing_fields": 5, "bad_values": 1, "old_schema": 2}
    assert coverage.events == 2 * len(faults) + 8
    assert coverage.status == "ok"


def test_a_watch_event_quoted_in_another_event_is_no_star(tmp_path: Path) -> None:
    tricky = push()
    tricky["payload"] = {"type": "WatchEvent", "action": "started", "text": '"type":"WatchEvent"', "actor": {"id": 1}}
    coverage, stars, _ = read(
        tmp_path, gzip_lines([tricky, json_line(tricky, spaced=True), {"payload": star(), "type": "X"}])
    )
    assert (coverage.events, stars, coverage.rejected) == (3, [], {})


def test_a_line_over_16_mb_is_dropped_and_counted(tmp_path: Path) -> None:
    long = star(5)
    long["payload"]["text"] = "x" * hour_parser.MAX_LINE
    just = star(6)
    just["payload"]["text"] = "x" * (hour_parser.MAX_LINE - 1000)
    coverage, stars, _ = read(tmp_path, gzip_lines([star(1), long, star(2), just, star(3)]))
    assert sorted(s["user_id"] for s in stars) == [1, 2, 3, 6]
    assert (coverage.events, coverage.rejected) == (4, {"too_long": 1})
    coverage, stars, _ = read(tmp_path, gzip_lines([star(1), long])[:-8])
    assert (coverage.status, len(stars)) == ("truncated", 1)


@pytest.mark.parametrize(
    ("content", "status", "events"),
    [
        (gzip_lines([star()]), "ok", 1),
        (gzip.compress(json_line(star()), mtime=0), "ok", 1),
        (gzip_lines(["<p>", "1", "</p>"]), "corrupt", 1),
        (gzip_lines(["<p>", star()]), "ok", 1),
        (gzip_lines([]), "empty", 0),
        (gzip_lines([""]), "empty", 0),
        (b"", "empty", 0),
        (b"<html>Service unavailable</html>", "corrupt", 0),
        (b"\x1f\x8b", "truncated", 0),
        (gzip_lines([star()]) + bytes(512), "ok", 1),
        (gzip_lines([star()]) + b"trailing words", "corrupt", 1),
        (gzip_lines([star()]) + bytes(9) + gzip_lines([push(), star()]), "ok", 3),
        (gzip_lines([star(1), star(2)])[:-8] + b"12345678", "corrupt", 2),
    ],
)
def test_the_status_describes_the_file(tmp_path: Path, content: bytes, status: str, events: int) -> None:
    coverage, _, _ = read(tmp_path, content)
    assert (coverage.status, coverage.events, coverage.bytes) == (status, events, len(content))


def noisy(number: int) -> list[bytes]:
    """Return lines that compress badly, so that their file has many blocks."""
    return [
        json_line(x)
        for i in range(number)
        for x in (star(i + 1, 10**9 + i), {"type": "Noise", "x": os.urandom(60).hex()})
    ]


def test_a_truncated_file_gives_all_its_complete_lines(tmp_path: Path) -> None:
    whole = gzip_lines(noisy(400))
    for cut in range(30, len(whole), len(whole) // 13):
        coverage, stars, _ = read(tmp_path, whole[:cut])
        assert coverage.status == "truncated"
        assert rows(stars) == sorted(parse_stars(gunzip_text(tmp_path / "2024-01-01-0.json.gz"), whole=False))
        assert not coverage.rejected


def test_a_damaged_file_gives_the_lines_before_the_damage_and_the_members_after_it(tmp_path: Path) -> None:
    first, second = bytearray(gzip_lines(noisy(3000))), gzip_lines([star(i, 5) for i in range(9000, 9100)])
    first[len(first) // 2 : len(first) // 2 + 64] = bytes(64)
    coverage, stars, _ = read(tmp_path, bytes(first) + second)
    users = sorted(s["user_id"] for s in stars)
    assert coverage.status == "corrupt"
    assert users[-100:] == list(range(9000, 9100))
    assert 1400 < len(users) - 100 < 3000
    assert users[:1400] == list(range(1, 1401))


def test_a_truncated_member_does_not_affect_the_next_one(tmp_path: Path) -> None:
    whole = gzip_lines(noisy(2000))
    coverage, stars, _ = read(tmp_path, whole[: len(whole) // 2] + gzip_lines([star(i, 5) for i in range(9000, 9100)]))
    users = sorted(s["user_id"] for s in stars)
    assert coverage.status in ("truncated", "corrupt")
    assert users[-100:] == list(range(9000, 9100))
    assert len(users) > 950


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 4096])
def test_the_block_size_makes_no_difference(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = [
        star(9),
        "",
        "broken",
        push(),
        json_line(star(8), spaced=True),
        "{",
        star(7),
        pull_request(5, "a/b", "x", "C"),
    ]
    content = gzip_lines([*mixed, *mixed[::-1], *mixed, push(), "", star(6)])
    expected = _without_push_id(*read(tmp_path, content))
    monkeypatch.setattr(gzip_reader, "CHUNK_SIZE", size)
    monkeypatch.setattr(gzip_reader, "READ_SIZE", max(size, 300))
    assert _without_push_id(*read(tmp_path, content)) == expected
    assert rows(expected[1]) == sorted(parse_stars(gunzip_text(tmp_path / "2024-01-01-0.json.gz")))


def _without_push_id(coverage: HourCoverage, *rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Which pushes are sampled depends on the blocks."""
    return replace(coverage, push_event_id=None), *rows


def test_ids_of_any_length_are_read(tmp_path: Path) -> None:
    events = [star(i) | {"id": str(10**i)} for i in range(1, 17)]
    coverage, stars, _ = read(tmp_path, gzip_lines([x for e in events for x in (push() | {"id": e["id"]}, e, "")]))
    assert (coverage.events, len(stars), coverage.rejected) == (32, 16, {})


FACTS = [
    pull_request(10, "a/b", 'Says "hi" – \u2603 \\ done', "C++", 1234),
    pull_request(20, "a/other", None, None, 0),
    fork(30, "b/long-name.js", "A description", "Python"),
    creation(40, "c/d", "Ends in a backslash \\"),
    creation(50, "c/nothing", None),
    pull_request(10, "a/b", "a second time", "C", 9),
]


@pytest.mark.parametrize("spaced", [False, True])
def test_facts_are_read_from_pull_requests_forks_and_creations(tmp_path: Path, spaced: bool) -> None:
    _, _, facts = read(tmp_path, gzip_lines([json_line(e, spaced) for e in FACTS]))
    keys = ("name", "description", "language", "topics", "stargazers", "rank")
    by_id = {row["repo_id"]: tuple(row[k] for k in keys) for row in facts}
    assert by_id.pop(10) == ("a/b", 'Says "hi" – \u2603 \\ done', "C++", ["data", "vectors"], 1234, 2)
    assert by_id.pop(20) == ("a/other", None, None, ["data", "vectors"], 0, 2)
    assert by_id.pop(30) == ("b/long-name.js", "A description", "Python", None, None, 1)
    assert by_id.pop(40) == ("c/d", "Ends in a backslash \\", None, None, None, 0)
    assert not by_id
    assert {f"{row['pushed_at']:%Y-%m-%d %H:%M:%S}" for row in facts if row["rank"] == 2} == {"2023-12-31 23:59:58"}


def test_scanning_and_parsing_give_the_same_facts(tmp_path: Path) -> None:
    events = [make(100 + i, f"o{i}/r{i}", d, lang) for i, (make, d, lang) in enumerate(CASES)]
    assert (
        read(tmp_path, gzip_lines(map(json_line, events)))[2]
        == read(tmp_path, gzip_lines(json_line(e, True) for e in events))[2]
    )


def test_lines_as_github_writes_them_are_scanned_without_parsing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_parser._LineScanner, "_parse", lambda self, line: pytest.fail(f"parsed {line!r}"))
    _, stars, facts = read(tmp_path, gzip_lines([*FACTS, star(), push()]))
    assert (len(stars), len(facts)) == (1, 4)


DESCRIPTIONS = [
    "plain",
    None,
    "",
    'a "quoted" one',
    "\\",
    "\t\n",
    "x" * 349,
    "x" * 5000,
    "@here",
    ',"fork":true,"url":"',
]
CASES = [(make, d, lang) for make in (pull_request, fork) for d in DESCRIPTIONS for lang in ("Go", None, 'Q"#')]


def test_missing_fields_leave_the_other_facts_intact(tmp_path: Path) -> None:
    trimmed = pull_request(10, "a/b", "x", "C")
    trimmed["payload"]["pull_request"]["base"]["repo"] = {
        "id": 10,
        "url": "https://api.github.com/repos/a/b",
        "name": "b",
    }
    headless = pull_request(20, "a/c", "kept", "C")
    headless["payload"]["pull_request"]["head"]["repo"] = None
    deleted = pull_request(30, "a/d", "x", "C")
    deleted["payload"]["pull_request"]["base"]["repo"] = None
    odd = pull_request(40, "a/e", "x", "C")
    odd["payload"]["pull_request"]["base"]["repo"] |= {
        "stargazers_count": "many",
        "topics": [1, "ok", None],
        "pushed_at": 5,
    }
    _, _, facts = read(tmp_path, gzip_lines([trimmed, headless, deleted, odd]))
    assert [(row["repo_id"], row["description"]) for row in facts] == [(20, "kept"), (40, "x")]
    assert (facts[1]["stargazers"], facts[1]["topics"], facts[1]["pushed_at"]) == (None, ["ok"], None)


def test_the_facts_of_an_hour_are_limited_for_each_kind_of_event(tmp_path: Path) -> None:
    events = [make(i, f"o/r{i}", "text", "C") for i in range(1, 30) for make in (pull_request, fork)]
    spaced = [json_line(creation(i, f"o/r{i}", "text"), spaced=True) for i in range(1, 30)]
    coverage, _, facts = read(tmp_path, gzip_lines([*events, *spaced]), max_repo_facts=10)
    assert [sum(row["rank"] == rank for row in facts) for rank in range(3)] == [10, 10, 10]
    assert coverage.events == 87


def test_the_event_id_of_an_hour_is_the_median_of_its_stars(tmp_path: Path) -> None:
    events = [star(i) | {"id": str(30_000_000_000 + 10 * i)} for i in range(1, 500)]
    coverage, _, _ = read(tmp_path, gzip_lines(events))
    assert coverage.star_event_id is not None
    assert abs(coverage.star_event_id - 30_000_002_500) < 200
    assert coverage.push_event_id is None


def test_pushes_have_a_median_event_id_of_their_own(tmp_path: Path) -> None:
    draw, events = random.Random(1), list[Any]()
    for i in range(500):
        noise = {"type": "Noise", "x": "x" * draw.randrange(60_000)}
        events += [star(7) | {"id": str(10**9 + 10 * i)}, noise, push() | {"id": str(5000 + 10 * i)}, push(), noise]
        events[-2]["id"] = events[-3]["id"]
    coverage, _, _ = read(tmp_path, gzip_lines(events))
    assert coverage.star_event_id == pytest.approx(10**9 + 2500, abs=200)
    assert coverage.push_event_id == pytest.approx(5000 + 2500, abs=900)


def test_sequences_of_ids_of_different_lengths_are_scanned_without_parsing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_parser._LineScanner, "_parse", lambda self, line: pytest.fail(f"parsed {line!r}"))
    lengths = 9, 11, 10
    events = [e | {"id": str(10 ** lengths[i % 3])} for i in range(30) for e in (star(i + 1), push(), *FACTS)]
    coverage, stars, facts = read(tmp_path, gzip_lines(events))
    assert (coverage.events, len(stars), len(facts)) == (len(events), 30, 4)


def test_a_star_dated_long_after_its_hour_is_rejected_and_counted(tmp_path: Path) -> None:
    late = [timedelta(0), timedelta(hours=1, minutes=59), timedelta(hours=2), timedelta(days=9000)]
    events = [star(nth, at=START + by) for nth, by in enumerate(late, 1)]
    for spaced in (False, True):
        coverage, stars, _ = read(tmp_path, gzip_lines([push(), *(json_line(e, spaced) for e in events), push()]))
        assert [s["user_id"] for s in stars] == [1, 2]
        assert (coverage.stars, coverage.rejected, coverage.events) == (2, {"future": 2}, 6)


@pytest.mark.parametrize("blank", [b"\n", b"  \n", b"\r\n", b"\t\n \n"], ids=repr)
def test_blank_lines_cost_nothing_and_count_for_nothing(
    tmp_path: Path, blank: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner, calls = hour_parser._LineScanner, list[int]()
    read_lines = scanner._read_lines
    monkeypatch.setattr(scanner, "_read_lines", lambda self, text: (calls.append(len(text)), read_lines(self, text)))
    many = blank * ((8 << 20) // len(blank))
    lines = [json_line(e) + b"\n" for e in (push(), star(1), star(2), push())]
    coverage, stars, _ = read(tmp_path, gzip.compress(lines[0] + lines[1] + many + lines[2] + many + lines[3]))
    assert ([s["user_id"] for s in stars], coverage.events, coverage.rejected) == ([1, 2], 4, {})
    assert sum(calls) < 4 * gzip_reader.CHUNK_SIZE, "blocks of nothing else are passed over as a whole"


def test_a_file_of_many_gzip_members_is_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_reader, "MAX_MEMBERS", 50)
    members = [gzip_lines([star(nth)]) for nth in range(1, 60)]
    assert read(tmp_path, b"".join(members[:50]))[0].status == "ok"
    coverage, stars, _ = read(tmp_path, b"".join(members))
    assert (coverage.status, len(stars)) == ("corrupt", 50)
    assert coverage.note == "given up after 50 gzip members, 0 of them damaged"


BARE_HEADER = gzip.compress(b"", mtime=0)[:10]


@pytest.mark.parametrize("unit", [BARE_HEADER, BARE_HEADER + b"\x00\xff\xff\x00\x00"], ids=["bare", "nested"])
def test_a_file_of_many_damaged_members_is_given_up(
    tmp_path: Path, unit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_reader, "MAX_DAMAGES", 20)
    coverage, stars, _ = read(tmp_path, gzip_lines([star(1)]) + unit * 9_000 + gzip_lines([star(2)]))
    assert (coverage.status, [s["user_id"] for s in stars]) == ("corrupt", [1])
    assert coverage.note == "given up after 21 gzip members, 20 of them damaged"


def test_reading_ends_with_its_time_and_keeps_what_came_until_then(tmp_path: Path) -> None:
    lines = [star(1), push()] + [{"type": "Noise", "x": "x" * 50_000}] * 50 + [star(2)]
    coverage, stars, _ = read(tmp_path, gzip_lines(lines), max_seconds=0)
    assert (coverage.status, [s["user_id"] for s in stars]) == ("slow", [1])
    assert coverage.note == "not read to its end within 0 s"
    assert 2 <= coverage.events < 50


def long_facts() -> list[tuple[str, Any]]:
    """Return events that have a fact that is longer than any of GitHub's."""

    def changed(field: str, value: object) -> Any:
        event = pull_request(10, "a/b", "x", "C")
        event["payload"]["pull_request"]["base"]["repo"][field] = value
        return event

    texts = ["x" * 3_000, "\u2603" * 1_999, '"' * 2_500, "\U0001f680" * 2_001]
    return [
        *((f"creation, {text[:1]} {len(text)}", creation(10, "a/b", text)) for text in texts),
        *((f"fork, {text[:1]} {len(text)}", fork(10, "a/b", text, "C")) for text in texts),
        *((f"pull request, {text[:1]} {len(text)}", pull_request(10, "a/b", text, "C")) for text in texts),
        ("many topics", changed("topics", [f"t{n}" for n in range(200)])),
        ("a long topic", changed("topics", ["short", "t" * 500])),
        ("many long topics", changed("topics", ["t" * 500] * 3_000)),
        ("a long language", changed("language", "C" * 5_000)),
        ("a large number", changed("stargazers_count", 10**30)),
    ]


@pytest.mark.parametrize(("event"), [event for _, event in long_facts()], ids=[name for name, _ in long_facts()])
def test_facts_have_the_same_limits_however_they_are_read(tmp_path: Path, event: Any) -> None:
    quick, parsed = (read(tmp_path, gzip_lines([push(), json_line(event, spaced)]))[2] for spaced in (False, True))
    assert quick == parsed
    [row] = quick
    assert len(row["description"]) <= 2_000
    assert len(row["language"] or "") <= 2_000
    assert len(row["topics"] or []) <= 50
    assert max(map(len, row["topics"] or [""])) <= 100


MEASURE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from starvec_assets.ingest.hour_parser import HourLimits, read_hour
kept = []
hour, others = datetime(2024, 1, 1, tzinfo=UTC), [lambda table: None] * 2
coverage = read_hour(Path(sys.argv[1]), hour, lambda stars: kept.append(len(stars)), *others)
peak = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")]
print(coverage.stars, coverage.rejected.get("too_long", 0), int(peak[0].split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_memory_is_bounded_for_any_file(tmp_path: Path) -> None:
    path = tmp_path / "2024-01-01-0.json.gz"
    stars, long = (json_line(star()) + b"\n") * 20_000, b'{"type":"' + b"x" * (40 << 20) + b'"}\n'
    described = (json_line(creation(repo, f"a/b{repo}", "x" * (12 << 20))) + b"\n" for repo in range(1, 21))
    many = b'{"type":"Strange","x":[' + b'{"a":1},' * (15 << 17) + b"0]}\n"
    members = [gzip.compress(text, 1) for text in (long, many, *described)]
    path.write_bytes(gzip.compress(stars, 1) * 20 + members[0] * 3 + b"".join(members[1:]))
    out = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found, too_long, megabytes = map(int, out.stdout.split())
    assert (found, too_long) == (400_000, 4)
    assert megabytes < 300


ROOT = Path(__file__).parents[2]
