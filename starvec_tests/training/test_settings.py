"""Hyperparameters out of bounds are refused, without importing torch."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from starvec_assets.errors import StarvecError
from starvec_assets.training.settings import TrainSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"dim": 1},
        {"loss": "triplet"},
        {"temperature": 0.0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"batch": 3},
        {"bucket_b": 0},
        {"seed": 2**32},
        {"learning_rate": 0.1},
    ],
)
def test_out_of_bounds_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainSettings.model_validate(wrong)


def test_a_memory_smaller_than_a_step_is_refused() -> None:
    with pytest.raises(StarvecError, match="set memory_size to 2048 or more"):
        TrainSettings(loss="ntxent", memory_size=1000, users_per_bag=1)


def test_a_batch_of_one_bag_is_refused() -> None:
    with pytest.raises(StarvecError, match="set users_per_bag to 4 or less"):
        TrainSettings(batch=8, users_per_bag=5)


def test_item_softmax_takes_no_miner() -> None:
    with pytest.raises(StarvecError, match="choose the loss ntxent or multi_similarity"):
        TrainSettings(miner="hard")


@pytest.mark.parametrize("field", list(TrainSettings.model_fields))
def test_docs_explain_every_field(field: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    assert re.search(rf"`{field}`|\b{field}=", text)


def test_definitions_can_import_what_they_need_without_torch() -> None:
    modules = "settings, device, epoch_metrics, job, launch, checkpoint, report, sweep, trial, fingerprint"
    code = f"import sys; from starvec_assets.training import {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
