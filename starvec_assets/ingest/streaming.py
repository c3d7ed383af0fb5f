"""Write query results to Parquet without holding them in memory."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 1 << 17


def write_query(
    query: duckdb.DuckDBPyRelation, schema: pa.Schema, path: Path, row_group: int = 1 << 20, **options: object
) -> int:
    """Write a query's rows, cast to `schema`, in row groups of `row_group` rows, and return the number of rows.

    `options` are those of pyarrow's ParquetWriter. The file's bytes depend on the query's rows and their order alone.
    """
    rows, pending = 0, schema.empty_table()
    with pq.ParquetWriter(path, schema, compression="zstd", **options) as writer:
        for batch in query.to_arrow_reader(BATCH_ROWS):
            rows += batch.num_rows
            pending = pa.concat_tables([pending, pa.Table.from_batches([batch]).cast(schema)])
            if len(pending) >= row_group:
                writer.write_table(pending.slice(0, row_group), row_group)
                pending = pending.slice(row_group)
        if len(pending):
            writer.write_table(pending, row_group)
    return rows
