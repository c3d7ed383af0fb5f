"""Query results to Parquet without holding them in memory."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 1 << 17


def write_query(
    query: duckdb.DuckDBPyRelation, schema: pa.Schema, path: Path, row_group: int = 1 << 20, **options: object
) -> int:
    """Write a query's rows, cast to `schema`, in row groups of `row_group` rows; returns how many rows there are.

    `options` are those of pyarrow's ParquetWriter. The query's ORDER BY decides the file's bytes: nothing else does.
    """
    rows, waiting = 0, pa.table([pa.array([], field.type) for field in schema], schema)
    with pq.ParquetWriter(path, schema, compression="zstd", **options) as writer:
        for batch in query.to_arrow_reader(BATCH):
            rows += batch.num_rows
            waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch]).cast(schema)])
            if len(waiting) >= row_group:
                writer.write_table(waiting.slice(0, row_group), row_group)
                waiting = waiting.slice(row_group)
        if len(waiting):
            writer.write_table(waiting, row_group)
    return rows
