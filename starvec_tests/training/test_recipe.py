"""Each term of the training recipe is proven by what it does to the vectors, scored here and not by the trainer."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_corpus import CPU, N, Runner, skewed_lists, text_vectors
from pytorch_metric_learning.losses import NTXentLoss
from torch.nn.functional import embedding_bag

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves, heldout_scores, split_lists
from starvec_assets.ranking.search import top_k
from starvec_assets.text.vectors import TextVectors
from starvec_assets.training.cooccurrence import add_text_neighbours, cooccurrence_neighbours
from starvec_assets.training.init_vectors import make_init_vectors, random_init
from starvec_assets.training.job import TrainJob
from starvec_assets.training.losses import Objective
from starvec_assets.training.optimizer import RowOptimizer
from starvec_assets.training.postprocess import postprocess
from starvec_assets.training.sampler import NeighbourSampler, Sampler
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trainer import FEW_NEIGHBOURS, REPOSITORIES_PER_NEIGHBOUR, neighbour_count
from starvec_assets.training.worker import train_job
from starvec_assets.vectors import Matrix, unit_rows, user_vectors


def star_counts(corpus: RaggedArray) -> np.ndarray:
    return np.bincount(corpus.items, minlength=N)


def score(vectors: Matrix, validation: Halves, corpus: RaggedArray) -> tuple[float, float]:
    """MRR and recall@50."""
    scores = heldout_scores(vectors, *validation, star_counts(corpus))
    return float(scores.reciprocal_rank.mean()), float(scores.recall.mean())


def mean_cosine(vectors: Matrix, pairs: Any) -> float:
    return float(np.mean([vectors[i] @ vectors[j] for i, j in pairs]))


def with_changes(settings: TrainSettings, **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate({**settings.model_dump(), **changes})


def trained_model(folder: Any) -> Matrix:
    """The model's rows at the last step, as the newest checkpoint has them."""
    (path,) = folder.glob("0*/vectors.npy")
    return np.asarray(np.load(path))


# Which epoch's vectors are returned


def test_the_vectors_returned_are_those_of_the_best_epoch(
    run: Runner, small: TrainSettings, validation: Halves, corpus: RaggedArray
) -> None:
    result = run(with_changes(small, lr=0.2, epochs=6))
    best = result.epochs[result.best]
    assert 0 < result.best < 6
    assert score(result.vectors, validation, corpus) == pytest.approx((best.heldout_mrr_100, best.heldout_recall_50))
    assert result.epochs[-1].score < best.score - 0.005


def test_held_out_scores_weigh_popular_repositories_less(run: Runner, small: TrainSettings) -> None:
    lists, validation = skewed_lists(400, seed=1), split_lists(skewed_lists(60, seed=2), 5, 800, seed=0)
    result = run(with_changes(small, epochs=0, init="spectral"), lists, validation=validation)
    epoch = result.epochs[0]
    unweighted = heldout_scores(result.vectors, *validation, np.ones(N))
    assert score(result.vectors, validation, lists) == pytest.approx((epoch.heldout_mrr_100, epoch.heldout_recall_50))
    assert unweighted.reciprocal_rank.mean() != pytest.approx(epoch.heldout_mrr_100, abs=1e-4)


def test_training_without_a_better_epoch_returns_the_initial_vectors(
    run: Runner, small: TrainSettings, validation: Halves, corpus: RaggedArray
) -> None:
    spoiled = with_changes(small, init="spectral", lr=5.0, center_fraction=0.0, whitening=0.0)
    result = run(spoiled)
    assert result.best == 0
    assert np.allclose(result.vectors, make_init_vectors(corpus, N, None, spoiled), atol=1e-6)


def test_training_improves_on_the_initial_vectors(
    run: Runner, small: TrainSettings, validation: Halves, corpus: RaggedArray
) -> None:
    mrr, recall = score(run().vectors, validation, corpus)
    start_mrr, start_recall = score(unit_rows(random_init(N, 16, small.seed)), validation, corpus)
    assert mrr > 3 * start_mrr
    assert recall > start_recall + 0.3


