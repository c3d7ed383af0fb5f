"""Corpus selection inside BigQuery, for logs too large for one machine: only the corpus is downloaded.

The rules are those of selection.sql, the stars those of ingest/bigquery_months.py; build.py writes the result. A single
query scans, and is billed for, the stars of all months once.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from starvec_assets.bigquery import BigQuery, QueryCost
from starvec_assets.corpus.build import (
    NO_OUTCOMES,
    CorpusSummary,
    Selection,
    empty_vocabulary,
    memory_map_lists,
    vocabulary_table,
    write_corpus,
)
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.bigquery_months import events_query, stars_cte
from starvec_assets.ingest.repo_catalog import RepoCatalog


def corpus_query(tables: str, settings: CorpusSettings) -> str:
    """Return the query over the events in `tables`: a row per list, vocabulary repository and user outcome, and one
    with the number of stars."""
    queries = settings.queries()
    rows = queries.pop("corpus_rows")
    ctes = [*stars_cte(tables, facts=False), *(f"{name} AS ({query})" for name, query in queries.items())]
    return "WITH " + ",\n".join(ctes) + "\n" + rows


def build_in_bigquery(
    bigquery: BigQuery, months: Sequence[str], catalogue: RepoCatalog, out: Path, settings: CorpusSettings
) -> tuple[CorpusSummary, QueryCost]:
    """Write the files of `build_corpus` from BigQuery's stars of the months; return a summary and the query's cost.

    Repositories missing from the catalogue get the name they had when last starred. Raises what `build_corpus` and
    `read_months` raise.
    """
    if not months:
        raise StarvecError("no month to make user_buckets from: name some in `months`, as 2015-01..2024-12")
    cost, batches = bigquery.run_query(corpus_query(events_query(bigquery, months, facts=False), settings))
    outcomes = dict(NO_OUTCOMES)
    rows, user_ids, lengths, repositories = 0, [], [], []
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch:
        path = Path(scratch) / "items"
        with path.open("wb") as file:
            for batch in batches:
                lists = _rows_of_kind(batch, "list")
                items = lists["items"].combine_chunks()
                file.write(pc.list_flatten(items).to_numpy(zero_copy_only=False).astype("<i4"))
                lengths.append(pc.list_value_length(items).to_numpy(zero_copy_only=False).astype(np.int64))
                user_ids.append(lists["id"].to_numpy())
                repositories.append(_rows_of_kind(batch, "repository").select(["id", "name", "stars"]))
                counts = _rows_of_kind(batch, "outcome").to_pylist()
                outcomes |= {row["name"]: (row["users"], row["stars"]) for row in counts}
                rows += sum(_rows_of_kind(batch, "total")["stars"].to_pylist())
        table = pa.concat_tables(repositories).sort_by([("stars", "descending"), ("id", "ascending")])
        ids = table["id"].combine_chunks()
        if len(ids) == 0:
            raise empty_vocabulary(outcomes, settings)
        names = pc.coalesce(catalogue.column("name", ids), table["name"])
        vocabulary = vocabulary_table(ids, names, table["stars"])
        selection = Selection(rows, outcomes, vocabulary, np.concatenate(user_ids), memory_map_lists(path, lengths))
        return write_corpus(selection, out, settings), cost


def _rows_of_kind(batch: pa.RecordBatch, kind: str) -> pa.Table:
    table = pa.Table.from_batches([batch])
    return table.filter(pc.equal(table["kind"], kind))
