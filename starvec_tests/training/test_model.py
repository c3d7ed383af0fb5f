"""The model equals torch's EmbeddingBag(mean), and its row gradients autograd's."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from starvec_assets.training import sampler
from starvec_assets.training.model import RepoEmbeddingBag
from starvec_assets.training.sampler import Bags

CPU = torch.device("cpu")
SIZES, OFFSETS = torch.tensor([3, 1, 2, 4, 1]), torch.tensor([0, 3, 4, 6, 10, 11])
ITEMS = torch.tensor([4, 0, 2, 2, 1, 4, 0, 3, 4, 2, 7], dtype=torch.int32)
BAGS = Bags(ITEMS, OFFSETS, SIZES)
PADDED = Bags(
    torch.tensor([4, 0, 2, 7, 2, 1, 4, 7, 8, 0, 3, 4, 2, 7], dtype=torch.int32),
    torch.tensor([0, 4, 5, 9, 13, 14]),
    SIZES,
)
TABLE = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


@pytest.fixture
def reference() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bags of torch's own module but for the last, which is padding, an upstream gradient, and the table's gradient."""
    bag = torch.nn.EmbeddingBag(7, 5, mode="mean", include_last_offset=True, _weight=torch.from_numpy(TABLE.copy()))
    out = bag(ITEMS[:-1], OFFSETS[:-1].int())
    upstream = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    out.backward(upstream)
    assert bag.weight.grad is not None
    return pad(out.detach(), (0, 0, 0, 1)), pad(upstream, (0, 0, 0, 1)), bag.weight.grad


def test_forward_equals_torchs_embedding_bag(reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    model = RepoEmbeddingBag(TABLE, CPU)
    assert torch.allclose(model(BAGS), reference[0], atol=1e-6)


@pytest.mark.parametrize("bags", [BAGS, PADDED], ids=["exact", "padded"])
@pytest.mark.parametrize("fixed", [False, True])
def test_row_gradients_equal_autograds_and_padding_has_none(
    reference: tuple[torch.Tensor, torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch, bags: Bags, fixed: bool
) -> None:
    out, upstream, expected = reference
    monkeypatch.setattr(sampler, "fixed_shapes", lambda device: fixed)
    monkeypatch.setattr(sampler, "PIECE", 2)
    model = RepoEmbeddingBag(TABLE, CPU)
    assert not model.weight[7:].any()
    assert torch.allclose(model(bags), out, atol=1e-6)
    stargazers = bags.transpose(7)
    assert stargazers.offsets[-1] == len(stargazers.bags)  # on CUDA the last list reaches to the end in any case
    assert stargazers.pieces is None or stargazers.pieces[-1] == len(stargazers.offsets) - 1
    gradients = model.row_gradients(bags, stargazers, upstream)
    assert stargazers.rows[:5].tolist() == [0, 1, 2, 3, 4]
    assert (stargazers.rows[5:] >= 7).all()
    assert torch.allclose(gradients[:5], expected[:5], atol=1e-6)
    assert not gradients[5:].any()
