"""The model equals torch's EmbeddingBag(mean), and its row gradients autograd's."""

import numpy as np
import pytest
import torch

from starvec_assets.training import sampler
from starvec_assets.training.model import RepoEmbeddingBag
from starvec_assets.training.sampler import Bags

CPU = torch.device("cpu")
SIZES, OFFSETS = torch.tensor([3, 1, 2, 4]), torch.tensor([0, 3, 4, 6, 10])
ITEMS = torch.tensor([4, 0, 2, 2, 1, 4, 0, 3, 4, 2], dtype=torch.int32)
BAGS = Bags(ITEMS, OFFSETS, SIZES)
PADDED = Bags(
    torch.tensor([4, 0, 2, 7, 2, 1, 4, 7, 7, 0, 3, 4, 2], dtype=torch.int32), torch.tensor([0, 4, 5, 9, 13]), SIZES
)
TABLE = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


@pytest.fixture
def reference() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bags of torch's own module, an upstream gradient, and the table's gradient."""
    bag = torch.nn.EmbeddingBag(7, 5, mode="mean", include_last_offset=True, _weight=torch.from_numpy(TABLE.copy()))
    out = bag(ITEMS, OFFSETS.int())
    upstream = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    out.backward(upstream)
    assert bag.weight.grad is not None
    return out.detach(), upstream, bag.weight.grad


def test_forward_equals_torchs_embedding_bag(reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    model = RepoEmbeddingBag(TABLE, CPU)
    assert torch.allclose(model(BAGS), reference[0], atol=1e-6)


def test_row_gradients_equal_autograds(reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    _, upstream, expected = reference
    rows, gradients = RepoEmbeddingBag(TABLE, CPU).row_gradients(BAGS, upstream)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert torch.allclose(gradients, expected[rows], atol=1e-6)


@pytest.mark.parametrize("fixed", [False, True])
def test_padding_counts_nowhere_and_has_no_gradient(
    reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch, fixed: bool
) -> None:
    out, upstream, expected = reference
    monkeypatch.setattr(sampler, "fixed_shapes", lambda device: fixed)
    model = RepoEmbeddingBag(TABLE, CPU)
    assert torch.equal(model.weight[7], torch.zeros(5))
    assert torch.allclose(model(PADDED), out, atol=1e-6)
    rows, gradients = model.row_gradients(PADDED, upstream)
    assert rows.tolist() == [0, 1, 2, 3, 4, 7] + 2 * [7] * fixed
    assert torch.allclose(gradients[:5], expected[:5], atol=1e-6)
    assert not gradients[5:].any()
