from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.markdown import markdown_table, parquet_preview


def test_quantities_have_thousands_separators_and_numbers_of_things_have_none(tmp_path: Path):
    pq.write_table(pa.table({"repo_id": [28457823], "index": [12345], "stars": [400000]}), tmp_path / "repos.parquet")
    table = parquet_preview(tmp_path / "repos.parquet", ["repo_id", "index", "stars"])
    assert table.splitlines()[-1] == "| 28457823 | 12345 | 400,000 |"


def test_a_table_without_rows_reads_none():
    assert markdown_table(["hour", "status"], []) == "none"
