"""Every span and type with at least a given probability, and the probability of given spans, of a head's scores."""

from typing import Iterable, NamedTuple

import torch
from torch import Tensor

from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.modules.crf.tagging import Spans


class TypeBand(NamedTuple):
    """
    One type's scores in a band of spans: cell [b, i, w] is the span of tokens i..i + w inclusive.

    # Parameters

    probability : `torch.Tensor`
        Shape of each: (batch, length, width)
    margin : `torch.Tensor`
        The type's logit minus that of "not an entity".
    """

    probability: Tensor
    margin: Tensor


@torch.no_grad()
def band_of_types(logits: Tensor, independent: bool) -> Iterable[TypeBand]:
    """
    The scores of each type, one after the other, so that no second tensor holds the band of all types.

    # Parameters

    logits : `torch.Tensor`
        Class 0 is "not an entity". Shape: (batch, length, width, types + 1)
    independent : `bool`
        Whether a type's probability is the sigmoid of its margin over class 0, not the softmax.
    """
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    total = None if independent else logits.logsumexp(-1)  # Shape: (batch, length, width)
    for type_id in range(1, logits.size(-1)):
        margin = logits[..., type_id] - logits[..., 0]
        yield TypeBand(margin.sigmoid() if total is None else (logits[..., type_id] - total).exp(), margin)


@torch.no_grad()
def candidates_in_band(types: Iterable[TypeBand], valid: Tensor, floor: float) -> DecodedSpans:
    """
    The cells and types that reach a probability.

    # Parameters

    types : `Iterable[TypeBand]`
    valid : `torch.BoolTensor`
        The cells that are spans of the text. Shape: (batch, length, width)
    floor : `float`

    # Returns

    `DecodedSpans`
        Ordered by sentence, start, end and type. They may overlap.
    """
    columns: list[tuple[Tensor, ...]] = []
    broken = torch.zeros(len(valid), dtype=torch.bool, device=valid.device)
    number = 0
    for type_id, (probability, margin) in enumerate(types):
        number += 1
        broken |= (probability.isnan() & valid).flatten(1).any(1)
        cells = ((probability >= floor) & valid).nonzero(as_tuple=True)
        columns.append((*cells, torch.full_like(cells[0], type_id), margin[cells], probability[cells]))
    sentence, start, offset, type_id_of, score, found = (torch.cat(column) for column in zip(*columns, strict=True))
    length, width = valid.shape[1:]
    order = (((sentence * length + start) * width + offset) * number + type_id_of).argsort()
    invalid = broken.nonzero().flatten()
    spans = DecodedSpans(sentence, start, start + offset + 1, type_id_of, score, found, invalid)
    return spans.select(order)


@torch.no_grad()
def probabilities_in_band(types: Iterable[TypeBand], valid: Tensor, spans: Spans) -> Tensor:
    """The probability of given spans; NaN for those that are no valid cell of the band. Shape: (spans,)"""
    length, width = valid.shape[1:]
    offset = spans.end - spans.start - 1
    inside = (spans.start >= 0) & (spans.start < length) & (offset >= 0) & (offset < width)
    start, offset = spans.start.clamp(0, length - 1), offset.clamp(0, width - 1)
    inside &= valid[spans.sentence, start, offset]
    found = torch.full(start.shape, torch.nan, device=start.device)
    for type_id, (probability, _) in enumerate(types):
        chosen = inside & (spans.type == type_id)
        found = torch.where(chosen, probability[spans.sentence, start, offset].to(found), found)
    return found


def spans_within(possible: Tensor) -> Spans:
    """
    All spans of tokens that may be in an entity of a type.

    # Parameters

    possible : `torch.BoolTensor`
        Shape: (batch, length, types)

    # Returns

    `Spans`
        Each span of tokens that are all `possible` for its type, ordered by sentence, start, end and type.
    """
    length, types = possible.shape[1:]
    token = torch.arange(length, device=possible.device).view(1, length, 1)
    # The first token at or after each one that is not possible. Shape: (batch, length, types)
    stop = torch.where(possible, length, token).flip(1).cummin(1).values.flip(1)
    sentence, start, type_id = possible.nonzero(as_tuple=True)  # Shape of each: (starts,)
    number = stop[sentence, start, type_id] - start  # of the spans that begin there
    which = torch.repeat_interleave(torch.arange(len(start), device=start.device), number)  # Shape: (spans,)
    before = number.cumsum(0) - number
    end = start[which] + torch.arange(len(which), device=start.device) - before[which] + 1
    spans = Spans(sentence[which], start[which], end, type_id[which])
    order = (((spans.sentence * length + spans.start) * (length + 1) + spans.end) * types + spans.type).argsort()
    return Spans(*(column[order] for column in spans))
