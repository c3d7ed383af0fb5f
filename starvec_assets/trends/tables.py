"""The tables of `trends`: months and their gaps, counts by repository and month, rankings, and curves of fields."""

import pyarrow as pa

from starvec_assets.parquet import column

LOG, GITHUB = "log", "github"
CATEGORY, CLUSTER, LANGUAGE = "category", "cluster", "language"
RANKINGS = ("rising", "most_stars", "bursts")
ABOUT = "trends.json"
"""File with the days that are compared, the gaps, and what is not shown and why."""
CLUSTER_LEVEL = 150
"""Level of repository_map whose clusters are fields."""

MONTHS = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM; every month from the first of the log to the last"),
        column("days", pa.int32(), "days of the month"),
        column("stars", pa.int64(), "stars of all repositories, one a person; null: a gap", nullable=True),
        column("capture", pa.float64(), "share of the month's stars that the log has, if known", nullable=True),
        column("gap", pa.string(), "why no curve has this month; null: it counts", nullable=True),
    ]
)
MONTHLY = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("month", pa.string(), "YYYY-MM; a month without a row is a gap if months.parquet says so, else no star"),
        column("stars", pa.int64(), "stars in the log, one a person; null: a gap", nullable=True),
        column("share", pa.float64(), "of the stars of all repositories in the month; null: a gap", nullable=True),
        column("per_day", pa.float64(), "stars a day: as GitHub counts them, or those of the log by its capture"),
        column("low", pa.float64(), "lower end of the 95 % interval of per_day"),
        column("high", pa.float64(), "upper end of it"),
        column("source", pa.string(), "of per_day: github or log"),
    ]
)
RANKING = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "newest owner/name"),
        column("language", pa.string(), "newest main language", nullable=True),
        column("category", pa.string(), "category of the radar that it belongs to", nullable=True),
        column("cluster", pa.int32(), "its cluster on the map, on the level of 150", nullable=True),
        column("born", pa.date32(), "creation if known, else its first star in the log"),
        column("total", pa.int64(), "its stars by the end of the days compared, if known", nullable=True),
        column("stars", pa.int64(), "stars counted in the last 28 days"),
        column("per_day", pa.float64(), "recent stars a day, corrected for capture"),
        column("low", pa.float64(), "per_day less two standard deviations"),
        column("high", pa.float64(), "per_day and two standard deviations more"),
        column("growth", pa.float64(), "stars expected in 28 days by total + 40; null: no total", nullable=True),
        column("growth_low", pa.float64(), "the same of low", nullable=True),
        column("burst", pa.float64(), "share of all stars in the last days by the usual one; 0: too few days"),
        column("burst_low", pa.float64(), "burst less two standard deviations"),
        column("burst_days", pa.int32(), "7 or 14: the last days that burst compares"),
    ]
)
"""Of rising, most_stars and bursts.parquet, best first."""
FIELDS = pa.schema(
    [
        column("kind", pa.string(), "category (of the radar), cluster (of the map) or language"),
        column("field", pa.string(), "its name; of a cluster its label"),
        column("cluster", pa.int32(), "id of a cluster", nullable=True),
        column("month", pa.string(), "YYYY-MM; every month of months.parquet"),
        column("stars", pa.int64(), "stars of its repositories; null: a gap", nullable=True),
        column("share", pa.float64(), "of the stars of all repositories; null: a gap", nullable=True),
        column("low", pa.float64(), "lower end of the 95 % interval of share, by chance alone", nullable=True),
        column("high", pa.float64(), "upper end of it", nullable=True),
    ]
)
