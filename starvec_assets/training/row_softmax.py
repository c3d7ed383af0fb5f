"""NTXentLoss by rows of the similarity matrix, for pytorch-metric-learning's miners and CrossBatchMemory."""

from typing import Any

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import CrossBatchMemory, GenericPairLoss


class RowSoftmax(GenericPairLoss):  # type: ignore[misc]
    """The library's NTXentLoss in value and gradient.

    The library holds every positive pair beside every negative one of all anchors: with 8,192 buckets in memory that is
    34 GB for 1,024 buckets. The negatives of a pair are those of its anchor, so a row's sum serves all its positives.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(mat_based_loss=True)
        self.temperature = temperature

    def _compute_loss(self, mat: torch.Tensor, pos_mask: torch.Tensor, neg_mask: torch.Tensor) -> dict[str, Any]:
        """Masks are float [anchors, references], 1 where a pair counts."""
        logits = mat.float() / self.temperature
        mass = logits.masked_fill(neg_mask == 0, torch.finfo(logits.dtype).min).logsumexp(dim=1)
        anchors, positives = torch.nonzero(pos_mask, as_tuple=True)
        near = logits[anchors, positives]
        losses = torch.logaddexp(near, mass[anchors]) - near
        return {"loss": {"losses": losses, "indices": (anchors, positives), "reduction_type": "pos_pair"}}

    def get_default_distance(self) -> CosineSimilarity:
        """As NTXentLoss."""
        return CosineSimilarity()


class Memory(CrossBatchMemory):  # type: ignore[misc]
    """The library's, which takes losses by their names."""

    @staticmethod
    def supported_losses() -> list[str]:
        """Those of the library and the one above."""
        return [*CrossBatchMemory.supported_losses(), RowSoftmax.__name__]
