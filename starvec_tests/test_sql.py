from pathlib import Path

from starvec_assets.sql import load_queries


def test_queries_are_split_at_their_names(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_text("-- Comment about the file.\n\n-- name: first\nSELECT 1\n\n-- name: second\n-- why\nSELECT\n  2\n")
    assert load_queries(path) == {"first": "SELECT 1", "second": "-- why\nSELECT\n  2"}
