"""The interface of encoders that bring a lexicon's words into the vectors of tokens."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from allennlp.common import Registrable
from torch import Tensor

Lattice = dict[str, Any]
"""
`words`, `heads`, `tails` and `mask` from `LatticeField`, tensors of shape (batch, words). It may also have `lexicon`,
the digest of each text's lexicon, of shape (batch,); and `greatest`, on the host, the largest number of words of each
length in a text.
"""


class LatticeEncoder(torch.nn.Module, Registrable, ABC):
    """
    Encodes tokens in the context of their text and of the lexicon's words in it. `NerModel` constructs it with `vocab`,
    `input_dim` (the size of the tokens' vectors) and `serialization_dir`.
    """

    default_implementation = "flat"

    @abstractmethod
    def forward(self, encoded: Tensor, mask: Tensor, lattice: Lattice) -> Tensor:
        """
        # Parameters

        encoded : `torch.Tensor`
            Shape: (batch, tokens, input_dim)
        mask : `torch.BoolTensor`
            Which tokens are real. Shape: (batch, tokens)
        lattice : `Lattice`
            The words, with their first and last tokens.

        # Returns

        `torch.Tensor`
            Shape: (batch, tokens, output_dim)
        """

    @abstractmethod
    def get_output_dim(self) -> int:
        """The size of the output vectors."""
