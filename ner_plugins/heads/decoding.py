"""From the scores of a band of typed spans to entities: batched, on the device, with one copy to the host."""

import math
from dataclasses import dataclass
from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.errors import ConfigError, NerError

MODES = ("flat_greedy", "flat_optimal", "nested")
SCORES = ("margin", "logit", "probability")

# Cells whose classes are gathered at a time; bounds the memory that an untrained model's candidates need.
_CELLS_AT_A_TIME = 1 << 18
# Chunks that the greedy search takes from the ranking together, so that no step looks at all of a long ranking.
_CHUNKS_AT_A_TIME = 32
# Sentences that a message names.
_NAMED = 10
# Stands for the margin over a class that is impossible: sums of it over a text stay finite.
_LARGE = 1e30


@dataclass
class DecodedSpans:
    """
    Typed spans of a batch in flat tensors, in order of sentence, then start, then end.

    # Parameters

    sentence : `torch.LongTensor`
        The sentence's place in the batch. Shape of this and the next five: (spans,)
    start, end : `torch.LongTensor`
        First token, and last token + 1.
    type : `torch.LongTensor`
        Type id, from 0.
    score : `torch.Tensor`
        By how much the type's logit exceeds that of "not an entity".
    probability : `torch.Tensor`
        The type's softmax probability.
    invalid : `torch.LongTensor`
        The sentences, by place in the batch, that have scores which are not numbers. Shape: (invalid,)
    """

    sentence: Tensor
    start: Tensor
    end: Tensor
    type: Tensor
    score: Tensor
    probability: Tensor
    invalid: Tensor

    def __len__(self) -> int:
        return len(self.sentence)

    def select(self, index: Tensor) -> "DecodedSpans":
        """The spans at `index` (positions, or one boolean each), with `invalid` as it is."""
        return DecodedSpans(
            self.sentence[index],
            self.start[index],
            self.end[index],
            self.type[index],
            self.score[index],
            self.probability[index],
            self.invalid,
        )

    def to_host(self, names: Optional[Sequence[str]] = None) -> "DecodedSpans":
        """
        The same on the CPU, in one copy.

        # Parameters

        names : `Optional[Sequence[str]]`
            What messages call each sentence; its place in the batch by default.

        # Raises

        `NerError`, naming the sentences, where scores were not numbers. It is raised here and not in `decode_spans`,
        which would have to wait for the device to know.
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
        Each sentence's entities on the host, after one copy.

        # Parameters

        batch_size : `int`
            Number of sentences.
        names : `Optional[Sequence[str]]`
            What messages call each sentence; its place in the batch by default.

        # Returns

        `List[List[Tuple[int, int, int, float]]]`
            (first token, last token + 1, type id, probability) per entity, in order of start, then end.

        # Raises

        `NerError` as `to_host` does.
        """
        host = self.to_host(names)
        entities: list[list[tuple[int, int, int, float]]] = [[] for _ in range(batch_size)]
        columns = (host.start, host.end, host.type, host.probability)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        for sentence, row in zip(host.sentence.tolist(), rows, strict=True):
            entities[sentence].append(row)
        return entities


def not_numbers(sentences: Sequence[int], names: Optional[Sequence[str]] = None) -> NerError:
    """The error to raise where a model's scores of `sentences`, places in a batch, are not numbers."""
    shown = [names[place] if names else str(place) for place in sentences[:_NAMED]]
    more = f" and {len(sentences) - _NAMED} more" if len(sentences) > _NAMED else ""
    where = f"{', '.join(shown)}{more}" if names else f"{', '.join(shown)}{more} of the batch, counted from 0"
    return NerError(
        f"The model's scores are not numbers in sentence(s) {where} (expected finite logits). Training has probably "
        "diverged: lower the learning rate, clip gradients, or use bfloat16 or float32 in place of float16"
    )


