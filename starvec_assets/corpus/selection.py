"""Who counts and what is in the vocabulary: the limits, and the rules as SQL."""

from pydantic import Field, model_validator

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError

# Each is a query over the ones before it, in words that DuckDB and BigQuery share: both run them. `stars` has user_id,
# user_login, repo_id, starred_at.
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
    SELECT user_id, repo_id, starred_at FROM first_stars
    WHERE user_id IN (SELECT user_id FROM users WHERE fate = 'kept')"""
ORDER = "starred_at, repo_id"  # of a user's stars
VOCABULARY = """
    SELECT repo_id, count(*) AS stars FROM kept_stars GROUP BY repo_id HAVING count(*) >= {min_stargazers}
    ORDER BY stars DESC, repo_id LIMIT {vocabulary}"""


class CorpusSettings(Settings):
    """Who and what is trained on; raises StarvecError on limits that contradict each other."""

    min_stars: int = Field(10, ge=1, description="distinct stars a user needs")
    max_stars: int = Field(
        800, ge=1, le=100_000, description="distinct stars beyond which a user is a bot or a hoarder"
    )
    vocabulary: int = Field(300_000, ge=1, lt=1 << 31, description="repositories at most, the most starred ones")
    min_stargazers: int = Field(5, ge=1, description="stargazers a repository of the vocabulary needs")
    # Four are the fewest that make two buckets of two: a bucket of one is a repository, not a person.
    min_known: int = Field(4, ge=2, description="repositories of the vocabulary a user needs, or is dropped")
    heldout_share: float = Field(0.02, gt=0, lt=1, description="share of the users kept out of training for evaluation")
    heldout_max: int = Field(2_000, ge=1, description="users held out at most")
    heldout_min_known: int = Field(10, ge=2, description="repositories of the vocabulary a held-out user needs")
    min_users: int = Field(100, ge=1, description="users left to train on, or the corpus is refused")
    seed: int = Field(0, ge=0, lt=1 << 63, description="draws the held-out users, their split and the users' order")
    rows_a_part: int = Field(8_000_000, ge=1, description="stars that DuckDB holds at a time; changes nothing else")

    @model_validator(mode="after")
    def _consistent(self) -> "CorpusSettings":
        for low, high in (("min_stars", "max_stars"), ("min_known", "heldout_min_known")):
            least, most = getattr(self, low), getattr(self, high)
            if least > most:
                raise StarvecError(f"{low} {least} is above {high} {most}: lower the one or raise the other")
        return self
