"""GlobalPointer as published (bojone/GlobalPointer, bert4keras): all pairs of tokens, masks of -1e12, float64."""

import torch
from torch import Tensor

from ner_plugins.heads.global_pointer import EfficientGlobalPointerHead

INFINITE = 1e12


def rotation(position: int, dim: int) -> Tensor:
    """The matrix that RoPE multiplies the vector of a token by. Shape: (dim, dim)"""
    made = torch.zeros(dim, dim, dtype=torch.float64)
    for m in range(dim // 2):
        angle = torch.tensor(position * 10000 ** (-2 * m / dim), dtype=torch.float64)
        made[2 * m, 2 * m] = made[2 * m + 1, 2 * m + 1] = angle.cos()
        made[2 * m, 2 * m + 1], made[2 * m + 1, 2 * m] = -angle.sin(), angle.sin()
    return made


def square_scores(head, encoded: Tensor) -> Tensor:
    """Of every first and last token, and of those in the wrong order too. Shape: (batch, types, length, length)"""
    batch, length, _ = encoded.shape
    dim, types = head.inner_dim, len(head.types)
    turn = [rotation(i, dim) if head.rope else torch.eye(dim, dtype=torch.float64) for i in range(length)]
    projected = encoded @ head.projection.weight.T + head.projection.bias
    scores = {}
    for b in range(batch):
        for t in range(types):
            for i in range(length):
                for j in range(length):
                    first, last = projected[b, i], projected[b, j]
                    if isinstance(head, EfficientGlobalPointerHead):
                        query, key = first[::2], last[1::2]
                        of_start = head.bias.weight[2 * t + 1] @ first + head.bias.bias[2 * t + 1]
                        of_end = head.bias.weight[2 * t] @ last + head.bias.bias[2 * t]
                        more = (of_start + of_end) / 2
                    else:
                        place = t * 2 * dim
                        query, key = first[place : place + dim], last[place + dim : place + 2 * dim]
                        more = 0.0
                    scores[b, t, i, j] = (turn[i] @ query) @ (turn[j] @ key) / dim**0.5 + more
    return torch.stack([*scores.values()]).view(batch, types, length, length)


def masked(scores: Tensor, mask: Tensor, width: int | None = None) -> Tensor:
    """The scores, or -1e12 at padding, in the lower triangle, and above a width."""
    length = mask.size(1)
    place = torch.arange(length)
    more = place - place.unsqueeze(1)  # Shape: (length, length)
    fits = (more >= 0) & (more < (width or length))
    valid = (mask.unsqueeze(1) & mask.unsqueeze(2) & fits).unsqueeze(1)
    return torch.where(valid, scores, -INFINITE)


def published_loss(scores: Tensor, gold: Tensor) -> Tensor:
    """`multilabel_categorical_crossentropy` of bert4keras; 1 in `gold` for entities. Shape of both: as `masked`"""
    truth, found = gold.flatten(2), scores.flatten(2)
    found = (1 - 2 * truth) * found
    negative, positive = found - truth * INFINITE, found - (1 - truth) * INFINITE
    zeros = torch.zeros_like(found[..., :1])
    of_negative = torch.cat((negative, zeros), -1).logsumexp(-1)
    of_positive = torch.cat((positive, zeros), -1).logsumexp(-1)
    return (of_negative + of_positive).mean()


def gold_square(entities: Tensor, shape: torch.Size, width: int | None = None) -> Tensor:
    """1 for each entity that is no wider than `width`."""
    gold = torch.zeros(shape, dtype=torch.float64)
    for b, rows in enumerate(entities.tolist()):
        for start, end, kind in rows:
            if kind >= 0 and end - start <= (width or end):
                gold[b, kind, start, end - 1] = 1.0
    return gold
