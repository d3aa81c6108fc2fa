"""
Losses. Importing this package registers all of them.

`CellLoss` is the base of losses over classified cells: the spans of a band, or tokens with tags. One file per loss;
`sampling` draws the negative cells that they count, and `contrastive` holds losses over the vectors of tokens.
"""

from ner_plugins.modules.losses.boundary import BoundarySmoothingLoss
from ner_plugins.modules.losses.contrastive import ContrastiveLoss
from ner_plugins.modules.losses.dice import DiceLoss
from ner_plugins.modules.losses.focal import FocalLoss
from ner_plugins.modules.losses.multi_label import MultiLabelLoss
from ner_plugins.modules.losses.sampling import (
    NegativeSampling,
    PerPositiveNegativeSampling,
    RatioNegativeSampling,
)
from ner_plugins.modules.losses.span_loss import CellLoss, CrossEntropyLoss, SoftmaxLoss, SpanLoss, span_targets
from ner_plugins.modules.losses.weighted_loss import WeightedLoss

__all__ = [
    "BoundarySmoothingLoss",
    "CellLoss",
    "ContrastiveLoss",
    "CrossEntropyLoss",
    "DiceLoss",
    "FocalLoss",
    "MultiLabelLoss",
    "NegativeSampling",
    "PerPositiveNegativeSampling",
    "RatioNegativeSampling",
    "SoftmaxLoss",
    "SpanLoss",
    "WeightedLoss",
    "span_targets",
]