@torch.no_grad()
def decode_spans(
    logits: Tensor,
    valid: Tensor,
    mode: str = "flat_greedy",
    threshold: Optional[Tensor] = None,
    score: str = "margin",
    chunk_size: int = 256,
) -> DecodedSpans:
    """
    The entities that a band of scores says there are.

    Candidates are the valid cells whose best class is a type (a tie with class 0 is not one) and whose probability
    reaches that type's threshold. Of these the modes keep:
    - `flat_greedy`: from the best to the worst, each that shares no token with one already kept;
    - `nested`: the same, but each that *crosses* none already kept; it may contain one or lie in one (Yu et al. 2020);
    - `flat_optimal`: of all sets of spans that share no token, the one with the largest sum of margins (weighted
      interval scheduling), where a token may always be passed over; of equal sums the one with the earlier start,
      then the earlier end, at the first place where they differ.

    # Parameters

    logits : `torch.Tensor`
        Cell [b, i, w] is the span of tokens i..i + w inclusive; class 0 is "not an entity", class t + 1 the type t.
        Shape: (batch, length, width, classes); on a CPU it takes half the time if classes are not innermost in memory.
    valid : `torch.BoolTensor`
        The cells that are spans of the text. Shape: (batch, length, width)
    mode : `str`, optional (default = `"flat_greedy"`)
        As above.
    threshold : `Optional[torch.Tensor]`, optional (default = `None`)
        The least probability of each type. Shape: (classes - 1,)
    score : `str`, optional (default = `"margin"`)
        What ranks the candidates of the greedy modes: `margin`, by how much the type's logit exceeds class 0's;
        `logit`, the type's alone, as published; `probability`. Among equals the earlier start, then the earlier end,
        comes first.
    chunk_size : `int`, optional (default = `256`)
        How many candidates the greedy modes compare with each other at once. Of no effect on the result.

    # Returns

    `DecodedSpans`
        On the device of `logits`. Where a logit is NaN or plus infinity the sentence is in `invalid`, and copying to
        the host raises `NerError`.

    # Raises

    `ConfigError` when `mode` or `score` is another word.
    """
    for setting, word, words in (("decoding", mode, MODES), ("decoding score", score, SCORES)):
        if word not in words:
            raise ConfigError(f"Unknown {setting} {word!r} (expected one of {', '.join(words)})")
    spans, winning = _candidates(logits, valid, threshold)
    batch, length = valid.shape[:2]
    if mode == "flat_optimal":
        return spans.select(_flat_optimal(spans, batch, length))
    rank_by = {"margin": spans.score, "logit": winning, "probability": spans.probability}[score]
    ranked = rank_by.argsort(descending=True, stable=True)
    return spans.select(_greedy(spans, ranked, (batch, length), mode == "nested", chunk_size))


def _candidates(logits: Tensor, valid: Tensor, threshold: Optional[Tensor]) -> tuple[DecodedSpans, Tensor]:
    """The valid cells whose best class is a type that reaches its threshold, and the logits of those types."""
    sentence, start, offset = _types_win(logits, valid).nonzero(as_tuple=True)  # Shape of each: (candidates,)
    pieces = []
    for first in range(0, max(len(sentence), 1), _CELLS_AT_A_TIME):
        piece = slice(first, first + _CELLS_AT_A_TIME)
        classes = logits[sentence[piece], start[piece], offset[piece]]  # Shape: (cells, classes)
        if classes.dtype in (torch.float16, torch.bfloat16):
            classes = classes.float()
        best, type_id = classes[:, 1:].max(-1)
        margin, probability = best - classes[:, 0], (best - classes.logsumexp(-1)).exp()
        # Only an infinite class 0 exceeds the best class of a candidate.
        pieces.append((type_id, best, margin, probability.masked_fill(margin < 0, math.nan)))
    type_id, best, margin, probability = (torch.cat(column) for column in zip(*pieces, strict=True))
    broken = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    broken.index_add_(0, sentence, probability.isnan().long())
    invalid = broken.nonzero().flatten()
    spans = DecodedSpans(sentence, start, start + offset + 1, type_id, margin, probability, invalid)
    keep = ~probability.isnan()
    if threshold is not None:
        keep &= probability >= threshold.to(probability)[type_id]
    kept = keep.nonzero().flatten()
    return spans.select(kept), best[kept]


def _types_win(logits: Tensor, valid: Tensor) -> Tensor:
    """Which valid cells have a type that beats "not an entity", or no number. Shape: (batch, length, width)"""
    best = logits[..., 1:].amax(-1)
    # A NaN is every maximum it takes part in and no comparison holds for it, so it ends up among the candidates; so
    # does an infinity, of a type or of class 0.
    return valid & ~((best <= logits[..., 0]) & (logits[..., 0] < math.inf))


def _greedy(
    spans: DecodedSpans, ranked: Tensor, shape: tuple[int, int], nested: bool, chunk_size: int
) -> Tensor:
    """
    Positions, in ascending order, of the spans that a walk down the ranking keeps.

    A chunk of the best spans left is settled at once, by comparing all its pairs; then what these rule out leaves the
    ranking. No more than `_CHUNKS_AT_A_TIME` chunks are looked at together, which bounds the work for any scores.

    # Parameters

    spans : `DecodedSpans`
        The candidates.
    ranked : `torch.LongTensor`
        Their positions, best first. Shape: (spans,)
    shape : `Tuple[int, int]`
        (batch, length)
    nested : `bool`
        Whether only crossing spans exclude each other.
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
    Which of some spans, ranked best first, are kept: those in conflict with no better one that is kept. Shape: (spans,)
    """
    start, end = spans.start, spans.end
    # [p, q]: p and q cannot both be kept, and q is the better one. Shape of these: (spans, spans)
    before = start.unsqueeze(1) < start  # p starts before q
    conflict = (start.unsqueeze(1) < end) & (start < end.unsqueeze(1))
    if nested:
        shorter = end.unsqueeze(1) < end  # p ends before q
        conflict &= (before & shorter) | (before.t() & shorter.t())
    conflict &= spans.sentence.unsqueeze(1) == spans.sentence
    worse_by = conflict.tril(-1).float()
    # The answer is the one fixed point, and each step settles at least one more link of every chain of conflicts.
    kept = torch.ones(len(spans), device=start.device)
    while True:
        settled = (torch.mv(worse_by, kept) == 0).float()
        if torch.equal(settled, kept):
            return kept.bool()
        kept = settled


