"""The attention of pretrained encoders as one operator of onnxruntime."""

import contextlib
from typing import Any, Iterator, Optional

import torch
from torch import Tensor

NAME = "ner_onnx"
"""Its name in Transformers' `AttentionInterface`."""


@contextlib.contextmanager
def attention_for_export(encoder: Any, fused: bool) -> Iterator[None]:
    """
    Change how an encoder attends, within the block.

    # Parameters

    encoder : `transformers.PreTrainedModel`
    fused : `bool`
        Whether it takes its attention from the interface: then it is `fused_attention`. Otherwise it is in plain
        operations; other ways of Transformers look at the values of the mask.
    """
    if fused:
        from transformers import AttentionInterface

        AttentionInterface.register(NAME, fused_attention)
    original = encoder.config._attn_implementation
    encoder.config._attn_implementation = NAME if fused else "eager"
    try:
        yield
    finally:
        encoder.config._attn_implementation = original


def fused_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: Optional[float] = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """
    The operator `com.microsoft.MultiHeadAttention`, with the signature of Transformers' `AttentionInterface`. It can
    only be exported, and computes nothing in torch.

    # Parameters

    module : `torch.nn.Module`
    query, key, value : `torch.Tensor`
        Shape: (batch, heads, positions, dim)
    attention_mask : `torch.Tensor`
        1 for the positions to attend to, 0 for others. Shape: (batch, 1, 1, positions)
    scaling : `Optional[float]`, optional (default=`None`)
        Factor of the products; `None` for 1 / √dim.

    # Returns

    `tuple[torch.Tensor, None]`
        Shape: (batch, positions, heads, dim)
    """
    batch, heads, positions, dim = query.shape
    flat = [tensor.transpose(1, 2).reshape(batch, positions, heads * dim) for tensor in (query, key, value)]
    attended: Tensor = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (*flat, None, attention_mask[:, 0, 0, :].int()),
        {"num_heads": heads, "scale": dim**-0.5 if scaling is None else scaling},
        dtype=query.dtype,
        shape=(batch, positions, heads * dim),
        version=1,
    )
    return attended.view(batch, positions, heads, dim), None
