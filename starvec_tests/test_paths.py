"""STARVEC_HOME: a path that Dagster can use, whatever else is in its name."""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from starvec_assets.cli.environment import prepare_home
from starvec_assets.defs.resources import DuckDBWithSpill
from starvec_assets.errors import StarvecError
from starvec_assets.paths import home


@pytest.mark.parametrize("name", ["100%", "a%20b", "what?", "st*r", "[old]", "caf\udce9", "a\x7f"])
def test_a_home_that_dagster_cannot_use_is_refused_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / name / "home"))
    with pytest.raises(StarvecError, match=r"STARVEC_HOME is .*Dagster cannot use a path with .*Name another folder"):
        prepare_home()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "message"), [("~no-such-user/x", "no such user"), ("/tmp" + "/x" * 200, "longer than 400 bytes")]
)
def test_a_home_of_nobody_or_of_too_long_a_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.setenv("STARVEC_HOME", path)
    with pytest.raises(StarvecError, match=message):
        home()


def test_a_home_of_any_other_name_holds_all_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes seconds, as Dagster makes its databases."""
    name = """two words, café ☕, it's "so" a#b;c:d&e=f@g $HOME {x} !y back\\slash"""
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / name))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    prepare_home()

    @dg.asset
    def rows() -> None:
        with DuckDBWithSpill().connect() as connection:
            file = home() / "rows.parquet"
            connection.sql("SELECT 1 AS a").write_parquet(str(file))
            assert connection.execute("SELECT a FROM read_parquet($files)", {"files": [str(file)]}).fetchall() == [(1,)]

    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([rows], instance=instance).success
        assert instance.get_latest_materialization_event(rows.key) is not None
        assert not instance.telemetry_enabled
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {"dagster", "dagster.yaml", "rows.parquet", "spill"} <= {path.name for path in (tmp_path / name).iterdir()}


@pytest.mark.parametrize("name", ["a*b", "[old]", "what?", "100% it's"])
def test_duckdb_reads_a_file_by_its_name_even_where_it_looks_like_a_pattern(tmp_path: Path, name: str) -> None:
    """Artifacts may be downloaded to, and hour files be read from, folders of any name."""
    (tmp_path / name).mkdir()
    file = tmp_path / name / "rows.parquet"
    duckdb.sql("SELECT 1 AS a").write_parquet(str(file))
    assert duckdb.execute(
        "SELECT filename FROM read_parquet($files, filename = true)", {"files": [str(file)]}
    ).fetchall() == [(str(file),)]
