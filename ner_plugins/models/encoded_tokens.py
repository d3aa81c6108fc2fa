"""The tokens of a batch as a model encodes them, with the gold around each."""

from typing import NamedTuple

from torch import Tensor


class EncodedTokens(NamedTuple):
    """
    The tokens of a batch, encoded.

    # Parameters

    vectors : `torch.Tensor`
        Shape: (batch, tokens, encoding_dim)
    mask : `torch.BoolTensor`
        Shape: (batch, tokens)
    types : `torch.LongTensor`
        The type id of the entity that contains the token, of several the longest; -1 outside. Shape: (batch, tokens)
    entities : `torch.LongTensor`
        The row of that entity in the gold tensor; -1 outside. Shape: (batch, tokens)
    """

    vectors: Tensor
    mask: Tensor
    types: Tensor
    entities: Tensor
