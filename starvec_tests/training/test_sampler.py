"""Buckets are disjoint, of the sizes set, uniform, and depend on seed and epoch only."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from planted_corpus import N

from starvec_assets.ragged import RaggedArray
from starvec_assets.training import sampler as sampler_module
from starvec_assets.training.sampler import Bags, Batch, NeighbourSampler, Sampler, group_equal
from starvec_assets.training.settings import TrainSettings

CPU = torch.device("cpu")


def wish(**change: Any) -> TrainSettings:
    return TrainSettings.model_validate({"users_per_bag": 1, **change})


def split(bags: Bags) -> list[np.ndarray]:
    return np.split(bags.items.numpy(), bags.offsets[1:-1].numpy())


def draw(sampler: Sampler, epoch: int, step: int = 0) -> Batch:
    sampler.start_epoch(epoch)
    return sampler.batch(torch.tensor([step]))


def buckets(batch: Batch) -> list[tuple[int, list[int], list[int]]]:
    """User, bucket A, bucket B."""
    a, b = split(batch.a), split(batch.b)
    return [(int(user), x.tolist(), y.tolist()) for user, x, y in zip(batch.labels, a, b, strict=True)]


@given(
    lengths=st.lists(st.integers(2, 30), min_size=2, max_size=20),
    bucket_a=st.integers(1, 30),
    bucket_b=st.integers(1, 30),
    batch=st.integers(4, 20),
    split=st.sampled_from(["random", "window"]),
)
@hypothesis_settings(deadline=None, max_examples=100)
def test_buckets_are_disjoint_parts_of_each_list(
    lengths: list[int], bucket_a: int, bucket_b: int, batch: int, split: str
) -> None:
    rng = np.random.default_rng(0)
    corpus = RaggedArray.of([rng.choice(1000, length, replace=False).astype(np.int32) for length in lengths])
    settings = wish(bucket_a=bucket_a, bucket_b=bucket_b, batch=batch, bucket_sampling=split)
    sampler = Sampler(corpus, 1000, settings, CPU)
    drawn = [entry for step in range(sampler.steps) for entry in buckets(draw(sampler, 1, step))]
    assert {user for user, _, _ in drawn} == set(range(len(lengths)))
    assert len(drawn) < len(lengths) + sampler.steps
    for user, a, b in drawn:
        stars = corpus[user].tolist()
        assert len(b) == min(bucket_b, len(stars) // 2)
        assert len(a) == min(bucket_a, len(stars) - len(b))
        assert len(set(a) | set(b)) == len(a) + len(b)
        assert set(a) | set(b) <= set(stars)
        if split == "window":
            places = sorted(stars.index(star) for star in a + b)
            assert places == list(range(places[0], places[0] + len(places)))


def test_every_star_is_equally_likely_in_each_bucket() -> None:
    corpus = RaggedArray.of([list(range(12)) for _ in range(50)])
    sampler = Sampler(corpus, 12, wish(bucket_a=3, bucket_b=3, batch=50), CPU)
    counts = np.zeros((2, 12))
    for epoch in range(100):
        batch = draw(sampler, epoch)
        counts[0] += np.bincount(batch.a.items.numpy(), minlength=12)
        counts[1] += np.bincount(batch.b.items.numpy(), minlength=12)
    expected = 100 * 50 * 3 / 12
    assert np.abs(counts / expected - 1).max() < 0.12  # about 4 standard deviations


def test_a_window_starts_at_a_random_place() -> None:
    corpus = RaggedArray.of([list(range(10)) for _ in range(400)])
    batch = draw(Sampler(corpus, 10, wish(bucket_a=1, bucket_b=1, batch=400, bucket_sampling="window"), CPU), 1)
    first = np.minimum(batch.a.items.numpy(), batch.b.items.numpy())
    assert np.bincount(first, minlength=9).min() > 20


def test_buckets_depend_on_epoch_and_seed_only(corpus: RaggedArray) -> None:
    def drawn(seed: int, epoch: int, batch: int = 300) -> dict[int, tuple[list[int], list[int]]]:
        sampler = Sampler(corpus, N, wish(seed=seed, batch=batch, bucket_b=6), CPU)
        steps = [buckets(draw(sampler, epoch, step)) for step in range(sampler.steps)]
        return {user: (sorted(a), sorted(b)) for step in steps for user, a, b in step}

    assert drawn(1, 1) == drawn(1, 1, batch=64)
    assert drawn(1, 1) != drawn(1, 2)
    assert drawn(1, 1) != drawn(2, 1)
    sampler = Sampler(corpus, N, wish(batch=64), CPU)
    assert not torch.equal(draw(sampler, 1).labels, draw(sampler, 2).labels)


def test_every_step_has_as_many_users_and_an_epoch_has_all() -> None:
    corpus = RaggedArray.of([[0, 1]] * 103)
    sampler = Sampler(corpus, 2, wish(batch=25), CPU)
    steps = [draw(sampler, 1, step).labels.tolist() for step in range(sampler.steps)]
    assert [len(users) for users in steps] == [21] * 5  # of 25 at most
    assert sorted({user for users in steps for user in users}) == list(range(103))
    assert all(before[-1] == after[0] or before[-1] not in after for before, after in itertools.pairwise(steps))


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_extreme_seeds_work(corpus: RaggedArray, seed: int) -> None:
    assert len(draw(Sampler(corpus, N, wish(seed=seed, batch=300), CPU), 0).labels) == 300


def test_users_per_bag_merges_the_buckets_of_consecutive_users(corpus: RaggedArray) -> None:
    alone = draw(Sampler(corpus, N, wish(batch=31), CPU), 1)
    pooled = draw(Sampler(corpus, N, wish(batch=31, users_per_bag=2), CPU), 1)
    assert torch.equal(alone.a.items, pooled.a.items)
    assert torch.equal(alone.labels[::2], pooled.labels)
    assert (len(alone.labels), len(pooled.labels)) == (30, 15)
    assert pooled.a.sizes.tolist() == (alone.a.sizes[::2] + alone.a.sizes[1::2]).tolist()
    assert pooled.b.sizes.sum() == alone.b.sizes.sum()


@pytest.mark.parametrize("users_per_bag", [1, 2])
@pytest.mark.parametrize("bucket_sampling", ["random", "window"])
def test_fixed_shapes_hold_the_same_stars_and_padding(
    corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch, users_per_bag: int, bucket_sampling: str
) -> None:
    settings = wish(batch=32, users_per_bag=users_per_bag, bucket_sampling=bucket_sampling, bucket_a=9)
    exact = Sampler(corpus, N, settings, CPU)
    expected = [draw(exact, 3, step) for step in range(exact.steps)]
    monkeypatch.setattr(sampler_module, "fixed_shapes", lambda device: True)
    padded = Sampler(corpus, N, settings, CPU)
    batches = [draw(padded, 3, step) for step in range(padded.steps)]
    assert len({(len(batch.a.items), len(batch.b.items)) for batch in batches}) == 1
    assert len({(len(batch.a.items), len(batch.b.items)) for batch in expected}) > 1
    for got, right in zip(batches, expected, strict=True):
        assert torch.equal(got.labels, right.labels)
        assert torch.equal(got.b_stars, right.b_stars)
        for bags, others in ((got.a, right.a), (got.b, right.b)):
            assert torch.equal(bags.sizes, others.sizes)
            assert [x[x < N].tolist() for x in split(bags)] == [x.tolist() for x in split(others)]
            padding = bags.offsets.diff() - bags.sizes
            assert padding.max() <= padding.min() + users_per_bag  # spread evenly


def test_the_stars_of_bucket_b_are_padded_rows(corpus: RaggedArray) -> None:
    batch = draw(Sampler(corpus, N, wish(batch=31, users_per_bag=2, bucket_b=6), CPU), 1)
    assert batch.b_stars.shape == (15, 12)
    assert [sorted(row[row < N].tolist()) for row in batch.b_stars] == [sorted(x.tolist()) for x in split(batch.b)]


@pytest.mark.parametrize("fixed", [False, True])
def test_equal_values_are_numbered(monkeypatch: pytest.MonkeyPatch, fixed: bool) -> None:
    monkeypatch.setattr(sampler_module, "fixed_shapes", lambda device: fixed)
    run, begins = group_equal(torch.tensor([2, 2, 5, 6, 6, 6]), 5)
    assert run.tolist() == [0, 0, 1, 2, 2, 2]
    assert begins.tolist() == ([0, 2, 3, 6, 6, 6] if fixed else [0, 2, 3, 6])


def draw_neighbours(sampler: NeighbourSampler, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    sampler.start_epoch(epoch)
    rows, drawn = zip(*sampler.batch(torch.tensor([step])), strict=True)
    return torch.cat(rows), torch.cat(drawn)


def test_neighbours_are_sampled_by_weight() -> None:
    items = torch.tensor([[3, 1, 2], [0, 2, 0], [0, 0, 0], [1, 0, 0]], dtype=torch.int32)
    weights = torch.tensor([[6.0, 3.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    sampler = NeighbourSampler(items, weights, wish(neighbour_batch=3, neighbour_draws=50), steps=40)
    counts = np.zeros((4, 4))
    for step in range(40):
        rows, drawn = draw_neighbours(sampler, 1, step)
        assert sorted(rows.tolist()) == [0, 1, 3]  # 2 has none
        for row, some in zip(rows.tolist(), drawn, strict=True):
            counts[row] += np.bincount(some.numpy(), minlength=4)
    assert np.allclose(counts / 2000, [[0, 0.3, 0.1, 0.6], [0.5, 0, 0.5, 0], [0, 0, 0, 0], [0, 1, 0, 0]], atol=0.04)
    assert sampler.expected_draws.tolist() == pytest.approx([0.5, 1.3, 0.6, 0.6, 0])
    assert torch.equal(draw_neighbours(sampler, 2, 7)[1], draw_neighbours(sampler, 2, 7)[1])
    assert not torch.equal(draw_neighbours(sampler, 2, 7)[1], draw_neighbours(sampler, 2, 8)[1])


def test_rounding_never_samples_padding() -> None:
    """Shares of 64 neighbours add up to less than the largest number drawn in one row of ten."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 64, 2000)
    weights = rng.pareto(1.0, (len(counts), 64)).astype(np.float32) ** 3
    weights[np.arange(64) >= counts[:, None]] = 0
    sampler = NeighbourSampler(
        torch.zeros(weights.shape, dtype=torch.int32), torch.from_numpy(weights), wish(), steps=1
    )
    largest = torch.full((len(counts), 1), 1 - 2.0**-23)
    assert (torch.searchsorted(sampler.cumulative, largest, right=True)[:, 0].numpy() < counts).all()


