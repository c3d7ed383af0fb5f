"""Trends of the bundle's repositories that the tests of the page read: two years, a gap, and what is rising."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from starvec_assets.ingest.calendar import months_between
from starvec_assets.parquet import write_table
from starvec_assets.sample.catalogue import SampleRepo
from starvec_assets.trends.tables import ABOUT, FIELDS, MONTHLY, MONTHS, RANKING

MONTHS_SHOWN = months_between("2022-03", "2024-02")
GAP = "2023-06"
GAP_REASON = "the log has 12 % of its stars, as estimated from the months before"
RISING_FROM, RISING_COUNT, BURSTS = 30, 25, 6
"""Rows of the export from which on every third repository is rising."""


def write_trends_artifact(
    folder: Path, repos: Sequence[SampleRepo], repo_ids: Sequence[int], clusters: Sequence[str]
) -> None:
    """Write a trends artifact: repositories that keep their rate, and RISING_COUNT whose rate grows eightfold.

    `clusters` are the labels of the map's second level, whose ids are their places among the sorted topics.
    """
    topics = sorted({(repo.field, repo.topic) for repo in repos})
    rng = np.random.default_rng(0)
    rising = list(range(RISING_FROM, RISING_FROM + 3 * RISING_COUNT, 3))
    usual = np.array([repo.stars for repo in repos]) ** 0.6 / 300
    growing = np.where(np.isin(np.arange(len(repos)), rising), 8.0, 1.0)
    phase = np.linspace(0, 1, len(MONTHS_SHOWN))
    stars = rng.poisson(30 * usual[:, None] * growing[:, None] ** phase)
    months = [
        {"month": month, "days": 30, "stars": None if month == GAP else int(stars[:, i].sum()), "capture": None}
        | {"gap": GAP_REASON if month == GAP else None}
        for i, month in enumerate(MONTHS_SHOWN)
    ]
    monthly = [
        {"repo_id": repo_id, "month": month, "stars": int(count), "share": float(count / stars[:, i].sum())}
        | {"per_day": count / 30, "low": 0.8 * count / 30, "high": 1.2 * count / 30, "source": "log"}
        for repo_id, counts in zip(repo_ids, stars, strict=True)
        for i, (month, count) in enumerate(zip(MONTHS_SHOWN, counts, strict=True))
        if month != GAP and count
    ]

    def ranked(rows: Sequence[int], burst: float) -> list[dict[str, Any]]:
        found = []
        for place, row in enumerate(rows):
            repo, per_day = repos[row], stars[row, -1] / 30
            growth = 28 * per_day / (repo.stars + 40) / (1 + place)
            found.append(
                {"repo_id": repo_ids[row], "name": repo.name, "language": repo.language}
                | {"cluster": topics.index((repo.field, repo.topic))}
                | {"category": "GenAI" if repo.field == "generative ai" else None, "born": date(2010 + row % 14, 5, 1)}
                | {"total": repo.stars, "stars": int(stars[row, -1]), "per_day": per_day, "low": 0.8 * per_day}
                | {"high": 1.2 * per_day, "growth": growth, "growth_low": 0.8 * growth}
                | {"burst": burst, "burst_low": 0.6 * burst, "burst_days": 7}
            )
        return found

    kinds: list[tuple[str, str, int | None, float]] = [
        *(("category", "GenAI", None, 0.08), ("category", "Web3", None, 0.03), ("language", "Python", None, 0.3)),
        *(("cluster", label, cluster, 0.001 * (1 + cluster % 7)) for cluster, label in enumerate(clusters)),
    ]
    fields = [
        {"kind": kind, "field": name, "cluster": cluster, "month": month}
        | ({"stars": None, "share": None, "low": None, "high": None} if month == GAP else {"stars": 100 + i})
        | ({} if month == GAP else {"share": share * (1 + i / 40), "low": share * 0.9, "high": share * 2})
        for kind, name, cluster, share in kinds
        for i, month in enumerate(MONTHS_SHOWN)
    ]
    tables: list[tuple[str, list[Any], pa.Schema]] = [
        ("months", months, MONTHS),
        ("monthly", sorted(monthly, key=lambda row: (row["repo_id"], row["month"])), MONTHLY),
        ("rising", ranked(rising, 1.5), RANKING),
        ("most_stars", ranked(range(200), 1.0), RANKING),
        ("bursts", ranked(rising[:BURSTS], 6.0), RANKING),
        ("fields", fields, FIELDS),
    ]
    for name, rows, schema in tables:
        write_table(pa.Table.from_pylist(rows, schema), schema, folder / f"{name}.parquet")
    about = {
        "window": {"source": "log", "first": "2023-12-02", "last": "2024-02-29"},
        "notes": [],
        "gaps": [f"{GAP} is a gap: {GAP_REASON}"],
        "least_stars": 10,
    }
    (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
