"""
Encoding without padding: the sentences of a batch as one sequence in which each attends to itself.

Linear layers, norms and activations of an encoder then compute no padding at all. The sentences are laid out once
around the encoder, and all its layers share the layout. Transformers' encoders look their attention up by name, so
only the attention is ours.
"""

import functools
from typing import Any, NamedTuple, Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.token_embedders.encoder_dropout import ATTENTION_DROPOUTS

ATTENTION = "ner_unpadded"
"""The name of the attention in Transformers' `AttentionInterface`."""
FAMILIES = frozenset({"albert", "bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"})
"""The `model_type` of the encoders that take their attention from the interface, pass options on to it, and have no
other use for the attention mask."""

_KEY = "ner_transformer.padding"


class Sequences(NamedTuple):
    """
    The sentences of a padded batch in one sequence.

    # Parameters

    places : `torch.LongTensor`
        The index of each position of the sequence in the flattened batch. Shape: (positions,)
    positions : `torch.LongTensor`
        Its position in its sentence, from 0. Shape: (positions,)
    boundaries : `torch.IntTensor`
        Where each sentence begins, and the end of the last. Shape: (batch + 1,)
    lengths : `tuple[int, ...]`
        Of the sentences; on the host.
    """

    places: Tensor
    positions: Tensor
    boundaries: Tensor
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, lengths: Sequence[int], width: int, device: torch.device) -> "Sequences":
        """
        # Parameters

        lengths : `Sequence[int]`
            Positions of each sentence, special ones included; at least 1 each.
        width : `int`
            Positions of each row of the padded batch.
        device : `torch.device`
            That of the tensors; nothing waits for it.
        """
        each = np.asarray(lengths, dtype=np.int64).reshape(-1)
        boundaries = np.concatenate([np.zeros(1, np.int64), each.cumsum()])
        sentence = np.repeat(np.arange(len(each)), each)
        positions = np.arange(boundaries[-1]) - boundaries[sentence]
        return cls(
            to_device(sentence * width + positions, device),
            to_device(positions, device),
            to_device(boundaries.astype(np.int32), device),
            tuple(each.tolist()),
        )

    def options(self) -> dict[str, Any]:
        """The options of the attention, under the names that Transformers gives those of its flash attention."""
        longest = max(self.lengths, default=0)
        return {
            "cu_seq_lens_q": self.boundaries,
            "cu_seq_lens_k": self.boundaries,
            "max_length_q": longest,
            "max_length_k": longest,
            "sentence_lengths": self.lengths,
        }


def to_device(array: Any, device: torch.device) -> Tensor:
    """A copy of a NumPy array on a device, without waiting for the device."""
    return torch.tensor(array).to(device, non_blocking=True)


def supports_interface(config: Any) -> bool:
    """Whether encoders of this configuration take attention and mask as `FAMILIES` says; from Transformers 5 on."""
    from transformers import __version__

    return config.model_type in FAMILIES and int(__version__.split(".")[0]) >= 5


def use_unpadded(encoder: Any, trains: bool) -> None:
    """
    Make an encoder of Transformers attend within the sentences of one sequence.

    # Parameters

    encoder : `transformers.PreTrainedModel`
    trains : `bool`
        Whether its dropout will be on.

    # Raises

    `ConfigError` if its class forbids it, or if dropout of attention weights is on.
    """
    config = encoder.config
    if not supports_interface(config):
        raise ConfigError(
            f'{_KEY} must be "padded": "unpadded" needs Transformers 5 and an encoder of type '
            f"{', '.join(sorted(FAMILIES))}; this one is {config.model_type!r}"
        )
    dropout = next((getattr(config, name) for name in ATTENTION_DROPOUTS if hasattr(config, name)), 0.0)
    if trains and dropout > 0:
        raise ConfigError(
            f'{_KEY} "unpadded" has no dropout of attention weights, but the encoder is configured with {dropout}: '
            'set ner_transformer.attention_dropout to 0, or padding to "padded"'
        )
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, unpadded_attention)
    config._attn_implementation = ATTENTION


def unpadded_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Optional[Tensor],
    scaling: Optional[float] = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Optional[Tensor] = None,
    max_length_q: int = 0,
    sentence_lengths: Sequence[int] = (),
    **options: Any,
) -> tuple[Tensor, None]:
    """
    Attention of each sentence to itself, with the signature of Transformers' `AttentionInterface`.

    On CUDA in half precision it is one call of `torch.nn.attention.varlen.varlen_attn`; elsewhere one of
    `scaled_dot_product_attention` per sentence, with the same result.

    # Parameters

    module : `torch.nn.Module`
    query, key, value : `torch.Tensor`
        Shape: (1, heads, positions, dim)
    attention_mask : `Optional[torch.Tensor]`
        Not used: there is no padding.
    scaling : `Optional[float]`, optional (default=`None`)
        Factor of the products; `None` for 1 / √dim.
    dropout : `float`, optional (default=`0.0`)
        Has to be 0.
    cu_seq_lens_q, max_length_q, sentence_lengths
        From `Sequences.options`.

    # Returns

    `tuple[torch.Tensor, None]`
        Shape: (1, positions, heads, dim)

    # Raises

    `ConfigError` for a dropout above 0, and on CUDA in half precision with a torch without `varlen_attn`.
    """
    if dropout > 0:
        raise ConfigError(f'{_KEY} "unpadded" has no dropout of attention weights, got {dropout}')
    if cu_seq_lens_q is not None and query.device.type == "cuda" and query.dtype in (torch.float16, torch.bfloat16):
        # Shape of each: (positions, heads, dim)
        q, k, v = (tensor.squeeze(0).transpose(0, 1) for tensor in (query, key, value))
        ends = cu_seq_lens_q
        attended = _varlen_attention()(q, k, v, ends, ends, max_length_q, max_length_q, scale=scaling)
        return attended.unsqueeze(0), None
    parts = (torch.split(tensor, list(sentence_lengths), 2) for tensor in (query, key, value))
    # Shape of each: (1, heads, positions of the sentence, dim)
    by_sentence = [F.scaled_dot_product_attention(q, k, v, scale=scaling) for q, k, v in zip(*parts, strict=True)]
    return torch.cat(by_sentence, 2).transpose(1, 2), None


@functools.cache
def _varlen_attention() -> Any:
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError as error:
        raise ConfigError(
            f'{_KEY} "unpadded" needs torch 2.10 or later on a GPU, and this is {torch.__version__}: set it to "padded"'
        ) from error
    return varlen_attn
