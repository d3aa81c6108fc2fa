"""The probability of an entity under a CRF: of its whole path of tags, borders included."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.modules.crf.inference import both_messages
from ner_plugins.modules.crf.semiring import Chain, Potentials
from ner_plugins.modules.crf.tagging import Spans, TagSet

# Index of the letter of inner tokens in every tag set. As `TagSet.spans` reads tags, only this letter can have another
# token of the entity on both sides, whatever the scheme.
_INSIDE = 1


@torch.no_grad()
def entity_probabilities(potentials: Potentials, tag_set: TagSet, spans: Spans) -> Tensor:
    """
    For each span, the probability that a tagging, as `TagSet.spans` reads it, has exactly this entity there: the share
    of Z of the taggings in which the entity begins at the span's first token and ends at its last. It is the product of
    the forward message, the path through the span and the backward message, so it is exact. The probabilities of
    entities that share a token sum to at most 1.

    # Parameters

    potentials : `Potentials`
        With the constraints' penalties if constraints should apply.
    tag_set : `TagSet`
    spans : `Spans`
        In any order.

    # Returns

    `torch.Tensor`
        0 for a span that does not begin and end at tokens of the mask; NaN if emissions are. Shape: (spans,)
    """
    emissions = potentials.emissions
    if len(spans.sentence) == 0 or emissions.size(1) == 0 or len(tag_set) == 1:
        return emissions.new_zeros(len(spans.sentence))
    # This does not change probabilities, and keeps messages small.
    potentials = potentials._replace(emissions=emissions - emissions.amax(2, keepdim=True))
    found = both_messages(potentials)
    chain = Chain(
        *(tensor.to(found.forward) if tensor.is_floating_point() else tensor for tensor in Chain.of(potentials))
    )
    sentence, first, last, exists = _kept_places(potentials.mask, tag_set, spans)
    # The tags of each span's type, by letter. Shape: (spans, letters)
    number = len(tag_set.letters)
    tags = spans.type.clamp(0, len(tag_set.types) - 1).unsqueeze(1) * number + 1
    tags = tags + torch.arange(number, device=tags.device)

    continues = tag_set.continues().to(tags.device)  # Shape of this and the next: (tags, tags)
    borders = chain.transitions.masked_fill(continues, -torch.inf)  # transitions that end one entity or begin another
    # Shape of these: (spans, letters)
    begins = _begins(chain, found.forward, borders, sentence, first, tags)
    ends = _ends(chain, found.backward, borders, sentence, last, tags)
    path = _paths(chain, continues, (sentence, first, last), tags, begins, ends)
    return torch.where(exists, (path - found.log_partition[sentence]).exp(), 0).to(emissions.dtype)


def _kept_places(mask: Tensor, tag_set: TagSet, spans: Spans) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """
    Each span's sentence, the indices of its first and last token among the kept tokens, and whether the span exists:
    begins and ends at kept tokens and has a valid type. Indices are 0 if it does not. Shape of each: (spans,)
    """
    batch, length = mask.shape
    sentence, start, end, type_id = spans
    exists = (sentence >= 0) & (sentence < batch) & (start >= 0) & (start < end) & (end <= length)
    exists &= (type_id >= 0) & (type_id < len(tag_set.types))
    sentence, start, end = (torch.where(exists, value, other) for value, other in ((sentence, 0), (start, 0), (end, 1)))
    exists &= mask[sentence, start] & mask[sentence, end - 1]
    place = mask.cumsum(1) - 1
    first, last = (torch.where(exists, place[sentence, token], 0) for token in (start, end - 1))
    return sentence, first, last, exists


def _begins(chain: Chain, forward: Tensor, borders: Tensor, sentence: Tensor, first: Tensor, tags: Tensor) -> Tensor:
    """The log-sum of taggings up to `first`, where an entity begins with each of `tags`. Shape: (spans, letters)"""
    before = forward[sentence, (first - 1).clamp(min=0)].unsqueeze(1)  # Shape: (spans, 1, tags)
    received = (before + borders.t()[tags]).logsumexp(2)
    received = torch.where((first == 0).unsqueeze(1), chain.start[tags], received)
    return received + chain.emissions[sentence, first].gather(1, tags)


def _ends(chain: Chain, backward: Tensor, borders: Tensor, sentence: Tensor, last: Tensor, tags: Tensor) -> Tensor:
    """The log-sum of taggings after `last`, where an entity ends with each of `tags`. Shape: (spans, letters)"""
    following = (last + 1).clamp(max=backward.size(1) - 1)
    # Shape: (spans, 1, tags)
    after = (chain.emissions[sentence, following] + backward[sentence, following]).unsqueeze(1)
    received = (after + borders[tags]).logsumexp(2)
    return torch.where((last == chain.lengths[sentence] - 1).unsqueeze(1), chain.end[tags], received)


def _paths(
    chain: Chain, continues: Tensor, places: tuple[Tensor, Tensor, Tensor], tags: Tensor, begins: Tensor, ends: Tensor
) -> Tensor:
    """The log-sum of all taggings with each entity, from `begins`, its path and `ends`. Shape: (spans,)"""
    sentence, first, last = places
    within = chain.transitions.masked_fill(~continues, -torch.inf)
    arcs = within[tags.unsqueeze(2), tags.unsqueeze(1)]  # Shape: (spans, letters, letters)
    ends_after = chain.emissions[sentence, last].gather(1, tags) + ends  # Shape: (spans, letters)
    two = (begins.unsqueeze(2) + arcs + ends_after.unsqueeze(1)).flatten(1).logsumexp(1)  # Shape: (spans,)
    # Inner tokens have only one possible tag, so their score is a difference of two cumulative sums.
    inside_tag = tags[:, _INSIDE]  # Shape: (spans,)
    inside = torch.arange(1 + _INSIDE, len(chain.start), arcs.size(2), device=tags.device)
    # Shape: (batch, length + 1, types)
    sums = F.pad(chain.emissions[..., inside].double().clamp(min=-1e8).cumsum(1), (0, 0, 1, 0))
    column = (inside_tag - 1) // arcs.size(2)
    inner = (sums[sentence, last, column] - sums[sentence, first + 1, column]).to(arcs.dtype)  # Shape: (spans,)
    inner = inner + (last - first - 2) * arcs[:, _INSIDE, _INSIDE]
    more = (begins + arcs[:, :, _INSIDE]).logsumexp(1) + inner + (arcs[:, _INSIDE] + ends_after).logsumexp(1)
    one = (begins + ends).logsumexp(1)
    return torch.where(first == last, one, torch.where(first + 1 == last, two, more))
