"""Decodes the scores of a band of typed spans to entities: batched, on the device, with one copy to the host."""

import math
from dataclasses import dataclass
from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.decoding.found_spans import SpanColumns
from ner_plugins.decoding.not_numbers import not_numbers
from ner_plugins.errors import ConfigError

MODES = ("flat_greedy", "flat_optimal", "nested")
SCORES = ("margin", "logit", "probability")

_CELLS_AT_A_TIME = 1 << 18  # cells gathered at once; bounds the memory of an untrained model's many candidates
_CHUNKS_AT_A_TIME = 32  # chunks that the greedy search takes at once; bounds the work of each step
_LARGE = 1e30  # replaces an infinite margin, so that sums over a text stay finite


@dataclass
class DecodedSpans(SpanColumns):
    """
    Typed spans of a batch in flat tensors, ordered by sentence, start and end.

    # Parameters

    sentence : `torch.LongTensor`
        Index of the sentence in the batch. Shape of this and the next five: (spans,)
    start, end : `torch.LongTensor`
        First token, and last token + 1.
    type : `torch.LongTensor`
        Type id, from 0.
    score : `torch.Tensor`
        The type's logit minus that of "not an entity".
    probability : `torch.Tensor`
        The type's softmax probability, or the sigmoid of `score`.
    invalid : `torch.LongTensor`
        Indices of the sentences with scores that are not finite. Shape: (invalid,)
    """

    sentence: Tensor
    start: Tensor
    end: Tensor
    type: Tensor
    score: Tensor
    probability: Tensor
    invalid: Tensor

    def to_host(self, names: Optional[Sequence[str]] = None) -> "DecodedSpans":
        """
        The spans on the CPU, in one copy.

        # Parameters

        names : `Optional[Sequence[str]]`, optional (default=`None`)
            Names of the sentences for messages; by default their indices in the batch.

        # Raises

        `NerError` with the sentences in `invalid`. `decode_spans` does not raise it, since it would have to wait for
        the device.
        """
        tensors = (self.sentence, self.start, self.end, self.type, self.score, self.probability, self.invalid)
        # float32 holds token offsets exactly up to 2 ** 24. Shape: (6 * spans + invalid,)
        packed = torch.cat([tensor.to(self.score.dtype) for tensor in tensors]).cpu()
        sentence, start, end, type_id, score, probability, invalid = packed.split_with_sizes([len(t) for t in tensors])
        if len(invalid) > 0:
            raise not_numbers(invalid.long().tolist(), names)
        return DecodedSpans(
            sentence.long(), start.long(), end.long(), type_id.long(), score, probability, invalid.long()
        )

    def to_entities(
        self, batch_size: int, names: Optional[Sequence[str]] = None
    ) -> list[list[tuple[int, int, int, float]]]:
        """
        The entities of each sentence, after one copy to the host.

        # Parameters

        batch_size : `int`
            Number of sentences.
        names : `Optional[Sequence[str]]`, optional (default=`None`)
            As in `to_host`.

        # Returns

        `list[list[tuple[int, int, int, float]]]`
            (first token, last token + 1, type id, probability) of each entity, ordered by start and end.

        # Raises

        `NerError` as in `to_host`.
        """
        host = self.to_host(names)
        entities: list[list[tuple[int, int, int, float]]] = [[] for _ in range(batch_size)]
        columns = (host.start, host.end, host.type, host.probability)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for sentence, row in zip(host.sentence.tolist(), rows, strict=True):
            entities[sentence].append(row)
        return entities


