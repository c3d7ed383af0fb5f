"""The corpus made in BigQuery, where one machine is not enough: no star comes home, only packed lists do.

The rules are those of rules.py, the stars those of ingest/bigquery_months.py; what comes home is what build.py selects itself,
and build.py writes it. One query: the stars of all months are read, and paid for, once.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from starvec_assets.bigquery import BigQuery, QueryCost
from starvec_assets.corpus import selection as rules
from starvec_assets.corpus.build import REPOS, CorpusSummary, Fates, Selected, check_vocabulary, pack
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.bigquery_months import events_query, stars_cte
from starvec_assets.ingest.repo_catalog import column_of
from starvec_assets.ragged import RaggedArray

_LIST, _REPOSITORY, _FATE, _ROWS = "list", "repository", "fate", "rows"


def corpus_query(tables: str, settings: CorpusSettings) -> str:
    """The query over the events in `tables`: lists, repositories, fates of users and the number of stars, as rows."""
    limits = settings.model_dump()
    parts = [
        *stars_cte(tables, facts=False),
        f"bots AS ({rules.BOTS})",
        f"first_stars AS ({rules.FIRST_STARS})",
        f"users AS ({rules.USERS.format(**limits)})",
        f"kept_stars AS ({rules.KEPT_STARS})",
        f"vocabulary AS ({rules.VOCABULARY.format(**limits)})",
        "placed AS (SELECT repo_id, stars, row_number() OVER (ORDER BY stars DESC, repo_id) - 1 AS place"
        " FROM vocabulary)",
        f"lists AS (SELECT user_id, array_agg(place ORDER BY {rules.ORDER}) AS items"
        " FROM kept_stars JOIN placed USING (repo_id) GROUP BY user_id)",
        "names AS (SELECT repo_id, repo_name, row_number() OVER (PARTITION BY repo_id"
        " ORDER BY starred_at DESC, repo_name DESC) AS nth FROM stars JOIN vocabulary USING (repo_id))",
    ]
    return (
        "WITH "
        + ",\n".join(parts)
        + f"""
SELECT '{_LIST}' AS what, user_id AS id, items, NULL AS name, NULL AS users, NULL AS stars FROM lists
UNION ALL SELECT '{_REPOSITORY}', repo_id, CAST(NULL AS ARRAY<INT64>), repo_name, NULL, vocabulary.stars
    FROM vocabulary JOIN names USING (repo_id) WHERE nth = 1
UNION ALL SELECT '{_FATE}', NULL, CAST(NULL AS ARRAY<INT64>), fate, COUNT(*), CAST(SUM(stars) AS INT64)
    FROM users GROUP BY fate
UNION ALL SELECT '{_ROWS}', NULL, CAST(NULL AS ARRAY<INT64>), NULL, NULL, COUNT(*) FROM stars"""
    )


def push_down(
    bigquery: BigQuery, months: Sequence[str], catalogue: Path, out: Path, settings: CorpusSettings
) -> tuple[CorpusSummary, QueryCost]:
    """`build_corpus` over the stars that BigQuery has of the months: the same files, a summary, and the query's bill.

    Names are those of `catalogue`, repos.parquet of repo_catalog; of a repository that it lacks, the name it had when
    last starred. Raises what `build_corpus` and `read_months` raise.
    """
    if not months:
        raise StarvecError("no month to make user_buckets from: name some in `months`, as 2015-01..2024-12")
    bill, batches = bigquery.run_query(corpus_query(events_query(bigquery, months, facts=False), settings))
    fates: Fates = dict.fromkeys(("bot", "few", "many", "kept"), (0, 0))
    rows, ids, lengths, repositories = 0, [], [], []
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch:
        path = Path(scratch) / "items"
        with path.open("wb") as file:
            for batch in batches:
                lists = _of(batch, _LIST)
                items = lists["items"].combine_chunks()
                file.write(pc.list_flatten(items).to_numpy(zero_copy_only=False).astype("<i4"))
                lengths.append(pc.list_value_length(items).to_numpy(zero_copy_only=False).astype(np.int64))
                ids.append(lists["id"].to_numpy())
                repositories.append(_of(batch, _REPOSITORY).select(["id", "name", "stars"]))
                fates |= {row["name"]: (row["users"], row["stars"]) for row in _of(batch, _FATE).to_pylist()}
                rows += sum(_of(batch, _ROWS)["stars"].to_pylist())
        vocabulary = _vocabulary(repositories, catalogue)
        check_vocabulary(vocabulary, fates, settings)
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
        packed = RaggedArray(np.memmap(path, np.int32, "r", shape=(int(offsets[-1]),)), offsets)
        selected = Selected(rows, fates, vocabulary, np.concatenate(ids), packed)
        return pack(selected, out, settings), bill


def _of(batch: pa.RecordBatch, what: str) -> pa.Table:
    """The rows of one kind."""
    table = pa.Table.from_batches([batch])
    return table.filter(pc.equal(table["what"], what))


def _vocabulary(found: Sequence[pa.Table], catalogue: Path) -> pa.Table:
    """The columns of REPOS, most starred first."""
    table = pa.concat_tables(found).sort_by([("stars", "descending"), ("id", "ascending")])
    names = column_of(catalogue, table["id"].combine_chunks(), "name")
    columns = [
        pa.array(np.arange(table.num_rows, dtype=np.int32)),
        table["id"],
        pc.coalesce(names, table["name"]),
        table["stars"],
    ]
    return pa.table(columns, names=REPOS.names)
