"""docs/notebook.ipynb: it runs on the export of a run, and is kept without outputs."""

from pathlib import Path

import jupytext
import matplotlib
import pytest
from completed_run import CompletedRun

from starvec_assets.space import Match, Person, Space

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"


def test_the_notebook_runs(completed_run: CompletedRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_HOME", str(completed_run.home))
    matplotlib.use("agg")
    script = jupytext.writes(jupytext.read(NOTEBOOK), "py:percent")
    names: dict[str, object] = {"__name__": "notebook"}
    exec(compile(script, NOTEBOOK.name, "exec"), names)
    kinds = {name: type(names[name]) for name in ("space", "me", "match")}
    assert kinds == {"space": Space, "me": Person, "match": Match}


def test_the_notebook_is_kept_without_outputs():
    cells = [cell for cell in jupytext.read(NOTEBOOK).cells if cell.cell_type == "code"]
    assert len(cells) > 10
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
