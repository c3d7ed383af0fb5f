"""The model: one unit row a repository; a bag of stars is the mean of its rows."""

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from starvec_assets.training.sampler import Counts, sort, to_device
from starvec_assets.vectors import Matrix


class RepoEmbeddingBag(torch.nn.EmbeddingBag):
    """EmbeddingBag(mean) over repositories, with its gradient by rows already summed.

    torch's sparse gradient holds one row a star; `row_gradients` sums them by repository with a bag over the transposed
    lists: no [stars, d] array, every core busy, and the same bits whatever the number of threads.
    """

    def __init__(self, vectors: Matrix, device: torch.device) -> None:
        n, d = vectors.shape
        weight = torch.from_numpy(np.array(vectors, np.float32)).to(device)
        super().__init__(n, d, mode="mean", include_last_offset=True, _weight=weight)
        self.weight.requires_grad_(False)
        self.masked = device.type != "cpu"

    def forward(  # type: ignore[override]
        self, items: torch.Tensor, offsets: torch.Tensor, per_sample_weights: None = None
    ) -> torch.Tensor:
        """Mean rows of each bag: items int32 [stars], offsets int32 [bags + 1] to float32 [bags, d].

        Sum, then divide: torch's own mean takes a slower path on the CPU.
        """
        sums = embedding_bag(items, self.weight, offsets, mode="sum", include_last_offset=True)
        return sums / offsets.diff().clamp(min=1).unsqueeze(1)

    def offsets(self, sizes: Counts) -> torch.Tensor:
        """Where bags of these sizes begin, and the last one's end: int32 [bags + 1]."""
        return to_device(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32), self.weight.device)

    def row_gradients(
        self, items: torch.Tensor, offsets: torch.Tensor, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient of the rows, given that of the bags, [bags, d].

        Returns the rows touched, int64 [rows], and their gradients [rows, d]. On an accelerator (`masked`) the rows are
        a mask, bool [n], and the gradients [n, d]: sizes that are known without asking how many were touched.
        """
        sizes = offsets.diff()
        scaled = gradient / sizes.clamp(min=1).unsqueeze(1)
        every = torch.arange(len(sizes), device=items.device)
        bag = torch.repeat_interleave(every, sizes, output_size=len(items))
        shift = len(sizes).bit_length()
        keys = sort((items.long() << shift) | bag)
        item, bag = keys >> shift, (keys & ((1 << shift) - 1)).to(torch.int32)
        if self.masked:
            rows = torch.arange(self.num_embeddings + 1, device=items.device)
            begins = torch.searchsorted(item, rows).to(torch.int32)
            return begins.diff() > 0, embedding_bag(bag, scaled, begins, mode="sum", include_last_offset=True)
        begins = torch.from_numpy(np.flatnonzero(np.diff(item.numpy(), prepend=-1)))
        return item[begins], embedding_bag(bag, scaled, begins.to(torch.int32), mode="sum")
