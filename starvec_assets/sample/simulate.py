"""Write the sample: hour files in the format of GH Archive, and awesome lists of the same repositories.

    <out>/2024-01-01-0.json.gz ...   <out>/awesome/<theme>.md   <out>/README.txt   <out>/sample.json

The repositories are real, the people are simulated and cannot be mistaken for real ones: logins read sim-000123, and
the ids of people and repositories are far above those of GitHub.
"""

import gzip
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from starvec_assets.errors import StarvecError
from starvec_assets.files import exclusive_lock
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.sources import file_name
from starvec_assets.progress import bar, print_line
from starvec_assets.sample import SIMULATED
from starvec_assets.sample.catalogue import SampleRepo, load_catalogue, load_little_known
from starvec_assets.sample.curators import simulate_lists
from starvec_assets.sample.events import hourly_lines, login_of, simulate_events
from starvec_assets.sample.people import specialists

MARKER = "sample.json"
AWESOME = "awesome"
PEOPLE = "people.tsv"

_VERSION = 7  # increase it when the same settings give other bytes
_README = f"""{SIMULATED}

The repositories are real, chosen and described by hand. The people, their stars and everything else that happens here
were drawn at random, and numbers of stars are orders of magnitude. The hour files have the form of GH Archive: one gzip
file an hour, one event a line. {AWESOME}/ holds simulated awesome lists, {PEOPLE} a person to compare with a field.
"""


@dataclass(frozen=True)
class SampleSettings:
    """Number of simulated people, months of their stars, and seed; `noise`: other events per star."""

    users: int = 4_000
    months: tuple[str, ...] = ("2024-01", "2024-02", "2024-03")
    seed: int = 1
    noise: float = 0.5


@dataclass(frozen=True)
class SampleSummary:
    """Counts of a sample; `events` include the stars, `bytes` is the size of the hour files."""

    users: int
    repositories: int
    stars: int
    events: int
    hours: int
    bytes: int


def write_archive(out: Path, settings: SampleSettings) -> SampleSummary:
    """Write the sample into the folder `out`, unless it already contains the sample of these settings.

    It is written to another folder that then replaces `out`; equal settings give equal bytes. Raises StarvecError for
    an impossible month, and when `out` exists and is no sample: other folders are never overwritten.
    """
    future = datetime.max.replace(tzinfo=UTC)  # months need not be over
    hours = [hour for month in sorted(set(settings.months)) for hour in month_hours(month, future)]
    repos, little_known = load_catalogue(), load_little_known()
    catalogue = hashlib.sha256(repr([repos, little_known]).encode()).hexdigest()
    identity = {"version": _VERSION, "settings": repr(settings), "catalogue": catalogue}
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = out.parent / f".{out.name}.lock"
    with exclusive_lock(lock, f"{out} is being written", wait=print_line):  # then the sample is complete
        if existing := _read_summary(out, identity):
            return existing
        if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
            raise StarvecError(f"{out} exists and is no sample: name another folder, or move it away")
        partial, previous = (out.with_name(f".{out.name}.{suffix}") for suffix in ("partial", "before"))
        for left_over in (partial, previous):
            shutil.rmtree(left_over, ignore_errors=True)
        partial.mkdir()
        summary = _write(partial, settings, hours, repos, little_known)
        (partial / MARKER).write_text(json.dumps({"identity": identity, "summary": asdict(summary)}, indent=1) + "\n")
        if out.exists():
            out.rename(previous)
        partial.rename(out)
        shutil.rmtree(previous, ignore_errors=True)
        return summary


def _read_summary(out: Path, identity: dict[str, Any]) -> SampleSummary | None:
    """Return the summary of the sample in `out`, None when it is another sample or an hour file is missing or torn."""
    try:
        marker = json.loads((out / MARKER).read_text())
        summary = SampleSummary(**marker["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sizes = [path.stat().st_size for path in out.glob("*.json.gz")]
    complete = (len(sizes), sum(sizes)) == (summary.hours, summary.bytes)
    return summary if complete and marker.get("identity") == identity else None


def _write(
    out: Path,
    settings: SampleSettings,
    hours: Sequence[datetime],
    repos: Sequence[SampleRepo],
    little_known: Sequence[SampleRepo],
) -> SampleSummary:
    events = simulate_events(repos, settings.users, settings.noise, hours, settings.seed, little_known)
    starred = [*repos, *little_known]
    size = 0
    with bar(len(hours), "simulated hours", "hour") as progress:
        for hour, lines in zip(hours, hourly_lines(events, starred, hours), strict=True):
            body = gzip.compress(lines, compresslevel=1, mtime=0)
            (out / file_name(hour)).write_bytes(body)
            size += len(body)
            progress.update()
    (out / "README.txt").write_text(_README)
    _write_awesome_lists(out / AWESOME, repos, settings.seed)
    stars = events.kind == 0
    people = specialists(events.user[stars], events.repo[stars], starred)
    rows = [f"{login_of(person)}\tSimulated person {person}\t{field}" for field, person in people]
    (out / PEOPLE).write_text("\n".join(["# Simulated people in the form of profiles/developers.tsv.", *rows]) + "\n")
    return SampleSummary(settings.users, len(starred), int(stars.sum()), len(events.time), len(hours), size)


def _write_awesome_lists(folder: Path, repos: Sequence[SampleRepo], seed: int) -> None:
    """Write the simulated lists, an item a repository, a heading a section."""
    folder.mkdir()
    for curated in simulate_lists(repos, np.random.default_rng(seed)):
        lines = [f"# Awesome {curated.title}", "", "Simulated: chosen at random by the model of the sample."]
        headings: list[str] = []
        for section in curated.sections:
            members = [repos[i] for i in section]
            headings.append(_heading(members, headings))
            lines += ["", f"## {headings[-1]}", ""]
            lines += [f"- [{r.name.split('/')[1]}](https://github.com/{r.name}) - {r.description}." for r in members]
        (folder / f"{curated.title.replace(' ', '-')}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _heading(members: Sequence[SampleRepo], taken: Sequence[str]) -> str:
    """Return the topic of most members of a section, or the first few if the list has that heading; at last a name."""
    topics = [topic for topic, _ in Counter(repo.topic for repo in members).most_common()]
    titles = [" and ".join(topics[:count]) for count in range(1, len(topics) + 1)]
    return next(title for title in [*titles, f"like {members[0].name.split('/')[1]}"] if title not in taken)
