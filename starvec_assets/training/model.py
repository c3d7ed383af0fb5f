"""The model: one unit row per repository; a bag of stars is the mean of its rows."""

import numpy as np
import torch
from torch.nn.functional import embedding_bag, pad

from starvec_assets.training.sampler import Bags, group_equal, sort
from starvec_assets.vectors import Matrix


class RepoEmbeddingBag(torch.nn.EmbeddingBag):
    """EmbeddingBag(mean) over `n` repositories whose gradients are summed by row; row n is padding and stays zero.

    torch's sparse gradient holds one row per star; `row_gradients` sums them with a bag over the transposed lists: no
    [stars, d] array, all cores busy, and the same bits for any number of threads.
    """

    def __init__(self, vectors: Matrix, device: torch.device) -> None:
        self.n = len(vectors)
        weight = pad(torch.from_numpy(np.array(vectors, np.float32)), (0, 0, 0, 1)).to(device)
        super().__init__(*weight.shape, mode="mean", include_last_offset=True, _weight=weight)
        self.weight.requires_grad_(False)

    def forward(self, bags: Bags) -> torch.Tensor:  # type: ignore[override]
        """Return each bag's mean row, float32 [bags, d].

        Sums, then divides: torch's own mean counts the padding, and is slower on the CPU.
        """
        return _sums(bags.items, self.weight, bags.offsets) / bags.sizes.unsqueeze(1)

    def row_gradients(self, bags: Bags, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows touched, int64 [rows], and their gradients [rows, d], from the bags' gradient [bags, d].

        Rows are distinct and ascending. The last may be row n, more than once with fixed shapes, with gradient zero.
        """
        stars = len(bags.items)
        bag = torch.repeat_interleave(bags.offsets.diff(), output_size=stars)
        shift = len(bags.sizes).bit_length()
        keys = sort((bags.items.long() << shift) | bag)
        item, bag = keys >> shift, keys & ((1 << shift) - 1)
        padding = torch.searchsorted(item, self.n)  # where it begins: it sorts last, and is not summed
        group, begins = group_equal(item, min(stars, self.n + 1))
        rows = item.new_full((len(begins) - 1,), self.n).scatter_(0, group, item)
        return rows, _sums(bag.int(), gradient / bags.sizes.unsqueeze(1), begins.clamp(max=padding))


def _sums(items: torch.Tensor, rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    return embedding_bag(items, rows, offsets.int(), mode="sum", include_last_offset=True)