@torch.no_grad()
def decode_spans(
    logits: Tensor,
    valid: Tensor,
    mode: str = "flat_greedy",
    threshold: Optional[Tensor] = None,
    score: str = "margin",
    chunk_size: int = 256,
    independent: bool = False,
) -> DecodedSpans:
    """
    The entities of a band of scores.

    Candidates are the valid cells whose best class is a type (on a tie with class 0 it is not) and whose probability
    reaches the type's threshold. The modes choose among them:
    - `flat_greedy`: from best to worst, keep each span that shares no token with one already kept;
    - `nested`: the same, but keep each span that *crosses* none already kept; spans may contain each other (Yu et al.
      2020);
    - `flat_optimal`: among all sets of spans that share no token, keep the one with the largest sum of margins
      (weighted interval scheduling). On a tie, the set whose first differing span starts, then ends, earlier.

        >>> logits = torch.zeros(1, 3, 3, 2)  # one sentence with 3 tokens, spans of up to 3 tokens, one type
        >>> logits[0, 0, 0, 1] = 2.0  # token 0
        >>> logits[0, 1, 1, 1] = 2.0  # tokens 1 and 2
        >>> logits[0, 0, 2, 1] = 3.0  # all tokens
        >>> valid = torch.tensor([[[True, True, True], [True, True, False], [True, False, False]]])
        >>> for mode in ("flat_greedy", "nested", "flat_optimal"):
        ...     spans = decode_spans(logits, valid, mode)
        ...     print(mode, [(start, end) for start, end, _, _ in spans.to_entities(1)[0]])
        flat_greedy [(0, 3)]
        nested [(0, 1), (0, 3), (1, 3)]
        flat_optimal [(0, 1), (1, 3)]

    # Parameters

    logits : `torch.Tensor`
        Cell [b, i, w] is the span of tokens i..i + w inclusive; class 0 is "not an entity", class t + 1 is type t.
        Shape: (batch, length, width, classes). On a CPU it takes half the time if classes are not innermost in memory.
    valid : `torch.BoolTensor`
        The cells that are spans of the text. Shape: (batch, length, width)
    mode : `str`, optional (default=`"flat_greedy"`)
        As above.
    threshold : `Optional[torch.Tensor]`, optional (default=`None`)
        The minimum probability of each type. Shape: (classes - 1,)
    score : `str`, optional (default=`"margin"`)
        Ranks the candidates of the greedy modes: `margin`, the type's logit minus that of class 0; `logit`, the type's
        logit, as published; `probability`. Ties go to the earlier start, then the earlier end.
    chunk_size : `int`, optional (default=`256`)
        Number of candidates that the greedy modes compare at once. It does not change the result.
    independent : `bool`, optional (default=`False`)
        Whether a type's probability is the sigmoid of its margin over class 0, not the softmax.

    # Returns

    `DecodedSpans`
        On the device of `logits`. A sentence with a logit that is NaN or plus infinity is in `invalid`, and copying to
        the host raises `NerError`.

    # Raises

    `ConfigError` for another `mode` or `score`.
    """
    for setting, word, words in (("decoding", mode, MODES), ("decoding_score", score, SCORES)):
        if word not in words:
            raise ConfigError(f"{setting} must be one of {', '.join(words)}, got {word!r}")
    spans, winning = _candidates(logits, valid, threshold, independent)
    batch, length = valid.shape[:2]
    if mode == "flat_optimal":
        return spans.select(_flat_optimal(spans, batch, length))
    rank_by = {"margin": spans.score, "logit": winning, "probability": spans.probability}[score]
    ranked = rank_by.argsort(descending=True, stable=True)
    return spans.select(_greedy(spans, ranked, (batch, length), mode == "nested", chunk_size))


def _candidates(
    logits: Tensor, valid: Tensor, threshold: Optional[Tensor], independent: bool
) -> tuple[DecodedSpans, Tensor]:
    """The candidates, and the logits of their types. Shape of the latter: (candidates,)"""
    sentence, start, offset = _types_win(logits, valid).nonzero(as_tuple=True)  # Shape of each: (candidates,)
    pieces = []
    for first in range(0, max(len(sentence), 1), _CELLS_AT_A_TIME):
        piece = slice(first, first + _CELLS_AT_A_TIME)
        classes = logits[sentence[piece], start[piece], offset[piece]]  # Shape: (cells, classes)
        if classes.dtype in (torch.float16, torch.bfloat16):
            classes = classes.float()
        best, type_id = classes[:, 1:].max(-1)  # Shape of these and the next: (cells,)
        margin, probability = best - classes[:, 0], (best - classes.logsumexp(-1)).exp()
        if independent:
            probability = torch.where(probability.isnan(), math.nan, margin.sigmoid())
        # A candidate's margin is only negative if class 0 is infinite.
        pieces.append((type_id, best, margin, probability.masked_fill(margin < 0, math.nan)))
    type_id, best, margin, probability = (torch.cat(column) for column in zip(*pieces, strict=True))
    broken = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)  # Shape: (batch,)
    broken.index_add_(0, sentence, probability.isnan().long())
    invalid = broken.nonzero().flatten()
    spans = DecodedSpans(sentence, start, start + offset + 1, type_id, margin, probability, invalid)
    keep = ~probability.isnan()
    if threshold is not None:
        keep &= probability >= threshold.to(probability)[type_id]
    kept = keep.nonzero().flatten()
    return spans.select(kept), best[kept]


