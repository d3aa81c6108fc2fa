"""The head `pointer`: labels of the tokens that start, and that end, an entity of each type."""

from dataclasses import replace
from typing import Any, ClassVar, Iterable, Literal, NamedTuple, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ner_plugins.heads.band import span_mask
from ner_plugins.heads.candidates import TypeBand
from ner_plugins.heads.decoding import DecodedSpans, decode_spans
from ner_plugins.heads.distributions import DistributionAxis, inside, log_softmax
from ner_plugins.heads.divergence import symmetric_divergence
from ner_plugins.heads.head import Head
from ner_plugins.heads.span_head import SpanHead
from ner_plugins.heads.type_axes import Axes
from ner_plugins.modules.crf.tagging import TagSet
from ner_plugins.modules.losses.weighted_loss import WeightedLoss

PointerDecoding = Literal["flat_greedy", "flat_optimal", "published"]


class PointerScores(NamedTuple):
    """
    The scores of a `PointerHead`, before the start labels are known that the ends depend on.

    # Parameters

    start : `torch.Tensor`
        Logits of the label that each token starts. Shape: (batch, length, classes)
    end_hidden : `torch.Tensor`
        The end layer's hidden units without the term of the start labels. Shape: (batch, length, dim + classes)
    """

    start: Tensor
    end_hidden: Tensor


