"""Who counts and what is in the vocabulary: the limits, and the rules as SQL."""

from dataclasses import dataclass

from starvec_assets.errors import StarvecError

# Each is a query over the ones before it; `stars` has user_id, user_login, repo_id, starred_at.
BOTS = "SELECT DISTINCT user_id FROM stars WHERE user_login LIKE '%[bot]'"
FIRST_STARS = "SELECT user_id, repo_id, min(starred_at) AS starred_at FROM stars GROUP BY user_id, repo_id"
USERS = """
    SELECT user_id, count(*) AS stars, CASE
        WHEN user_id IN (SELECT user_id FROM bots) THEN 'bot'
        WHEN count(*) < {min_stars} THEN 'few'
        WHEN count(*) > {max_stars} THEN 'many'
        ELSE 'kept' END AS fate
    FROM first_stars GROUP BY user_id"""
KEPT_STARS = """
    SELECT user_id, repo_id FROM first_stars WHERE user_id IN (SELECT user_id FROM users WHERE fate = 'kept')
    ORDER BY user_id, starred_at, repo_id"""
VOCABULARY = """
    SELECT repo_id, count(*) AS stars FROM kept_stars GROUP BY repo_id HAVING count(*) >= {min_stargazers}
    ORDER BY stars DESC, repo_id LIMIT {vocabulary}"""


@dataclass(frozen=True)
class CorpusSettings:
    """Who and what is trained on.

    `min_known`: a training step draws two non-overlapping buckets from a list; four repositories are the fewest that
    make two buckets of two, and a bucket of one is a repository, not a person. `heldout_min_known`: both halves of a
    held-out list have at least five. `min_users`: fewer to train on is an error. `rows_a_part`: rows of the log that
    DuckDB holds at a time; it changes nothing else.
    """

    min_stars: int = 10
    max_stars: int = 800
    vocabulary: int = 300_000
    min_stargazers: int = 5
    min_known: int = 4
    heldout_share: float = 0.02
    heldout_max: int = 2_000
    heldout_min_known: int = 10
    min_users: int = 100
    seed: int = 0
    rows_a_part: int = 8_000_000

    def __post_init__(self) -> None:
        """Raise StarvecError on limits that contradict each other."""
        rules = {
            "1 <= min_stars <= max_stars": 1 <= self.min_stars <= self.max_stars,
            "2 <= min_known <= heldout_min_known": 2 <= self.min_known <= self.heldout_min_known,
            "0 < heldout_share < 1": 0 < self.heldout_share < 1,
            "heldout_max, vocabulary, min_stargazers, min_users and rows_a_part >= 1": min(
                self.heldout_max, self.vocabulary, self.min_stargazers, self.min_users, self.rows_a_part
            )
            >= 1,
            "0 <= seed < 2^63": 0 <= self.seed < 1 << 63,
        }
        for rule, holds in rules.items():
            if not holds:
                raise StarvecError(f"{self}: {rule} does not hold")
