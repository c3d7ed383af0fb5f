"""NTXentLoss with one negative sum per anchor, for pytorch-metric-learning's miners and CrossBatchMemory."""

from typing import Any

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import CrossBatchMemory, GenericPairLoss


class RowSoftmax(GenericPairLoss):  # type: ignore[misc]
    """The library's NTXentLoss in value and gradient.

    The library pairs every positive with every negative of all anchors: with 8,192 buckets in memory that is 34 GB for
    1,024 buckets. The negatives of a pair are those of its anchor, so one sum per anchor serves all its positives.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__(mat_based_loss=True)
        self.temperature = temperature

    def _compute_loss(self, mat: torch.Tensor, pos_mask: torch.Tensor, neg_mask: torch.Tensor) -> dict[str, Any]:
        """Masks are float [anchors, references], 1 where a pair counts."""
        logits = mat.float() / self.temperature
        negative_sum = logits.masked_fill(neg_mask == 0, torch.finfo(logits.dtype).min).logsumexp(dim=1)
        anchors, positives = torch.nonzero(pos_mask, as_tuple=True)
        positive_logits = logits[anchors, positives]
        losses = torch.logaddexp(positive_logits, negative_sum[anchors]) - positive_logits
        return {"loss": {"losses": losses, "indices": (anchors, positives), "reduction_type": "pos_pair"}}

    def get_default_distance(self) -> CosineSimilarity:
        """As NTXentLoss."""
        return CosineSimilarity()


class RowSoftmaxMemory(CrossBatchMemory):  # type: ignore[misc]
    """CrossBatchMemory that accepts RowSoftmax: the library lists supported losses by class name."""

    @staticmethod
    def supported_losses() -> list[str]:
        """The library's and RowSoftmax."""
        return [*CrossBatchMemory.supported_losses(), RowSoftmax.__name__]
