"""Dropout whose random numbers cost little on a CPU."""

import math
from typing import Any, Callable, Optional

import torch
from allennlp.modules.input_variational_dropout import InputVariationalDropout
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ner_plugins.errors import ConfigError

_LEVELS = 2**16
"""Probabilities are multiples of 1 / `_LEVELS`."""


def dropout(values: Tensor, p: float, training: bool = True) -> Tensor:
    """
    `torch.nn.functional.dropout`, on a CPU with other random numbers, for which it takes an eighth of the time.

    torch draws 64 random bits per element on a CPU; 16 of them decide here, so that one draw of its generator serves
    four elements. `p` is thus rounded to a multiple of 2⁻¹⁶; the expectation stays exact.

    # Parameters

    values : `Tensor`
        Of any shape.
    p : `float`
        The probability that an element becomes 0; the others are divided by 1 - p.
    training : `bool`, optional (default=`True`)
        Otherwise `values` are returned as they are.
    """
    threshold = round(p * _LEVELS)
    if not training or values.device.type != "cpu" or not 0 < threshold < _LEVELS or not values.is_floating_point():
        return functional.dropout(values, p, training)
    count = values.numel()
    bits = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    keeps = bits.view(torch.int16)[:count] >= threshold - _LEVELS // 2
    factors = keeps.to(values.dtype).mul_(_LEVELS / (_LEVELS - threshold))
    return values * factors.view(values.shape)


class Dropout(torch.nn.Dropout):
    """`torch.nn.Dropout` through `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """The values, some of them 0 in training. Of any shape, which stays."""
        return dropout(input, self.p, self.training)


class DimensionDropout(InputVariationalDropout):
    """
    Dropout of whole dimensions: one that is dropped is 0 in all tokens of a sentence, the others are divided by 1 - p
    (the spatial dropout of xueyouluo's system for CCKS 2021; Tompson et al. 2015, "Efficient Object Localization Using
    Convolutional Networks", section 3.2).

    # Parameters

    p : `float`
        In [0, 1).

    # Raises

    `ConfigError` if `p` is out of range.
    """

    def __init__(self, p: float) -> None:
        if not 0.0 <= p < 1.0:
            raise ConfigError(f"model.dimension_dropout is {p}, but has to be 0 or more and less than 1")
        super().__init__(p)

    def forward(self, vectors: Tensor) -> Tensor:
        """The vectors of tokens, some dimensions 0 in training. Shape: (batch, tokens, dim), which stays."""
        if not self.training or not self.p:
            return vectors
        dropped: Tensor = super().forward(vectors)
        return dropped


class CheapDropout(TorchFunctionMode):
    """
    A context in which all dropout is `dropout`, also that of a model of Transformers. Attention with dropout computes
    what torch computes on a CPU, with fewer passes over memory.

    Do not enter it around a forward pass whose activations are recomputed in the backward pass, which happens outside
    of it.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Optional[dict[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout and not kwargs.get("inplace"):
            return _dropout_as_called(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            attended = _attention(*args, **kwargs)
            if attended is not None:
                return attended
        return func(*args, **kwargs)


def _dropout_as_called(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    return dropout(input, p, training)


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Optional[Tensor] = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: Optional[float] = None,
    enable_gqa: bool = False,
) -> Optional[Tensor]:
    """
    softmax(scale q kᵀ + mask) v with dropout of the attention; `None` for what is left to torch. `query`, `key` and
    `value` have the shape (batch, heads, positions, dim), the mask any that broadcasts to (batch, heads, positions,
    positions).
    """
    plain = not is_causal and not enable_gqa and query.dim() == 4 and query.shape[:2] == key.shape[:2]
    if not plain or dropout_p <= 0 or query.device.type != "cpu":
        return None
    if scale is None:
        scale = 1 / math.sqrt(query.size(-1))
    scores = (query * scale) @ key.transpose(-2, -1)  # Shape: (batch, heads, positions, positions)
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            # The smallest number, not -inf: a row without a key has no NaN.
            attn_mask = torch.zeros_like(attn_mask, dtype=scores.dtype).masked_fill_(
                ~attn_mask, torch.finfo(scores.dtype).min
            )
        scores = scores.add_(attn_mask)
    return dropout(torch.softmax(scores, dim=-1), dropout_p) @ value
