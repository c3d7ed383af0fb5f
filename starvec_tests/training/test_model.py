"""The model equals torch's EmbeddingBag(mean), and its row gradients autograd's."""

import numpy as np
import pytest
import torch

from starvec_assets.training.model import RepoEmbeddingBag

CPU = torch.device("cpu")
SIZES = np.array([3, 1, 2, 4])
ITEMS = torch.tensor([4, 0, 2, 2, 1, 4, 0, 3, 4, 2], dtype=torch.int32)
TABLE = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


@pytest.fixture
def reference() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bags of torch's own module, an upstream gradient, and the table's gradient."""
    bag = torch.nn.EmbeddingBag(7, 5, mode="mean", include_last_offset=True, _weight=torch.from_numpy(TABLE.copy()))
    out = bag(ITEMS, torch.tensor([0, 3, 4, 6, 10], dtype=torch.int32))
    upstream = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    out.backward(upstream)
    assert bag.weight.grad is not None
    return out.detach(), upstream, bag.weight.grad


def test_forward_equals_torchs_embedding_bag(reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    model = RepoEmbeddingBag(TABLE, CPU)
    assert torch.allclose(model(ITEMS, model.offsets(SIZES)), reference[0], atol=1e-6)


def test_row_gradients_equal_autograds(reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    _, upstream, expected = reference
    model = RepoEmbeddingBag(TABLE, CPU)
    rows, gradients = model.row_gradients(ITEMS, model.offsets(SIZES), upstream)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert torch.allclose(gradients, expected[rows], atol=1e-6)


def test_dense_gradients_equal_autograds(
    reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    _, upstream, expected = reference
    model = RepoEmbeddingBag(TABLE, CPU)
    model.dense_gradients = True
    touched, gradients = model.row_gradients(ITEMS, model.offsets(SIZES), upstream)
    assert touched.tolist() == [True, True, True, True, True, False, False]
    assert torch.allclose(gradients, expected, atol=1e-6)
