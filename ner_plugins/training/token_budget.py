"""Batches of equal numbers of tokens instead of equal numbers of sentences."""

import random
from itertools import pairwise
from typing import Iterator, Optional, Sequence

from allennlp.data import BatchSampler, Instance

from ner_plugins.errors import ConfigError
from ner_plugins.fields.lengths import padded_length


@BatchSampler.register("token_budget")
class TokenBudgetSampler(BatchSampler):
    """
    Batches with at most `budget` tokens, padding included: the longest sentence of a batch times their number. Batches
    take about the same time and memory, whatever the lengths of the corpus, and little of them is padding.

    Sentences are ordered by length, the longest first, and cut into batches. With `shuffle` each length changes by up
    to `noise` for the order, sentences of equal length and the batches are shuffled; all of it is drawn from Python's
    random generator. The cuts depend on the lengths alone, so every epoch has the same number of batches.

    Registered as a `BatchSampler` with name "token_budget".

    # Parameters

    budget : `int`
        The highest number of tokens in a batch, padding included and the encoder's special pieces not. Tokens are
        counted as the model pads them: as pieces where an indexer has pieces; the words of a lattice count too. A
        longer sentence is a batch of its own.
    max_sentences : `Optional[int]`, optional (default=`None`)
        The highest number of sentences in a batch.
    noise : `float`, optional (default=`0.02`)
        The share by which lengths change at random for the order; a higher share mixes sentences more, and pads more.
        Batches stay below the budget by twice this share. No effect without `shuffle`.
    max_padding : `Optional[float]`, optional (default=`None`)
        The highest share of padding in a batch, before `noise`. It makes more batches where sentences are few.
    shuffle : `bool`, optional (default=`True`)
        Whether epochs differ. Otherwise the longest sentences come first in every epoch.

    # Raises

    `ConfigError` if `budget` or `max_sentences` is below 1, or `noise` or `max_padding` is not in [0, 1).
    """

    def __init__(
        self,
        budget: int,
        max_sentences: Optional[int] = None,
        noise: float = 0.02,
        max_padding: Optional[float] = None,
        shuffle: bool = True,
    ) -> None:
        if budget < 1:
            raise ConfigError(f"token_budget.budget must be >= 1, got {budget}")
        if max_sentences is not None and max_sentences < 1:
            raise ConfigError(f"token_budget.max_sentences must be >= 1, got {max_sentences}")
        for name, share in (("noise", noise), ("max_padding", max_padding)):
            if share is not None and not 0 <= share < 1:
                raise ConfigError(f"token_budget.{name} must be from 0 to below 1, got {share}")
        self.budget = budget
        self.max_sentences = max_sentences
        self.noise = noise if shuffle else 0.0
        self.max_padding = max_padding
        self.shuffle = shuffle

    def get_batch_indices(self, instances: Sequence[Instance]) -> Iterator[list[int]]:
        """The places of each batch's instances, which have been indexed."""
        lengths = [padded_length(instance) for instance in instances]
        order = list(range(len(lengths)))
        if self.shuffle:
            random.shuffle(order)
            noisy = [length * (1 + random.uniform(-self.noise, self.noise)) for length in lengths]
            order.sort(key=lambda place: -noisy[place])
        else:
            order.sort(key=lambda place: -lengths[place])
        batches = [order[start:end] for start, end in pairwise(self._cuts(lengths))]
        if self.shuffle:
            random.shuffle(batches)
        yield from batches

    def get_num_batches(self, instances: Sequence[Instance]) -> int:
        """The number of batches of every epoch."""
        return len(self._cuts([padded_length(instance) for instance in instances])) - 1

    def get_batch_size(self) -> Optional[int]:
        """`None`, since batches have no fixed number of sentences."""
        return None

    def _cuts(self, lengths: Sequence[int]) -> list[int]:
        # Noise puts a sentence at a place of one that is shorter by a factor of at most (1 - noise) / (1 + noise).
        budget = int(self.budget * (1 - self.noise) / (1 + self.noise))
        return cut_by_budget(sorted(lengths, reverse=True), budget, self.max_sentences, self.max_padding)


def cut_by_budget(
    lengths: Sequence[int], budget: int, max_sentences: Optional[int] = None, max_padding: Optional[float] = None
) -> list[int]:
    """
    Cut sentences into batches, each as large as the limits allow.

    # Parameters

    lengths : `Sequence[int]`
        The number of tokens of each sentence, descending.
    budget, max_sentences, max_padding
        See `TokenBudgetSampler`.

    # Returns

    `list[int]`
        The place of each batch's first sentence, and the number of sentences: n + 1 numbers for n batches.
    """
    cuts = [0]
    longest = number = total = 0
    for place, length in enumerate(lengths):
        padded = (number + 1) * longest
        full = padded > budget or number == max_sentences
        if max_padding is not None:
            full = full or padded - total - length > max_padding * padded
        if number and full:
            cuts.append(place)
            number = total = 0
        if not number:
            longest = length
        number += 1
        total += length
    return [*cuts, len(lengths)] if lengths else cuts
