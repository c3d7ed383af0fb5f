import numpy as np
import pytest

from starvec_assets.repository_map.layout import (
    FEWEST,
    MARGIN,
    Layout,
    LayoutSettings,
    lay_out,
    nearest_neighbours,
    procrustes,
)
from starvec_assets.repository_map.quality import drift, nearest_on_map, neighbours_kept
from starvec_assets.vectors import unit_rows

FIELDS = 5
SETTINGS = LayoutSettings(perplexity=8, early_iterations=20, iterations=120)


def grouped(n, seed=0, noise=0.3):
    """`n` unit rows in fields well apart, in 16 dimensions."""
    centres = np.random.default_rng(99).standard_normal((FIELDS, 16))
    return unit_rows(centres[np.arange(n) % FIELDS] + noise * np.random.default_rng(seed).standard_normal((n, 16)))


def laid_out(vectors, start=None):
    return lay_out(vectors, nearest_neighbours(vectors, SETTINGS.neighbours), SETTINGS, start)


@pytest.fixture(scope="module")
def vectors():
    return grouped(200)


@pytest.fixture(scope="module")
def layout(vectors):
    return laid_out(vectors)


def test_near_ones_lie_together_in_the_square(vectors, layout):
    field = np.arange(len(vectors)) % FIELDS
    assert (field[nearest_on_map(layout.positions, 5)] == field[:, None]).mean() > 0.95
    assert neighbours_kept(nearest_neighbours(vectors, 5), nearest_on_map(layout.positions, 5)) > 0.3
    assert np.abs(layout.positions).max() == pytest.approx(MARGIN)


def test_the_number_of_threads_does_not_change_a_bit(vectors, monkeypatch):
    neighbours, short = nearest_neighbours(vectors, 24), SETTINGS.model_copy(update={"iterations": 5})
    results = set()
    for threads in ("1", "2", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        results.add(lay_out(vectors, neighbours, short).positions.tobytes())
    assert len(results) == 1


def test_a_later_map_moves_little_though_vectors_are_turned(vectors, layout):
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((16, 16)))
    later = unit_rows((vectors + 0.02 * np.random.default_rng(4).standard_normal(vectors.shape)) @ turn)
    positions = layout.positions.copy()
    positions[190:] = np.nan
    moved = laid_out(later, Layout(positions, layout.scale))
    assert drift(moved.positions, positions) < 0.05 < drift(laid_out(later).positions, positions)
    assert np.abs(moved.positions).max() <= 1
    field = np.arange(200) % FIELDS
    assert (field[nearest_on_map(moved.positions, 5)][190:] == field[190:, None]).mean() > 0.9, (
        "new ones find their place"
    )


def test_procrustes_undoes_a_turn_a_mirror_a_scale_and_a_shift():
    points = np.random.default_rng(0).standard_normal((30, 2))
    turned = 3 * points @ np.array([[0.6, 0.8], [0.8, -0.6]]) + [5, -2]
    aligned, factor = procrustes(turned, turned[:10], points[:10])
    assert aligned == pytest.approx(points)
    assert factor == pytest.approx(1 / 3)


def test_points_in_one_place_are_only_shifted():
    same = np.ones((4, 2))
    aligned, factor = procrustes(same, same, np.arange(8.0).reshape(4, 2))
    assert aligned.tolist() == [[3, 4]] * 4
    assert factor == 1


@pytest.mark.parametrize("n", [1, 2, 3, FEWEST - 1, FEWEST])
def test_few_repositories_have_positions_too(n):
    positions = laid_out(grouped(n)).positions
    assert positions.shape == (n, 2)
    assert np.isfinite(positions).all()
    assert len(np.unique(positions, axis=0)) == n


@pytest.mark.parametrize("n", [5, 40])
def test_equal_vectors_stay_in_the_square(n):
    positions = laid_out(grouped(1).repeat(n, axis=0)).positions
    assert np.isfinite(positions).all()
    assert np.abs(positions).max() <= 1


def test_a_map_continues_where_all_neighbours_of_a_repository_are_new(vectors, layout):
    positions = layout.positions.copy()
    positions[np.arange(200) % FIELDS == 0] = np.nan
    assert np.isfinite(laid_out(vectors, Layout(positions, layout.scale)).positions).all()