def _overlapping(spans: DecodedSpans, kept: Tensor, others: Tensor, shape: tuple[int, int]) -> Tensor:
    """Which of the spans at `others` share a token with one at `kept`, itself free of overlaps. Shape: (others,)"""
    batch, length = shape
    # +1 where a kept span starts and -1 after its end sum up to 1 inside.
    edges = torch.zeros(batch, length + 1, dtype=torch.int64, device=kept.device)
    one = torch.ones_like(kept)
    edges.index_put_((spans.sentence[kept], spans.start[kept]), one, accumulate=True)
    edges.index_put_((spans.sentence[kept], spans.end[kept]), -one, accumulate=True)
    taken = F.pad(edges.cumsum(1).cumsum(1), (1, 0))  # tokens taken before each position
    sentence = spans.sentence[others]
    return taken[sentence, spans.end[others]] > taken[sentence, spans.start[others]]


def _crossing(spans: DecodedSpans, kept: Tensor, others: Tensor, shape: tuple[int, int]) -> Tensor:
    """
    Which of the spans at `others` cross one at `kept`. Shape: (others,)

    A span is crossed when, at a position strictly inside it, a kept span starts that ends after it, or one ends that
    started before it: two range maxima, each over two powers of two that cover the range.
    """
    batch, length = shape
    start, end = spans.start[kept], spans.end[kept]
    # What starts at each position, by its farthest end, and what ends there, by minus its first start.
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
    level = (inside.clamp(min=1).float().frexp().exponent - 1).long()  # the logarithm to base 2, rounded down
    left, right = start + 1, end - 2 ** level
    farthest = torch.maximum(maxima[level, 0, sentence, left], maxima[level, 0, sentence, right])
    earliest = torch.maximum(maxima[level, 1, sentence, left], maxima[level, 1, sentence, right])
    return (inside > 0) & ((farthest > end) | (earliest > -start))


def _flat_optimal(spans: DecodedSpans, batch: int, length: int) -> Tensor:
    """
    Which spans, given in order of sentence, start and end, make the largest sum of scores without sharing a token.

    best[p] = max(best[p + 1], max over spans s that start at p of score(s) + best[first start at or after end(s)]),
    where p counts the positions of a sentence at which some candidate starts. Shape: (spans,)
    """
    if len(spans) == 0:
        return torch.zeros(0, dtype=torch.bool, device=spans.start.device)
    place, alternative, following = _by_start(spans, batch, length)
    places, alternatives = (torch.stack((place.max(), alternative.max())) + 1).tolist()
    cells = (spans.sentence, place, alternative)
    gain = spans.score.new_full((batch, places, alternatives), -torch.inf)
    gain[cells] = spans.score.clamp(max=_LARGE)
    after = torch.zeros_like(gain, dtype=torch.int64)
    after[cells] = following

    best = gain.new_zeros(batch, places + 1)
    for p in range(places - 1, -1, -1):
        with_span = (gain[:, p] + best.gather(1, after[:, p])).amax(1)
        best[:, p] = torch.maximum(with_span, best[:, p + 1])

    # What was chosen at each place is computed again, for all at once. Shape of these: (batch, places)
    value, choice = (gain + best.gather(1, after.flatten(1)).view_as(gain)).max(-1)
    taken = value >= best[:, 1:]
    passed_over = torch.arange(1, places + 1, device=gain.device)
    successor = torch.where(taken, after.gather(2, choice.unsqueeze(2)).squeeze(2), passed_over)
    visited = _reached_from_first(F.pad(successor, (0, 1), value=places))[:, :-1] & taken
    return visited[spans.sentence, place] & (choice[spans.sentence, place] == alternative)


def _by_start(spans: DecodedSpans, batch: int, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    For each span the place of its start among the distinct starts of its sentence, its own place among the spans that
    start there, and the place of the first start at or after its end. Shape of each: (spans,)
    """
    sentence, start = spans.sentence, spans.start
    key = sentence * (length + 1) + start
    starts, group, sizes = torch.unique_consecutive(key, return_inverse=True, return_counts=True)
    starts_per_sentence = torch.bincount(starts // (length + 1), minlength=batch)
    first_group = (starts_per_sentence.cumsum(0) - starts_per_sentence)[sentence]
    first_span = (sizes.cumsum(0) - sizes)[group]
    following = torch.searchsorted(starts, key - start + spans.end) - first_group
    return group - first_group, torch.arange(len(spans), device=key.device) - first_span, following


def _reached_from_first(successor: Tensor) -> Tensor:
    """
    Which places a walk from place 0 visits, by pointer doubling; the last place is its own successor. Shape of both:
    (batch, places)
    """
    reached = torch.zeros_like(successor)
    reached[:, 0] = 1
    for _ in range(successor.size(1).bit_length()):
        reached = reached.scatter_add(1, successor, reached).clamp(max=1)
        successor = successor.gather(1, successor)
    return reached.bool()
