"""Schema of the events that are read: JSON paths, patterns and limits, shared by the parser and by BigQuery.

The parser (watch_events.py, repo_facts.py) takes events out of hour files by these paths and patterns;
bigquery_months.py builds its query from the same ones. Rules over several events of a month (duplicates, order, newest
names) are in build_month.sql, rules over several months in corpus/selection.sql.
"""

from starvec_assets.github_names import ACTOR_LOGIN, REPOSITORY
from starvec_assets.ingest.calendar import ARCHIVE_DELAY

WATCH = "WatchEvent"
ACTION = "started"  # the only action there is: no event reports a star that was taken back
STAR = {  # the columns of a star, then its action: the path of each in an event
    "user_id": "actor.id",
    "user_login": "actor.login",
    "repo_id": "repo.id",
    "repo_name": "repo.name",
    "starred_at": "created_at",
    "action": "payload.action",
}

# Explicit ranges, not \w or \d: twice as fast in the pattern of a line, which is tried on every star; the same in RE2.
ID, LOGIN, NAME = "[1-9][0-9]{0,17}", ACTOR_LOGIN, REPOSITORY
TIME = "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
LARGEST_ID = 10**18 - 1

# A star dated this long after the end of its hour (in BigQuery: of its month) or later is rejected; an hour file is
# read at the earliest ARCHIVE_DELAY after its hour, so that none from the future of the reader is left either.
CLOCK_TOLERANCE = ARCHIVE_DELAY

# GitHub numbers its events in two sequences: pushes (with creations and deletions) in one, stars with the other kinds
# in another, which real events of June and July 2026 show (docs/coverage.md).
PUSH = "PushEvent"

# Kinds of events with facts of a repository, by rank: the path of the object that has them, and how many of FACT_FIELDS
# it has (a fork has topics, pushes and stargazers of its own). The repository is the event's, as a star's is.
FACT_EVENTS = {
    "CreateEvent": ("payload", 1),
    "ForkEvent": ("payload.forkee", 2),
    "PullRequestEvent": ("payload.pull_request.base.repo", 5),
}
FACT_FIELDS = ("description", "language", "topics", "pushed_at", "stargazers_count")
