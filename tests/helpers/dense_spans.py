"""The oracle of the head `pairs`: bert4ner.pytorch's "span-v3" scores every pair of tokens, then keeps the band."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.heads.pairs import PairsHead


class DensePairsHead(PairsHead):
    """`PairsHead` with the whole square of pairs in memory. The parameters are the same."""

    def score(self, encoded: Tensor, mask: Tensor) -> Tensor:
        batch, length, dim = encoded.shape
        place = torch.arange(length)
        width = (place - place.unsqueeze(1) + 1).clamp(0, self.max_span_width)  # Shape: (length, length)
        starts = encoded.unsqueeze(2).expand(batch, length, length, dim)
        ends = encoded.unsqueeze(1).expand(batch, length, length, dim)
        of_width = self.width_embedding(width).expand(batch, length, length, -1)
        square = self.classifier(F.relu(self.hidden(torch.cat((starts, ends, of_width), -1))))
        last = place.unsqueeze(1) + torch.arange(self.band_width(length))  # Shape: (length, width)
        return square[:, place.unsqueeze(1), last.clamp(max=length - 1)]
