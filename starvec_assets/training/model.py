"""The model: one unit row per repository; a bag of stars is the mean of its rows."""

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from starvec_assets.training.sampler import Counts, sort, to_device
from starvec_assets.vectors import Matrix


class RepoEmbeddingBag(torch.nn.EmbeddingBag):
    """EmbeddingBag(mean) over repositories whose gradients are summed by row.

    torch's sparse gradient holds one row per star; `row_gradients` sums them with a bag over the transposed lists: no
    [stars, d] array, all cores busy, and the same bits for any number of threads.
    """

    def __init__(self, vectors: Matrix, device: torch.device) -> None:
        n, d = vectors.shape
        weight = torch.from_numpy(np.array(vectors, np.float32)).to(device)
        super().__init__(n, d, mode="mean", include_last_offset=True, _weight=weight)
        self.weight.requires_grad_(False)
        self.dense_gradients = device.type != "cpu"

    def forward(  # type: ignore[override]
        self, items: torch.Tensor, offsets: torch.Tensor, per_sample_weights: None = None
    ) -> torch.Tensor:
        """Return each bag's mean row, float32 [bags, d], of items int32 [stars] and offsets int32 [bags + 1].

        Sums, then divides: torch's own mean is slower on the CPU.
        """
        sums = embedding_bag(items, self.weight, offsets, mode="sum", include_last_offset=True)
        return sums / offsets.diff().clamp(min=1).unsqueeze(1)

    def offsets(self, sizes: Counts) -> torch.Tensor:
        """Return the offsets of bags of these sizes, int32 [bags + 1]."""
        return to_device(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32), self.weight.device)

    def row_gradients(
        self, items: torch.Tensor, offsets: torch.Tensor, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows touched, int64 [rows], and their gradients [rows, d], from the bags' gradient [bags, d].

        With `dense_gradients`, as on accelerators, the rows are a mask, bool [n], and the gradients [n, d]: their sizes
        are known without waiting for the device.
        """
        sizes = offsets.diff()
        scaled = gradient / sizes.clamp(min=1).unsqueeze(1)
        bags = torch.arange(len(sizes), device=items.device)
        bag = torch.repeat_interleave(bags, sizes, output_size=len(items))
        shift = len(sizes).bit_length()
        keys = sort((items.long() << shift) | bag)
        item, bag = keys >> shift, (keys & ((1 << shift) - 1)).to(torch.int32)
        if self.dense_gradients:
            rows = torch.arange(self.num_embeddings + 1, device=items.device)
            row_offsets = torch.searchsorted(item, rows).to(torch.int32)
            return row_offsets.diff() > 0, embedding_bag(bag, scaled, row_offsets, mode="sum", include_last_offset=True)
        row_offsets = torch.from_numpy(np.flatnonzero(np.diff(item.numpy(), prepend=-1)))
        return item[row_offsets], embedding_bag(bag, scaled, row_offsets.to(torch.int32), mode="sum")
