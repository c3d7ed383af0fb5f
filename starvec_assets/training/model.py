"""The model: one unit row per repository; a bag of stars is the mean of its rows."""

import numpy as np
import torch
from torch.nn.functional import pad

from starvec_assets.training.sampler import PADDING_ROWS, Bags, Stargazers, bag_sums
from starvec_assets.vectors import Matrix


class RepoEmbeddingBag(torch.nn.EmbeddingBag):
    """EmbeddingBag(mean) over `n` repositories whose gradients are summed by row; later rows are zero, for padding.

    torch's sparse gradient holds one row per star; `Bags.transpose` sums them with a bag over the transposed lists: no
    [stars, d] array, all cores busy, and the same bits for any number of threads.
    """

    def __init__(self, vectors: Matrix, device: torch.device) -> None:
        self.n = len(vectors)
        weight = pad(torch.from_numpy(np.array(vectors, np.float32)), (0, 0, 0, PADDING_ROWS)).to(device)
        super().__init__(len(weight), weight.shape[1], mode="mean", include_last_offset=True, _weight=weight)
        self.weight.requires_grad_(False)

    def forward(self, bags: Bags) -> torch.Tensor:  # type: ignore[override]
        """Return each bag's mean row, float32 [bags, d].

        Sums, then divides: torch's own mean counts the padding, and is slower on the CPU.
        """
        return bag_sums(bags.items, self.weight, bags.offsets.int()) / bags.sizes.unsqueeze(1)

    def row_gradients(self, bags: Bags, stargazers: Stargazers, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradients of the rows of `stargazers`, [rows, d], from the bags' gradient [bags, d]."""
        return stargazers.sums(gradient / bags.sizes.unsqueeze(1))