def _types_win(logits: Tensor, valid: Tensor) -> Tensor:
    """Valid cells whose best class is a type, or with a score that is not finite. Shape: (batch, length, width)"""
    best = logits[..., 1:].amax(-1)
    # NaN propagates through the maximum and fails every comparison, so it stays a candidate, as does plus infinity.
    return valid & ~((best <= logits[..., 0]) & (logits[..., 0] < math.inf))


def _greedy(
    spans: DecodedSpans, ranked: Tensor, shape: tuple[int, int], nested: bool, chunk_size: int
) -> Tensor:
    """
    Positions, in ascending order, of the spans kept by going down the ranking.

    Each step decides a chunk of the best spans left by comparing all its pairs, then removes the spans that conflict
    with those kept. At most `_CHUNKS_AT_A_TIME` chunks are in memory, which bounds the work for any scores.

    # Parameters

    spans : `DecodedSpans`
        The candidates.
    ranked : `torch.LongTensor`
        Their positions, best first. Shape: (spans,)
    shape : `tuple[int, int]`
        (batch, length)
    nested : `bool`
        Whether only crossing spans are in conflict.
    chunk_size : `int`
        Spans per chunk.
    """
    blocked = _crossing if nested else _overlapping
    kept = ranked[:0]
    for first in range(0, len(ranked), _CHUNKS_AT_A_TIME * chunk_size):
        block = ranked[first : first + _CHUNKS_AT_A_TIME * chunk_size]
        if len(kept) > 0:
            block = block[~blocked(spans, kept, block, shape)]
        while len(block) > 0:
            chunk, block = block[:chunk_size], block[chunk_size:]
            kept = torch.cat((kept, chunk[_first_of_conflicts(spans.select(chunk), nested)]))
            if len(block) > 0:
                block = block[~blocked(spans, kept, block, shape)]
    return kept.sort().values


def _first_of_conflicts(spans: DecodedSpans, nested: bool) -> Tensor:
    """
    Which of the spans, ranked best first, are kept: those in conflict with no better span that is kept. Shape: (spans,)
    """
    start, end = spans.start, spans.end
    # [p, q]: p and q are in conflict. Shape of these: (spans, spans)
    before = start.unsqueeze(1) < start  # p starts before q
    conflict = (start.unsqueeze(1) < end) & (start < end.unsqueeze(1))
    if nested:
        shorter = end.unsqueeze(1) < end  # p ends before q
        conflict &= (before & shorter) | (before.t() & shorter.t())
    conflict &= spans.sentence.unsqueeze(1) == spans.sentence
    worse_by = conflict.tril(-1).float()  # [p, q]: in conflict, and q is better
    # The result is the only fixed point. Each step settles at least one more link of every chain of conflicts.
    kept = torch.ones(len(spans), device=start.device)
    while True:
        settled = (torch.mv(worse_by, kept) == 0).float()
        if torch.equal(settled, kept):
            return kept.bool()
        kept = settled


def _overlapping(spans: DecodedSpans, kept: Tensor, others: Tensor, shape: tuple[int, int]) -> Tensor:
    """Which spans at `others` share a token with one at `kept`, which do not overlap. Shape: (others,)"""
    batch, length = shape
    # The cumulative sum of +1 at each kept start and -1 at each kept end is 1 inside kept spans.
    edges = torch.zeros(batch, length + 1, dtype=torch.int64, device=kept.device)
    one = torch.ones_like(kept)
    edges.index_put_((spans.sentence[kept], spans.start[kept]), one, accumulate=True)
    edges.index_put_((spans.sentence[kept], spans.end[kept]), -one, accumulate=True)
    taken = F.pad(edges.cumsum(1).cumsum(1), (1, 0))  # kept tokens before each position. Shape: (batch, length + 2)
    sentence = spans.sentence[others]
    return taken[sentence, spans.end[others]] > taken[sentence, spans.start[others]]


