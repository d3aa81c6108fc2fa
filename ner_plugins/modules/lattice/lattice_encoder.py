"""What brings the words of a lexicon into the vectors of a text's tokens."""

from abc import abstractmethod
from typing import Dict

import torch
from allennlp.common import Registrable
from torch import Tensor

# `words`, `heads`, `tails` and `mask`, as `LatticeField` gives them. Shape of each: (batch, words). And `lexicon`, the
# digest of the lexicon that they are of. Shape: (batch,)
Lattice = Dict[str, Tensor]


class LatticeEncoder(torch.nn.Module, Registrable):
    """
    Vectors of tokens in the context of their text and of the lexicon's words in it. `NerModel` builds it with `vocab`,
    `input_dim` (the size of what it is given) and `serialization_dir`.
    """

    default_implementation = "flat"

    @abstractmethod
    def forward(self, encoded: Tensor, mask: Tensor, lattice: Lattice) -> Tensor:
        """
        # Parameters

        encoded : `torch.Tensor`
            Shape: (batch, tokens, input_dim)
        mask : `torch.BoolTensor`
            Shape: (batch, tokens)
        lattice : `Lattice`
            The words, with the positions of their first and last tokens.

        # Returns

        `torch.Tensor`
            Shape: (batch, tokens, output_dim)
        """

    @abstractmethod
    def get_output_dim(self) -> int:
        """The size of the vectors that `forward` gives."""
