"""Tables, log line and metadata of a training."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from starvec_assets.markdown import Markdown
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.report import epoch_curves, epoch_line, training_metadata, write_epochs
from starvec_assets.training.sweep import Trial, TrialResult, leaderboard_metadata
from starvec_assets.training.trial import TrialScore

EPOCHS = [
    EpochMetrics(0, None, 0.25, 0.16, 0.0, 1.0, 100.0, 0.0),
    EpochMetrics(1, 2.5, 0.5, 0.32, 900.0, 2.0, 300.0, 0.005),
    EpochMetrics(2, 2.0, 0.4, 0.3, 1000.0, 2.0, 200.0, 0.0),
]
SCORE = TrialScore(0.3, 0.2, 0.25, 0.6, 1, 2, 12.5, 5000.0, 700.0)


def test_the_log_line_has_loss_scores_and_speed() -> None:
    assert epoch_line(EPOCHS[0]).startswith("epoch 0: initial vectors, held-out MRR among 100 0.2500, recall@50 0.1600")
    assert epoch_line(EPOCHS[1]).startswith("epoch 1: loss 2.5000, ")
    assert "900 users/s, 300 MB" in epoch_line(EPOCHS[1])


def test_training_metadata_is_of_the_best_epoch() -> None:
    losses = np.array([[3.0, 2.0], [2.0, 2.0]], np.float32)
    metadata = training_metadata(TrainResult(np.eye(2, dtype=np.float32), EPOCHS, losses, np.eye(2, dtype=np.float16)))
    assert metadata["best epoch"] == 1
    assert (metadata["held-out MRR among 100"], metadata["held-out recall@50"]) == (0.5, 0.32)
    assert (metadata["users/s"], metadata["peak memory (MB)"]) == (900.0, 300.0)
    for picture in ("scores by epoch", "loss, step by step"):
        assert isinstance(metadata[picture], Markdown)


def test_the_scores_by_epoch_are_shown_without_a_click_however_many_epochs_there_are() -> None:
    shown = epoch_curves(EPOCHS * 100)
    assert shown.startswith("MRR among 100: 0.25 to 0.5 ![0.25 to 0.5]")
    assert shown.count("data:image/svg+xml;base64,") == 2
    assert len(shown) < 1000, "the UI shows as much inline"
    assert epoch_curves(EPOCHS[:1]).startswith("MRR among 100: 0.25  \n")


def test_epochs_are_written_without_speed_and_memory(tmp_path: Path) -> None:
    write_epochs(EPOCHS, tmp_path / "epochs.parquet")
    rows = pq.read_table(tmp_path / "epochs.parquet").to_pylist()
    assert [row["loss"] for row in rows] == [None, 2.5, 2.0]
    assert set(rows[0]) == {"epoch", "loss", "heldout_mrr_100", "heldout_recall_50", "lr"}


def test_leaderboard_metadata_lists_scores_and_failures() -> None:
    good = TrialResult(Trial("defaults", {}), "a", SCORE, trained=True)
    bad = TrialResult(Trial("bad", {}), None, None, error="batch is too large")
    metadata = leaderboard_metadata([good, bad], users=50)
    assert "defaults | 0.3 | 0.2 | 0.25 | 0.6 | 1 | 2 | 12.5 | 5000 | 700" in str(metadata["rows"])
    assert "batch is too large" in str(metadata["failed"])
    assert (metadata["trained now"], metadata["users"]) == (1, 50)
    assert {"awesome NDCG@10 against seconds", "held-out recall@50 against seconds"} <= set(metadata)
    unlisted = TrialResult(Trial("defaults", {}), "a", TrialScore(None, *list(vars(SCORE).values())[1:]))
    assert "awesome NDCG@10 against seconds" not in leaderboard_metadata([unlisted], users=50)