def test_epochs_are_scored_on_one_half_of_the_held_out_people(corpus_folder: Path, small: TrainSettings) -> None:
    job = TrainJob(
        corpus=corpus_folder,
        settings=with_changes(small, epochs=1),
        text=None,
        checkpoint=corpus_folder / "checkpoint",
        input_key="halves",
        out=corpus_folder,
    )
    result, corpus = train_job(job, CPU, on_epoch=lambda epoch: None), Corpus.load(corpus_folder)
    best = result.epochs[result.best]
    chosen_by, reported = (score(result.vectors, people, corpus.lists) for people in (corpus.validation, corpus.test))
    assert chosen_by == pytest.approx((best.heldout_mrr_100, best.heldout_recall_50))
    assert reported != pytest.approx(chosen_by, abs=1e-4)


def test_vectors_that_get_worse_are_trained_until_the_learning_rate_has_fallen(
    run: Runner, small: TrainSettings
) -> None:
    result = run(with_changes(small, init="spectral", lr=5.0, epochs=6))
    assert max(epoch.score for epoch in result.epochs[1:3]) < result.epochs[0].score
    assert [epoch.epoch for epoch in result.epochs] == [0, 1, 2, 3, 4, 5, 6]
    assert result.epochs[-1].lr == 0


# Learning rate