def test_each_step_samples_the_next_anchors_and_neighbour_draws_of_each() -> None:
    items = torch.arange(1, 11, dtype=torch.int32).remainder(10).unsqueeze(1)
    settings = wish(neighbour_passes=1, neighbour_batch=4, neighbour_draws=3)
    sampler = NeighbourSampler(items, torch.ones(10, 1), settings, steps=5)
    steps = [draw_neighbours(sampler, 1, step) for step in range(5)]
    assert all(rows.shape == (4,) and drawn.shape == (4, 3) for rows, drawn in steps)
    assert np.bincount(torch.cat([rows for rows, _ in steps]).numpy()).tolist() == [2] * 10
    assert all(torch.equal(drawn, ((rows + 1) % 10).unsqueeze(1).expand(4, 3)) for rows, drawn in steps)


@pytest.mark.parametrize(
    ("repositories", "steps", "wanted", "anchors"),
    [
        (30_000, 39, {"neighbour_passes": 2.7, "neighbour_batch": 2}, 2077),
        (300_000, 390, {"neighbour_passes": 2.7, "neighbour_batch": 2}, 2077),
        (300_000, 3906, {"neighbour_passes": 2.7, "neighbour_batch": 2}, 208),
        (300_000, 3906, {"neighbour_passes": 2.7, "neighbour_batch": 2048}, 2048),
        (1000, 3, {"neighbour_passes": 0.5, "neighbour_batch": 2}, 167),
        (1000, 3, {"neighbour_passes": 50, "neighbour_batch": 2}, 1000),
        (1000, 3, {"neighbour_passes": 1, "neighbour_batch": 2048}, 1000),
        (300_000, 1, {"neighbour_passes": 1, "neighbour_batch": 2}, 1 << 17),
    ],
)
def test_an_epoch_passes_over_the_repositories_as_often_as_is_set(
    repositories: int, steps: int, wanted: dict[str, Any], anchors: int
) -> None:
    neighbour = torch.zeros(repositories, 1, dtype=torch.int32)
    assert NeighbourSampler(neighbour, torch.ones(repositories, 1), wish(**wanted), steps).step_anchors == anchors


def test_passes_take_all_repositories_equally_often_and_none_twice_in_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_module, "ANCHORS", 100)
    items = torch.zeros(1000, 1, dtype=torch.int32)
    sampler = NeighbourSampler(items, torch.ones(1000, 1), wish(neighbour_passes=3, neighbour_batch=2), steps=12)
    sampler.start_epoch(1)
    steps = [[rows for rows, _ in sampler.batch(torch.tensor([step]))] for step in range(12)]
    assert {len(rows) for blocks in steps for rows in blocks} == {83, 84}  # 250 in three blocks
    assert all(len(torch.cat(blocks).unique()) == 250 for blocks in steps)
    assert np.bincount(torch.cat([torch.cat(blocks) for blocks in steps]).numpy()).tolist() == [3] * 1000
