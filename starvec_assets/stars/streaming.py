"""Query results to Parquet without holding them in memory."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 1 << 20
BATCH = 1 << 17


def write_query(query: duckdb.DuckDBPyRelation, schema: pa.Schema, path: Path, **options: object) -> int:
    """Write a query's rows, cast to `schema`, in row groups of equal size; returns how many rows there are.

    The query's ORDER BY decides the file's bytes: nothing else does.
    """
    rows, held, waiting = 0, 0, []
    with pq.ParquetWriter(path, schema, compression="zstd", **options) as writer:
        for batch in query.to_arrow_reader(BATCH):
            rows += batch.num_rows
            held += batch.num_rows
            waiting.append(batch)
            if held >= ROW_GROUP:
                table = pa.Table.from_batches(waiting)
                writer.write_table(table.slice(0, ROW_GROUP).cast(schema), ROW_GROUP)
                waiting = table.slice(ROW_GROUP).to_batches()
                held -= ROW_GROUP
        if held:
            writer.write_table(pa.Table.from_batches(waiting).cast(schema), ROW_GROUP)
    return rows