def test_the_learning_rate_warms_up_and_decays_linearly_to_zero(
    run: Runner, small: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    step = RowOptimizer.step

    def record(self: RowOptimizer, rows: torch.Tensor, gradients: torch.Tensor, lr: torch.Tensor) -> None:
        rates.append(float(lr))
        step(self, rows, gradients, lr)

    monkeypatch.setattr(RowOptimizer, "step", record)
    result = run(with_changes(small, batch=4, epochs=2, lr=0.01, neighbours=0))
    assert len(rates) == 150  # 75 steps an epoch; the warm-up is 2 % of them, 3 steps
    progress = np.arange(150) / 150
    assert rates == pytest.approx((0.01 * np.minimum((progress + 1e-3) / 0.02, 1) * (1 - progress)).tolist())
    assert rates[0] < rates[1] < rates[2] < rates[3] == max(rates)
    assert rates[-1] == pytest.approx(0.01 / 150)
    assert [epoch.lr for epoch in result.epochs][1:] == pytest.approx([0.005, 0.0])


# After training


@pytest.mark.parametrize("epochs", [0, 1], ids=["initial vectors", "trained vectors"])
def test_vectors_are_whitened_and_mixed_with_the_wide_text(
    run: Runner, small: TrainSettings, corpus: RaggedArray, epochs: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    start, wide = (unit_rows(rng.standard_normal((N, width)) + 0.5) for width in (16, 40))
    text = TextVectors(start, wide.astype(np.float16))
    settings = with_changes(small, init="text", text_share=0.2, epochs=epochs)
    result = run(settings, text=text)
    assert result.best == epochs
    rows = trained_model(tmp_path / "checkpoint")
    expected = postprocess(rows, text.wide, corpus, star_counts(corpus), settings)
    assert np.allclose(result.vectors, expected, atol=1e-6)
    assert not np.allclose(result.vectors, rows, atol=0.01)


# Neighbours


@pytest.fixture
def samplers(monkeypatch: pytest.MonkeyPatch) -> list[NeighbourSampler]:
    """The neighbour samplers that training makes."""
    made: list[NeighbourSampler] = []
    initialize = NeighbourSampler.__init__

    def record(self: NeighbourSampler, *arguments: Any) -> None:
        initialize(self, *arguments)
        made.append(self)

    monkeypatch.setattr(NeighbourSampler, "__init__", record)
    return made


def assert_samples(sampler: NeighbourSampler, items: np.ndarray, weights: Matrix) -> None:
    expected = (weights / weights.sum(axis=1, keepdims=True)).cumsum(axis=1)
    assert np.array_equal(sampler.items.numpy(), items)
    assert np.allclose(sampler.cumulative.numpy()[:, :5], expected[:, :5], atol=1e-5)


@pytest.mark.parametrize("power", [0.5, 3.0])
def test_neighbours_are_sampled_by_a_power_of_their_weight(
    run: Runner, small: TrainSettings, corpus: RaggedArray, samplers: list[NeighbourSampler], power: float
) -> None:
    run(with_changes(small, neighbour_power=power, neighbours=16, epochs=0))
    items, weights = cooccurrence_neighbours(corpus, N, 16, seed=small.seed)
    assert_samples(samplers[0], items.numpy(), weights.numpy() ** power)


@pytest.mark.parametrize("share", [0.5, 3.0])
def test_neighbours_by_the_wide_text_have_the_weight_set(
    run: Runner, small: TrainSettings, corpus: RaggedArray, samplers: list[NeighbourSampler], share: float
) -> None:
    rng = np.random.default_rng(0)
    start, wide = (unit_rows(rng.standard_normal((N, width))) for width in (16, 40))
    text = TextVectors(start, wide.astype(np.float16))
    run(with_changes(small, init="text", text_neighbour_weight=share, neighbours=16, epochs=0), text=text)
    near = cooccurrence_neighbours(corpus, N, 16, seed=small.seed)
    items, weights = add_text_neighbours(near, text.wide.astype(np.float32), share)
    assert_samples(samplers[0], items.numpy(), weights.numpy() ** small.neighbour_power)


def test_small_vocabularies_have_fewer_neighbours() -> None:
    settings = TrainSettings(neighbours=100)
    assert neighbour_count(settings, 10) == 9
    assert neighbour_count(settings, 2_014) == FEW_NEIGHBOURS < 64
    assert neighbour_count(settings, 50 * REPOSITORIES_PER_NEIGHBOUR) == 50
    assert neighbour_count(settings, 30_000) == 100


def couples() -> RaggedArray:
    """Users who star three repositories of an interest of 20, and often both of a couple, 2i and 2i + 1."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(400):
        interest = 20 * rng.integers(10)
        stars = rng.choice(20, 4, replace=False)
        if rng.random() < 0.7:
            stars = np.append(stars, stars[0] ^ 1)
        lists.append(np.unique(stars) + interest)
    return RaggedArray.of([x.astype(np.int32) for x in lists])


COUPLES = [(i, i + 1) for i in range(0, N, 2)]
STRANGERS = [(i, i + 3) for i in range(0, N, 2) if i % 20 < 17]


def test_a_higher_power_pulls_the_strongest_neighbours_closer(run: Runner, small: TrainSettings) -> None:
    closeness = []
    for power in (0.1, 6.0):
        settings = with_changes(small, neighbour_power=power, neighbour_weight=20.0, neighbours=19, epochs=4)
        vectors = run(settings, couples(), input_key=str(power)).vectors
        closeness.append(mean_cosine(vectors, COUPLES) - mean_cosine(vectors, STRANGERS))
    assert closeness[1] > closeness[0] + 0.05


def test_the_neighbour_loss_pulls_couples_together(run: Runner, small: TrainSettings) -> None:
    without = run(with_changes(small, neighbours=0), couples(), input_key="without").vectors
    by_weight = [
        run(with_changes(small, neighbour_weight=weight, neighbours=4), couples(), input_key=str(weight)).vectors
        for weight in (0.5, 20.0)
    ]
    closeness = [mean_cosine(v, COUPLES) - mean_cosine(v, STRANGERS) for v in (without, *by_weight)]
    assert closeness[0] + 0.03 < closeness[1] < closeness[2] - 0.03


def test_text_similarity_adds_neighbours_when_the_init_has_text(run: Runner, small: TrainSettings) -> None:
    """Repository i and i + 20, of another interest, have nearly the same text."""
    rng = np.random.default_rng(0)
    block = rng.standard_normal((20, 16))
    text = unit_rows(np.concatenate([np.roll(block, i // 2, axis=0) for i in range(10)]))
    text = unit_rows(text + 0.02 * rng.standard_normal(text.shape))
    alike = [(40 * p + i, 40 * p + 20 + i) for p in range(5) for i in range(20)]
    assert mean_cosine(text, alike) > 0.95

    def closeness(init: str, share: float) -> float:
        settings = with_changes(
            small, init=init, text_neighbour_weight=share, neighbour_weight=5.0, neighbours=10, lr=0.05
        )
        return mean_cosine(run(settings, text=text_vectors(text), input_key=f"{init} {share}").vectors, alike)

    assert closeness("text", 3.0) > closeness("text", 0.0) + 0.1
    assert closeness("random", 3.0) == closeness("random", 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_add_text_neighbours_equals_its_formula(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    text = unit_rows(rng.standard_normal((30, 4)))
    weights = -np.sort(-rng.random((30, 12)), axis=1).astype(np.float32)
    items = np.array([rng.permutation(np.delete(np.arange(30), i))[:12] for i in range(30)], np.int32)
    weights[:, 9:], items[:, 9:] = 0, 30  # padding
    neighbours = torch.from_numpy(items), torch.from_numpy(weights)
    best_items, best_weights = (x.numpy() for x in add_text_neighbours(neighbours, text, 0.7, dtype))
    cosines, near = text @ text.T, 1e-5 if dtype == torch.float32 else 0.02
    for i in range(30):
        nearest = [j for j in np.argsort(-cosines[i], kind="stable") if j != i][:12]
        total = dict.fromkeys(range(30), 0.0)
        for j in nearest:
            total[j] = 0.7 * max(cosines[i, j], 0) / np.maximum(cosines[i, nearest[:10]], 0).mean()
        for j, weight in zip(items[i], weights[i], strict=True):
            if weight > 0:
                scale = np.maximum(cosines[i, nearest[:10]], 0).mean()
                total[j] = weight / weights[i, :10].mean() + 0.7 * max(cosines[i, j], 0) / scale
        expected = sorted(total.values(), reverse=True)[:12]
        assert best_weights[i].tolist() == pytest.approx(expected, abs=near)
        positive = best_weights[i] > 0
        assert (best_items[i][~positive] == 30).all()
        assert [total[j] for j in best_items[i][positive]] == pytest.approx(
            best_weights[i][positive].tolist(), abs=near
        )


# Correction for popularity, temperature, weights of the losses


@pytest.mark.parametrize("seed", [1, 2])
def test_the_popularity_correction_recommends_popular_repositories_and_better_ones(
    run: Runner, small: TrainSettings, seed: int
) -> None:
    lists, (a, b) = skewed_lists(400, seed=1), split_lists(skewed_lists(60, seed=2), 5, 800, seed=0)
    stars = star_counts(lists)
    base = with_changes(
        small, neighbours=0, bucket_weight=0.0, users_per_bag=1, whitening=0.0, center_fraction=0.0, lr=0.05, seed=seed
    )
    popularity, precision = [], []
    for exponent in (0.0, 1.0):
        vectors = run(with_changes(base, popularity_exponent=exponent), lists, input_key=str(exponent)).vectors
        recommended = top_k(user_vectors(vectors, a, stars), vectors, 5, exclude=a)
        popularity.append(float(np.log(stars[recommended]).mean()))
        precision.append(float(heldout_scores(vectors, a, b, stars, 5).precision.mean()))
    assert popularity[1] > popularity[0] + 0.03
    assert precision[1] > precision[0] + 0.01


def test_popularity_counts_the_stars_of_the_corpus(
    run: Runner, small: TrainSettings, corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives: list[Objective] = []
    initialize = Objective.__init__

    def record(self: Objective, *arguments: Any) -> None:
        initialize(self, *arguments)
        objectives.append(self)

    monkeypatch.setattr(Objective, "__init__", record)
    run(with_changes(small, epochs=0, popularity_exponent=0.5))
    assert objectives[0].prior[:N].tolist() == pytest.approx((-0.5 * np.log(star_counts(corpus))).tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("temperature", (0.1, 0.5)),
        ("bucket_weight", (0.0, 5.0)),
        ("neighbour_draws", (1, 8)),
        ("neighbour_batch", (2, 100)),
        ("neighbour_passes", (0.1, 3.0)),
        ("neighbours", (2, 50)),
        ("users_per_bag", (1, 4)),
        ("bucket_a", (1, 8)),
        ("bucket_b", (1, 5)),
        ("bucket_sampling", ("random", "window")),
        ("loss", ("item_softmax", "ntxent", "multi_similarity")),
        ("seed", (1, 2)),
        ("l2_to_init", (0.0, 5.0)),
        ("optimizer", ("adam", "adagrad")),
    ],
)
def test_every_hyperparameter_changes_the_vectors(
    run: Runner, small: TrainSettings, field: str, values: tuple[Any, ...]
) -> None:
    base = with_changes(small, epochs=1, bucket_a=6, bucket_b=4, neighbour_batch=20, neighbour_passes=0.1)
    results = [run(with_changes(base, **{field: value}), input_key=str(value)).vectors for value in values]
    assert all(not np.allclose(results[0], other, atol=1e-3) for other in results[1:])


def test_l2_to_init_keeps_the_vectors_near_the_initial_ones(run: Runner, small: TrainSettings, tmp_path: Any) -> None:
    start = unit_rows(random_init(N, 16, small.seed))
    distances = []
    for strength in (0.0, 5.0, 50.0):
        run(with_changes(small, l2_to_init=strength, lr=0.01), folder=tmp_path / str(strength))
        distances.append(float(np.linalg.norm(trained_model(tmp_path / str(strength)) - start)))
    assert distances[2] < 0.5 * distances[1] < distances[1] < distances[0]


def test_a_corpus_without_neighbours_trains_without_the_neighbour_loss(run: Runner, small: TrainSettings) -> None:
    """Two people star every pair at most once together, so no count reaches the least that makes neighbours."""
    lists = RaggedArray.of([[i, (i + 1) % N] for i in range(N)])
    settings = with_changes(small, epochs=1)
    without = run(with_changes(settings, neighbours=0), lists, input_key="without")
    assert np.array_equal(run(settings, lists).vectors, without.vectors)


def test_held_out_users_do_not_influence_the_vectors(run: Runner, small: TrainSettings, corpus: RaggedArray) -> None:
    other = split_lists(corpus, min_items=10, max_items=800, seed=9)
    settings = with_changes(small, epochs=1)
    result, again = run(settings), run(settings, validation=other, input_key="b")
    assert (result.best, again.best) == (1, 1)
    assert np.array_equal(result.vectors, again.vectors)


def test_a_finished_run_returns_the_best_vectors_again(run: Runner, small: TrainSettings, tmp_path: Any) -> None:
    settings = with_changes(small, lr=0.2, epochs=6, center_fraction=0.0, whitening=0.0)
    first, again = run(settings), run(settings)
    assert np.array_equal(first.vectors, again.vectors)
    last = trained_model(tmp_path / "checkpoint")
    assert not np.allclose(last, first.vectors, atol=1e-3)


def test_the_score_is_the_geometric_mean_of_mrr_and_recall(run: Runner) -> None:
    epoch = run().epochs[1]
    assert epoch.score == pytest.approx(math.sqrt(epoch.heldout_mrr_100 * epoch.heldout_recall_50))


def test_losses_are_those_of_the_batches(run: Runner, small: TrainSettings, corpus: RaggedArray) -> None:
    settings = with_changes(small, loss="ntxent", neighbours=0, lr=1e-12, epochs=1)
    sampler = Sampler(corpus, N, settings, CPU.torch)
    sampler.start_epoch(1)
    rows = torch.from_numpy(unit_rows(random_init(N, 16, small.seed)))
    expected = []
    for batch in (sampler.batch(torch.tensor([step])) for step in range(sampler.steps)):
        items = torch.cat([batch.a.items, batch.b.items]).long()
        sizes = torch.cat([batch.a.sizes, batch.b.sizes])
        buckets = embedding_bag(items, rows, sizes.cumsum(0) - sizes, mode="mean")
        expected.append(float(NTXentLoss(0.1)(buckets, torch.cat([batch.labels, batch.labels]))))
    assert run(settings).losses[0].tolist() == pytest.approx(expected, rel=1e-4)