def _crossing(spans: DecodedSpans, kept: Tensor, others: Tensor, shape: tuple[int, int]) -> Tensor:
    """
    Which spans at `others` cross one at `kept`. Shape: (others,)

    A kept span crosses a span if it starts strictly inside the span and ends after it, or ends strictly inside it and
    starts before it. These are two range maxima, each over two powers of two that cover the range.
    """
    batch, length = shape
    start, end = spans.start[kept], spans.end[kept]
    # The farthest end of the kept spans that start at each position, and minus the first start of those that end there.
    reach = torch.full((2, batch, length + 1), -length - 1, device=kept.device)
    sentence = spans.sentence[kept]
    reach.view(-1).scatter_reduce_(0, sentence * (length + 1) + start, end, "amax")
    reach.view(-1).scatter_reduce_(0, (batch + sentence) * (length + 1) + end, -start, "amax")
    levels, step = [reach], 1
    while 2 * step <= length + 1:
        # Level k holds the maximum over 2 ** k positions from each on.
        doubled = torch.maximum(levels[-1], F.pad(levels[-1][..., step:], (0, step), value=-length - 1))
        levels.append(doubled)
        step *= 2
    maxima = torch.stack(levels)  # Shape: (levels, 2, batch, length + 1)

    sentence, start, end = spans.sentence[others], spans.start[others], spans.end[others]
    inside = end - start - 1
    level = (inside.clamp(min=1).float().frexp().exponent - 1).long()  # floor(log2(inside))
    left, right = start + 1, end - 2 ** level
    farthest = torch.maximum(maxima[level, 0, sentence, left], maxima[level, 0, sentence, right])
    earliest = torch.maximum(maxima[level, 1, sentence, left], maxima[level, 1, sentence, right])
    return (inside > 0) & ((farthest > end) | (earliest > -start))


def _flat_optimal(spans: DecodedSpans, batch: int, length: int) -> Tensor:
    """
    Which spans, ordered by sentence, start and end, have the largest sum of scores without sharing a token.

    best[p] = max(best[p + 1], max over spans s that start at p of score(s) + best[first start at or after end(s)]),
    where p counts the positions of a sentence at which a candidate starts. Shape: (spans,)
    """
    if len(spans) == 0:
        return torch.zeros(0, dtype=torch.bool, device=spans.start.device)
    place, alternative, following = _by_start(spans, batch, length)
    places, alternatives = (torch.stack((place.max(), alternative.max())) + 1).tolist()
    cells = (spans.sentence, place, alternative)
    # Shape of this and the next: (batch, places, alternatives)
    gain = spans.score.new_full((batch, places, alternatives), -torch.inf)
    gain[cells] = spans.score.clamp(max=_LARGE)
    after = torch.zeros_like(gain, dtype=torch.int64)
    after[cells] = following

    best = gain.new_zeros(batch, places + 1)
    for p in range(places - 1, -1, -1):
        with_span = (gain[:, p] + best.gather(1, after[:, p])).amax(1)  # Shape: (batch,)
        best[:, p] = torch.maximum(with_span, best[:, p + 1])

    # Recompute the choices of all places at once. Shape of these: (batch, places)
    value, choice = (gain + best.gather(1, after.flatten(1)).view_as(gain)).max(-1)
    taken = value >= best[:, 1:]
    next_place = torch.arange(1, places + 1, device=gain.device)
    successor = torch.where(taken, after.gather(2, choice.unsqueeze(2)).squeeze(2), next_place)
    visited = _reached_from_first(F.pad(successor, (0, 1), value=places))[:, :-1] & taken
    return visited[spans.sentence, place] & (choice[spans.sentence, place] == alternative)


def _by_start(spans: DecodedSpans, batch: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    For each span, the index of its start among the distinct starts of its sentence, its index among the spans that
    start there, and the index of the first start at or after its end. Shape of each: (spans,)
    """
    sentence, start = spans.sentence, spans.start
    key = sentence * (length + 1) + start
    # Shapes: (starts,), (spans,), (starts,)
    starts, group, sizes = torch.unique_consecutive(key, return_inverse=True, return_counts=True)
    starts_per_sentence = torch.bincount(starts // (length + 1), minlength=batch)
    first_group = (starts_per_sentence.cumsum(0) - starts_per_sentence)[sentence]
    first_span = (sizes.cumsum(0) - sizes)[group]
    following = torch.searchsorted(starts, key - start + spans.end) - first_group
    return group - first_group, torch.arange(len(spans), device=key.device) - first_span, following


def _reached_from_first(successor: Tensor) -> Tensor:
    """
    Which places a walk from place 0 visits, by pointer doubling. The last place is its own successor.
    Shape of argument and result: (batch, places)
    """
    reached = torch.zeros_like(successor)
    reached[:, 0] = 1
    for _ in range(successor.size(1).bit_length()):
        reached = reached.scatter_add(1, successor, reached).clamp(max=1)
        successor = successor.gather(1, successor)
    return reached.bool()
