"""What a star is and which stars count, said once for every engine.

Two things read this page. The parser (star.py, repository.py) takes events out of hour files by the paths and patterns
here. The query (tables.py) is written from the same paths and patterns for BigQuery, where the events lie in tables.
What concerns more than one event of a month - duplicates, order, the newest name - is SQL that DuckDB runs over the
rows that either of them gave; repeated stars are among these, since one may tell a newer name. What concerns more than
one month, and who is a bot or stars too little or too much to train on, is in corpus/selection.py: SQL in the words that
DuckDB and BigQuery share, which both run.
"""

WATCH = "WatchEvent"
ACTION = "started"  # the only one there is: nobody tells of a star taken back
STAR = {  # the columns of a star, then its action: where an event has each
    "user_id": "actor.id",
    "user_login": "actor.login",
    "repo_id": "repo.id",
    "repo_name": "repo.name",
    "starred_at": "created_at",
    "action": "payload.action",
}

# Everything from outside is bounded: GitHub allows 39 characters of a login and 100 of a name. No \w or \d: the pattern
# of a line is tried on every star there is, and explicit ranges are twice as fast; RE2 reads them alike.
ID, LOGIN, NAME = "[1-9][0-9]{0,17}", r"[A-Za-z0-9_.\[\]-]{1,100}", "[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}"
TIME = "20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
LARGEST_ID = 10**18 - 1

# Kinds of events that tell of repositories, by rank: the path to the object that tells, and how many of FACT_FIELDS it knows
# (a fork has topics, pushes and stargazers of its own). The repository itself is the event's, as a star's is.
FACT_EVENTS = {"CreateEvent": ("payload", 1), "ForkEvent": ("payload.forkee", 2)}
FACT_EVENTS |= {"PullRequestEvent": ("payload.pull_request.base.repo", 5)}
FACT_FIELDS = ("description", "language", "topics", "pushed_at", "stargazers_count")

# Of several stars of one user for one repository in a month the first counts. The order is total: rows that tie are
# equal, and `hour` only says in which of its hours a repeated one is counted as such.
RANKED = """
SELECT user_id, user_login, repo_id, repo_name, starred_at, hour, row_number() OVER (
    PARTITION BY user_id, repo_id ORDER BY starred_at, repo_name, user_login, hour) AS nth
FROM stars"""
# `newness` is another one for every sighting of a repository: what is newest is never a matter of chance.
SIGHTED = """
SELECT * EXCLUDE (hour, rank), timezone('UTC', hour) AS seen, epoch(hour) * 4 + rank AS newness FROM sightings"""
NAMED = """
SELECT repo_id, max({'seen': seen, 'name': name}) AS newest FROM (
    SELECT repo_id, starred_at AS seen, repo_name AS name FROM ranked
    UNION ALL SELECT repo_id, seen, name FROM sighted
) GROUP BY repo_id"""
# Names on every star would take a third of the file, and raw_repos has each once: a star tells another one only.
KEPT = """
SELECT user_id, user_login, repo_id, nullif(repo_name, newest.name) AS repo_name, starred_at
FROM ranked JOIN named USING (repo_id) WHERE nth = 1 ORDER BY user_id, starred_at, repo_id"""
NEWEST = """
WITH told AS (
    SELECT repo_id, arg_max(description, newness) AS description, arg_max(language, newness) AS language,
        arg_max(topics, newness) AS topics, max(pushed_at) AS pushed_at, arg_max(stargazers, newness) AS stargazers
    FROM sighted GROUP BY repo_id
)
SELECT repo_id, newest.name AS name, description, language, topics, pushed_at, stargazers, newest.seen AS last_seen
FROM named LEFT JOIN told USING (repo_id) ORDER BY repo_id"""
