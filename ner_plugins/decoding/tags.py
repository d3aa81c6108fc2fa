"""From the scores of tags to entities: the best tagging, and each entity's probability (the head `tags`)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ner_plugins.decoding.chains import ChainMessages, ChainScores, best_taggings, best_tags, log_sum, messages
from ner_plugins.decoding.found_spans import Floats, FoundSpans, Ints, no_spans

_INSIDE = 1  # index of the letter of inner tokens in every scheme
_FORBIDDEN = -1e6  # the penalty of what a scheme does not allow
_SMALLEST = 1e-7  # probabilities of one or zero have no finite log-odds


@dataclass(frozen=True)
class TagDecoder:
    """
    Decodes emissions.

    # Parameters

    scores : `ChainScores`
    continues : `NDArray[np.bool_]`
        [i, j]: tag j right after tag i continues the same entity. Tag 0 is `O`; the others are those of the first type,
        by letter, then those of the second, and so on. Shape: (tags, tags)
    letters : `int`
        The number of letters of the scheme.
    """

    scores: ChainScores
    continues: NDArray[np.bool_]
    letters: int

    def decode(self, emissions: Floats, lengths: Ints, thresholds: Floats) -> FoundSpans:
        """
        The entities of the best tagging whose probability reaches their type's threshold.

        # Parameters

        emissions : `Floats`
            Shape: (batch, length, tags)
        lengths : `Ints`
            The number of tokens of each text. Shape: (batch,)
        thresholds : `Floats`
            Shape: (types,)
        """
        with np.errstate(invalid="ignore"):  # of scores that are not numbers
            tags, best = best_tags(emissions, lengths, self.scores)
            invalid = np.flatnonzero(~np.isfinite(best)).tolist()
            spans = self._spans(tags, lengths)
            if len(spans) == 0:
                return no_spans(invalid)
            probability = self._probabilities(emissions, lengths, spans).astype(np.float32)
        clamped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
        spans.score, spans.probability, spans.invalid = np.log(clamped / (1 - clamped)), probability, invalid
        return spans.select(probability >= thresholds[spans.type])

    def n_best(self, emissions: Floats, number: int) -> list[tuple[list[tuple[int, int, int]], float]]:
        """
        The best taggings that the scheme allows, best first: entities as (first token, last token + 1, type id), and
        the tagging's probability. Shape of `emissions`: (length, tags)
        """
        tags, totals = best_taggings(emissions, self.scores, number)
        lengths = np.full(1, len(emissions))
        log_z = float(messages(emissions[None], lengths, self.scores).log_partition[0])
        found = []
        for tagging, total in zip(tags, totals.tolist(), strict=True):
            if total > _FORBIDDEN / 2:
                [rows] = self._spans(tagging[None], lengths).rows(1)
                found.append(([(start, end, type_id) for start, end, type_id, _ in rows], float(np.exp(total - log_z))))
        return found

    def _spans(self, tags: Ints, lengths: Ints) -> FoundSpans:
        """The entities in taggings. Their scores and probabilities are 0."""
        batch, length = tags.shape
        padded = np.zeros((batch, length + 2), np.int64)  # `O` on both sides of each row
        padded[:, 1:-1] = tags
        flat = padded.reshape(-1)
        before = np.concatenate(([0], flat[:-1]))
        goes_on = self.continues[before, flat]
        starts, stops = np.flatnonzero((flat > 0) & ~goes_on), np.flatnonzero(~goes_on)
        if len(starts) == 0:
            return no_spans()
        ends = stops[np.searchsorted(stops, starts, side="right")]
        sentence, start = np.divmod(starts, length + 2)
        nothing = np.zeros(len(starts), np.float32)
        return FoundSpans(
            sentence, start - 1, start - 1 + ends - starts, (flat[starts] - 1) // self.letters, nothing, nothing
        )

    def _probabilities(self, emissions: Floats, lengths: Ints, spans: FoundSpans) -> NDArray[np.float64]:
        """
        The probability that a tagging has exactly this entity there: forward message, path through the span, backward
        message (`ner_plugins.modules.crf.entity_probabilities`). Shape: (spans,)
        """
        # This does not change probabilities, and keeps messages small.
        emissions = emissions - emissions.max(2, keepdims=True)
        found = messages(emissions, lengths, self.scores)
        own = emissions.astype(np.float64)
        first, last, sentence = spans.start, spans.end - 1, spans.sentence
        # The tags of each span's type, by letter. Shape: (spans, letters)
        tags = spans.type[:, None] * self.letters + 1 + np.arange(self.letters)
        transitions = self.scores.transitions.astype(np.float64)
        borders = np.where(self.continues, -np.inf, transitions)
        begins = self._begins(found, own, borders, (sentence, first), tags)
        ends = self._ends(found, own, borders, (sentence, last), tags, lengths)
        within = np.where(self.continues, transitions, -np.inf)
        path = self._paths(own, within, (sentence, first, last), tags, begins, ends)
        probability: NDArray[np.float64] = np.exp(path - found.log_partition[sentence])
        return probability

    def _begins(
        self,
        found: ChainMessages,
        own: NDArray[np.float64],
        borders: NDArray[np.float64],
        place: tuple[Ints, Ints],
        tags: Ints,
    ) -> NDArray[np.float64]:
        """The log-sum of taggings up to the first token, where an entity begins with each of `tags`."""
        sentence, first = place
        before = found.forward[sentence, np.maximum(first - 1, 0)][:, None, :]  # Shape: (spans, 1, tags)
        received = log_sum(before + borders.T[tags], 2)
        received = np.where((first == 0)[:, None], self.scores.start[tags], received)
        begins: NDArray[np.float64] = received + own[sentence[:, None], first[:, None], tags]
        return begins

    def _ends(
        self,
        found: ChainMessages,
        own: NDArray[np.float64],
        borders: NDArray[np.float64],
        place: tuple[Ints, Ints],
        tags: Ints,
        lengths: Ints,
    ) -> NDArray[np.float64]:
        """The log-sum of taggings after the last token, where an entity ends with each of `tags`."""
        sentence, last = place
        following = np.minimum(last + 1, own.shape[1] - 1)
        after = (own[sentence, following] + found.backward[sentence, following])[:, None, :]
        received = log_sum(after + borders[tags], 2)
        return np.where((last == lengths[sentence] - 1)[:, None], self.scores.end[tags], received)

    def _paths(
        self,
        own: NDArray[np.float64],
        within: NDArray[np.float64],
        places: tuple[Ints, Ints, Ints],
        tags: Ints,
        begins: NDArray[np.float64],
        ends: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The log-sum of all taggings with each entity, from `begins`, its path and `ends`. Shape: (spans,)"""
        sentence, first, last = places
        arcs = within[tags[:, :, None], tags[:, None, :]]  # Shape: (spans, letters, letters)
        ends_after = own[sentence[:, None], last[:, None], tags] + ends  # Shape: (spans, letters)
        two = log_sum((begins[:, :, None] + arcs + ends_after[:, None, :]).reshape(len(tags), -1), 1)
        # Inner tokens have only one possible tag, so their score is a difference of two cumulative sums.
        inside = own[..., 1 + _INSIDE :: self.letters]  # Shape: (batch, length, types)
        sums = np.zeros((inside.shape[0], inside.shape[1] + 1, inside.shape[2]))
        np.cumsum(np.maximum(inside, -1e8), axis=1, out=sums[:, 1:])
        column = (tags[:, 0] - 1) // self.letters
        inner = sums[sentence, last, column] - sums[sentence, np.minimum(first + 1, last), column]
        inner = inner + np.maximum(last - first - 2, 0) * arcs[:, _INSIDE, _INSIDE]
        more = log_sum(begins + arcs[:, :, _INSIDE], 1) + inner + log_sum(arcs[:, _INSIDE] + ends_after, 1)
        return np.where(first == last, log_sum(begins + ends, 1), np.where(first + 1 == last, two, more))
