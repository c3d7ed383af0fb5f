"""The loop on a world of a few interests: it learns, resumes bit for bit and refuses what cannot be trained on."""

from pathlib import Path

import numpy as np
import pytest

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.errors import StarvecError
from starvec_assets.evaluate.heldout import split_lists
from starvec_assets.train.device import pick_device
from starvec_assets.train.loop import Epoch, TrainResult, train
from starvec_assets.train.settings import TrainSettings

N, USERS = 200, 300
SMALL = TrainSettings(dim=16, batch=64, epochs=3, patience=3, start="random", lr=0.1)


def world(users: int, seed: int) -> PackedLists:
    """Each user stars 12 repositories, most of them from one of ten interests of 20."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(users):
        near = rng.choice(20, 10, replace=False) + 20 * rng.integers(10)
        lists.append(rng.permutation(np.union1d(near, rng.choice(N, 2))).astype(np.int32))
    return PackedLists.of(lists)


CORPUS = world(USERS, 1)
HELDOUT = split_lists(world(40, 2), least=10, most=800, seed=0)


def run(folder: Path, settings: TrainSettings = SMALL, corpus: PackedLists = CORPUS, n: int = N) -> TrainResult:
    return train(
        corpus,
        n,
        settings,
        text=None,
        heldout=HELDOUT,
        device=pick_device("cpu"),
        checkpoint=folder,
        input_key="world",
        on_epoch=lambda epoch: None,
    )


def test_interests_end_up_together(tmp_path: Path) -> None:
    vectors = run(tmp_path).vectors
    cosines = vectors @ vectors.T
    same = np.equal.outer(np.arange(N) // 20, np.arange(N) // 20)
    assert cosines[same].mean() > cosines[~same].mean() + 0.3
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert [epoch.epoch for epoch in result.epochs] == [0, 1, 2, 3]
    assert result.epochs[result.best].score == max(epoch.score for epoch in result.epochs)


def test_a_finished_run_returns_its_result_at_once(tmp_path: Path) -> None:
    seen: list[Epoch] = []
    first = run(tmp_path)
    again = train(
        CORPUS,
        N,
        SMALL,
        text=None,
        heldout=HELDOUT,
        device=pick_device("cpu"),
        checkpoint=tmp_path,
        input_key="world",
        on_epoch=seen.append,
    )
    assert np.array_equal(first.vectors, again.vectors)
    assert seen == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SMALL.model_copy(update={"batch": 301}), "batch is 301 but there are 300 users"),
        (SMALL.model_copy(update={"dim": 201}), "dim is 201 but there are 200 repositories"),
        (SMALL.model_copy(update={"start": "text"}), "there are no text vectors"),
    ],
)
def test_settings_that_do_not_fit_the_data_say_what_to_change(
    tmp_path: Path, settings: TrainSettings, message: str
) -> None:
    with pytest.raises(StarvecError, match=message):
        run(tmp_path, settings)


def test_a_vocabulary_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match="vocabulary holds 1"):
        run(tmp_path, n=1)


def test_users_with_one_star_are_refused(tmp_path: Path) -> None:
    corpus = PackedLists.of([list(CORPUS[i]) for i in range(299)] + [[7]])
    with pytest.raises(StarvecError, match="1 users have fewer than 2 stars"):
        run(tmp_path, corpus=corpus)