@Head.register("pointer")
class PointerHead(SpanHead):
    """
    Start and end pointers, as bert4ner.pytorch's "span": each token has one label as an entity's first token and one as
    its last, a type or class 0. The ends depend on the start label `s` of their own token: `[H; s]` through linear,
    tanh, layer norm, linear, where `s` is gold in training and inferred in evaluation (also for the validation loss).

    Gold is flat: of entities that overlap, the longest, then the leftmost, then the one with the lowest type id gives
    the labels, so no token has two. Entities wider than `max_span_width` give none.

    The score of a span and type is the sum of two log-probabilities: that its first token starts, and that its last
    token ends, the type. Its margin is the difference to the same sum for class 0, so `flat_optimal` finds the most
    likely labels of all that spell flat entities. `flat_greedy` may join two neighbours of one type, if the first start
    and the last end score higher than either entity. An entity's probability is the product of the two.

    # Parameters

    encoding_dim, types, max_span_width
        See `SpanHead`.
    conditioning : `str`, optional (default=`"soft"`)
        What the ends depend on in evaluation: `soft`, the probabilities of the start labels; `hard`, the likeliest.
    decoding : `str`, optional (default=`"flat_optimal"`)
        `flat_greedy`, `flat_optimal` or `published`.
    **kwargs
        See `SpanHead`. The cells of `loss` and of `negative_sampling` are tokens here.
    """

    scores_band: ClassVar[bool] = False
    decodings: ClassVar[tuple[str, ...]] = ("flat_greedy", "flat_optimal", "published")
    """`published`: each token whose likeliest start label is a type, up to the first at or after it whose end label is
    the same. Such spans may overlap."""

    def __init__(
        self,
        encoding_dim: int,
        types: Sequence[str],
        max_span_width: Optional[int] = None,
        conditioning: Literal["soft", "hard"] = "soft",
        decoding: PointerDecoding = "flat_optimal",
        **kwargs: Any,
    ) -> None:
        super().__init__(encoding_dim, types, max_span_width=max_span_width, decoding=decoding, **kwargs)
        self.conditioning = conditioning
        self._tag_set = pointer_tags(len(types))
        units = encoding_dim + self.num_classes
        self.start = nn.Linear(encoding_dim, self.num_classes)
        self.end_hidden = nn.Linear(units, units)
        self.end_norm = nn.LayerNorm(units)
        self.end = nn.Linear(units, self.num_classes)

    def score(self, encoded: Tensor, mask: Tensor) -> PointerScores:
        """Start logits, and the term of the ends that does not depend on starts."""
        of_token = self.end_hidden.weight[:, : self.encoding_dim]
        return PointerScores(self.start(encoded), F.linear(encoded, of_token, self.end_hidden.bias))

    def end_logits(self, scores: PointerScores, starts: Optional[Tensor] = None) -> Tensor:
        """
        Logits of the label that each token ends.

        # Parameters

        scores : `PointerScores`
            As `score` returns them.
        starts : `Optional[torch.LongTensor]`, optional (default=`None`)
            The start labels that the ends depend on; `None` infers them as `conditioning` says. Shape: (batch, length)

        # Returns

        `torch.Tensor`
            Shape: (batch, length, classes)
        """
        of_label = self.end_hidden.weight[:, self.encoding_dim :]  # Shape: (dim + classes, classes)
        if starts is None and self.conditioning == "soft":
            by_start = F.linear(scores.start.softmax(-1), of_label)
        else:
            by_start = F.embedding(scores.start.argmax(-1) if starts is None else starts, of_label.t())
        logits: Tensor = self.end(self.end_norm(torch.tanh(scores.end_hidden + by_start)))
        return logits

    def weighted_loss(
        self, scores: PointerScores, entities: Tensor, mask: Tensor, weights: Optional[Tensor] = None
    ) -> WeightedLoss:
        """Half the sum of `span_loss` of the starts and of the ends, each over the tokens of the texts."""
        batch = len(mask)
        starts, ends = pointer_targets(entities, mask, self._tag_set, self.max_span_width)
        end_logits = self.end_logits(scores, starts if self.training else None)
        of_starts = self.span_loss.weighted(scores.start, starts, mask, batch, self.negative_sampling, weights)
        of_ends = self.span_loss.weighted(end_logits, ends, mask, batch, self.negative_sampling, weights)
        # The numbers differ only where negatives are sampled.
        return WeightedLoss((of_starts.loss + of_ends.loss) / 2, (of_starts.number + of_ends.number) / 2)

    def divergence(
        self,
        first: PointerScores,
        second: PointerScores,
        entities: Tensor,
        mask: Tensor,
        weights: Optional[Tensor] = None,
    ) -> Tensor:
        """Half the sum of that of the start labels and that of the end labels, of each token; as `loss`."""
        starts = None
        if self.training:
            starts, _ = pointer_targets(entities, mask, self._tag_set, self.max_span_width)
        ends = [self.end_logits(scores, starts) for scores in (first, second)]
        of_starts = symmetric_divergence(first.start, second.start, mask, weights=weights)
        return (of_starts + symmetric_divergence(ends[0], ends[1], mask, weights=weights)) / 2

    def distributions(self, scores: PointerScores, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """
        Those of the start label and of the end label of each token, the ends for the starts that the head itself
        infers. Shape: (batch, tokens, 2, classes)
        """
        both = torch.stack((scores.start, self.end_logits(scores)), -2)
        return inside(log_softmax(both, temperature), mask)

    def distribution_axis(self) -> DistributionAxis:
        """The labels."""
        return DistributionAxis("the labels of first and of last tokens", -1, self.classes)

    def type_axes(self) -> dict[str, Axes]:
        """
        Both layers of labels, and the units between them, of which there is one for each label. The layer norm goes
        over those of new types too, so that the ends of the types that stay change a little at first.
        """
        classes = self.classes
        units = [*range(self.encoding_dim), *classes]
        return {
            "start.weight": (classes, None),
            "start.bias": (classes,),
            "end_hidden.weight": (units, units),
            "end_hidden.bias": (units,),
            "end_norm.weight": (units,),
            "end_norm.bias": (units,),
            "end.weight": (classes, units),
            "end.bias": (classes,),
        }

    @torch.no_grad()
    def decode(self, scores: PointerScores, mask: Tensor, thresholds: Optional[Tensor] = None) -> DecodedSpans:
        """The spans that `decoding` keeps; `decoding_score` ranks those of `flat_greedy`."""
        return self.decode_logits(self.logits_of(scores, mask), mask, thresholds)

    def logits_of(self, scores: PointerScores, mask: Tensor) -> tuple[Tensor, ...]:
        """The logits of the start and of the end labels. Shape of each: (batch, length, classes)"""
        return scores.start, self.end_logits(scores)

    @torch.no_grad()
    def decode_logits(
        self, logits: tuple[Tensor, ...], mask: Tensor, thresholds: Optional[Tensor] = None
    ) -> DecodedSpans:
        """`decode` of the logits of both labels."""
        starts, ends = map(_log_softmax, logits)
        if self.decoding == "published":
            return published_spans(starts, ends, mask, self.max_span_width, thresholds)
        width = self.band_width(mask.size(1))
        pairs, likely = best_pairs(starts, ends, width, thresholds)
        # The logit of a pair is the logarithm of its probability.
        rank_by = "logit" if self.decoding_score == "probability" else self.decoding_score
        spans = decode_spans(pairs, span_mask(mask, width) & likely, self.decoding, score=rank_by)
        sums = starts[spans.sentence, spans.start] + ends[spans.sentence, spans.end - 1]  # Shape: (spans, classes)
        logit, type_id = sums[:, 1:].max(1)
        return replace(spans, type=type_id, probability=logit.exp())

    @torch.no_grad()
    def _band_of_types(self, scores: PointerScores) -> Iterable[TypeBand]:
        """The product of the two labels' probabilities, for each typed span."""
        starts, ends = _log_softmax(scores.start), _log_softmax(self.end_logits(scores))
        width = self.band_width(starts.size(1))
        # Shape of this and of `none`: (batch, length, width)
        sums = ((starts[..., label, None] + _unfolded(ends[..., label], width)) for label in range(self.num_classes))
        none = next(sums)
        for pair in sums:
            yield TypeBand(pair.exp(), pair - none)


def _unfolded(ends: Tensor, width: int) -> Tensor:
    """Of the ends of a label, shape (batch, length), those at each width. Shape: (batch, length, width)"""
    return F.pad(ends, (0, width - 1)).unfold(1, width, 1)


def pointer_tags(num_types: int) -> TagSet:
    """Tags that mark first and last tokens. Names decide between types on one span, so they sort as the ids do."""
    return TagSet([f"{type_id:09}" for type_id in range(num_types)], "BIOES")


def pointer_targets(
    entities: Tensor, mask: Tensor, tag_set: TagSet, max_span_width: Optional[int] = None
) -> tuple[Tensor, Tensor]:
    """
    The label that each token starts, and the label that it ends, for the entities that flat tags can represent.

    # Parameters

    entities : `torch.LongTensor`
        Rows of (first token, last token + 1, type id); a padding row is all -1. Shape: (batch, entities, 3)
    mask : `torch.BoolTensor`
        Which tokens are real. Shape: (batch, length)
    tag_set : `TagSet`
        `pointer_tags` of the number of types.
    max_span_width : `Optional[int]`, optional (default=`None`)
        Wider entities are left out.

    # Returns

    `tuple[torch.LongTensor, torch.LongTensor]`
        Type id + 1, or 0. Shape of each: (batch, length)
    """
    if max_span_width is not None:
        wide = entities[..., 1] - entities[..., 0] > max_span_width
        entities = entities.masked_fill(wide.unsqueeze(-1), -1)
    tags = tag_set.targets(entities, mask)
    letters = len(tag_set.letters)
    label, letter = (tags - 1).div(letters, rounding_mode="floor") + 1, (tags - 1) % letters  # label 0 for O
    begin, end, single = (letter == tag_set.letters.index(name) for name in "BES")
    return label.where(begin | single, 0), label.where(end | single, 0)


@torch.no_grad()
def best_pairs(starts: Tensor, ends: Tensor, width: int, threshold: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:
    """
    The log-probability of every span in a band of widths, for its most likely type.

    # Parameters

    starts, ends : `torch.Tensor`
        Log-probabilities of each token's start, and end, label. Shape: (batch, length, classes)
    width : `int`
        The number of widths.
    threshold : `Optional[torch.Tensor]`, optional (default=`None`)
        The least probability of each type. Shape: (classes - 1,)

    # Returns

    pairs : `torch.Tensor`
        The sum of the first token's start and the last token's end, for class 0 and for the type for which it is
        largest. Cells past the end are finite and have no meaning. Shape: (batch, length, width, 2)
    likely : `torch.BoolTensor`
        Where the type reaches its threshold, or the sum is NaN. Shape: (batch, length, width)
    """
    starts = starts.permute(2, 0, 1).contiguous().unsqueeze(3)  # Shape: (classes, batch, length, 1)
    ends = F.pad(ends.permute(2, 0, 1).contiguous(), (0, width - 1)).unfold(2, width, 1)  # (…, length, width)
    none, best = starts[0] + ends[0], starts[1] + ends[1]
    # Types are needed only for a threshold above 0, which is rare. To find out, the host would wait for an accelerator.
    wanted = threshold is not None and (threshold.device.type != "cpu" or bool((threshold > 0).any()))
    types = torch.zeros_like(best, dtype=torch.int16)
    # One type at a time (there are few), so that no tensor holds the band for all types.
    sums = torch.empty_like(best)
    for type_id in range(1, len(starts) - 1):
        torch.add(starts[type_id + 1], ends[type_id + 1], out=sums)
        if wanted:
            torch.maximum(types, (sums > best).to(types.dtype).mul_(type_id), out=types)
        torch.maximum(best, sums, out=best)
    # The pair is the outermost dimension in memory, where decoding is fastest.
    pairs = torch.stack((none, best)).permute(1, 2, 3, 0)
    if threshold is None or not wanted:
        return pairs, torch.ones_like(best, dtype=torch.bool)
    return pairs, ~(best < threshold.to(best).log()[types.long()])


def published_spans(
    starts: Tensor,
    ends: Tensor,
    mask: Tensor,
    max_span_width: Optional[int] = None,
    threshold: Optional[Tensor] = None,
) -> DecodedSpans:
    """
    The published decoding: for each token whose likeliest start label is a type, the span up to the first token at or
    after it whose likeliest end label is that type, if there is one. Several spans may have one end, or overlap.

    # Parameters

    starts, ends : `torch.Tensor`
        Log-probabilities of each token's start, and end, label. Shape: (batch, length, classes)
    mask : `torch.BoolTensor`
        Which tokens are real. Shape: (batch, length)
    max_span_width : `Optional[int]`, optional (default=`None`)
        Wider spans are left out; the published decoding has no limit.
    threshold : `Optional[torch.Tensor]`, optional (default=`None`)
        The least probability of each type. Shape: (classes - 1,)

    # Returns

    `DecodedSpans`
        On the device of `starts`; `invalid` are the sentences that have a NaN score.
    """
    length = mask.size(1)
    start_label, end_label = starts.argmax(-1), ends.argmax(-1)  # Shape of each: (batch, length)
    token = torch.arange(length, device=starts.device)
    # The first token from each on that ends each label; `length` for none. Shape: (batch, classes, length)
    labels = torch.arange(starts.size(-1), device=starts.device).unsqueeze(1)
    ends_label = (end_label.unsqueeze(1) == labels) & mask.unsqueeze(1)
    nearest = torch.where(ends_label, token, length).flip(2).cummin(2).values.flip(2)
    last = nearest.gather(1, start_label.unsqueeze(1)).squeeze(1)  # Shape: (batch, length)
    found = (start_label > 0) & mask & (last < length)
    if max_span_width is not None:
        found &= last - token < max_span_width
    sentence, start = found.nonzero(as_tuple=True)

    last, label = last[sentence, start], start_label[sentence, start]
    logit = starts[sentence, start, label] + ends[sentence, last, label]
    margin = logit - (starts[sentence, start, 0] + ends[sentence, last, 0])
    broken = ((starts + ends).isnan().any(-1) & mask).any(1)
    spans = DecodedSpans(sentence, start, last + 1, label - 1, margin, logit.exp(), broken.nonzero().flatten())
    if threshold is None:
        return spans
    return spans.select(~(spans.probability < threshold.to(logit)[spans.type]))


def _log_softmax(logits: Tensor) -> Tensor:
    return (logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits).log_softmax(-1)
