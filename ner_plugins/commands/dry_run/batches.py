"""The batches of an epoch, without their tensors."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import torch
from allennlp.data import Instance, allennlp_collate
from allennlp.data.fields import SequenceField
from allennlp.nn.util import move_to_device

from ner_plugins.fields.lengths import padded_length
from ner_plugins.training.trainer_access import instances_of

SAMPLE = 2_000
"""The number of sentences that are looked at if the loader streams them."""


@dataclass(frozen=True)
class BatchSizes:
    """
    The sizes of the batches of an epoch.

    # Parameters

    batches : `int`
    sentences : `int`
        In all batches together.
    tokens : `int`
        In all batches together, without padding; pieces of tokens and words of a lattice, if the model has them.
    padded : `int`
        With padding.
    largest : `int`
        The padded tokens of the largest batch.
    whole : `bool`
        Whether these are all batches of an epoch, rather than those of a sample of the data.
    """

    batches: int
    sentences: int
    tokens: int
    padded: int
    largest: int
    whole: bool

    @property
    def padding(self) -> float:
        """The share of padding."""
        return 1.0 - self.tokens / self.padded if self.padded else 0.0


class DrawnBatches:
    """
    The batches that a loader would make in one epoch.

    # Parameters

    loader : `Any`
        A `DataLoader`, indexed.
    device : `torch.device`
        Where tensors are moved to.
    """

    def __init__(self, loader: Any, device: torch.device) -> None:
        self._device = device
        self._collate = getattr(loader, "collate_fn", allennlp_collate)
        held = instances_of(loader)
        self.instances: Sequence[Instance] = (
            list(itertools.islice(loader.iter_instances(), SAMPLE)) if held is None else held
        )
        self._given: Optional[int] = getattr(loader, "batches_per_epoch", None)
        self.places = [list(places) for places in self._draw(loader)]
        self._lengths = lengths = [padded_length(instance) or length_of(instance) for instance in self.instances]
        self._padded = [max((lengths[place] for place in places), default=0) * len(places) for places in self.places]
        self._tokens = [sum(lengths[place] for place in places) for places in self.places]
        self._whole = held is not None

    @property
    def sizes(self) -> BatchSizes:
        """The sizes of the batches of an epoch, which may be fewer than the data have (`batches_per_epoch`)."""
        number = len(self.places)
        given = self._given or number
        share = given / number if number else 0.0
        return BatchSizes(
            batches=given,
            sentences=round(share * sum(map(len, self.places))),
            tokens=round(share * sum(self._tokens)),
            padded=round(share * sum(self._padded)),
            largest=max(self._padded, default=0),
            whole=self._whole or self._given is not None,
        )

    def largest(self) -> Sequence[int]:
        """The sentences of the largest batch."""
        return self.places[self._padded.index(max(self._padded))]

    def typical(self) -> Sequence[int]:
        """The sentences of the batch whose size is nearest to the mean."""
        mean = sum(self._padded) / len(self._padded)
        return min(zip(self._padded, self.places, strict=True), key=lambda pair: abs(pair[0] - mean))[1]

    def padded_tokens(self, places: Sequence[int]) -> int:
        """The tokens of a batch, with padding."""
        return max(self._lengths[place] for place in places) * len(places)

    def tensors(self, places: Sequence[int]) -> Any:
        """The tensors of a batch."""
        return move_to_device(self._collate([self.instances[place] for place in places]), self._device)

    def _draw(self, loader: Any) -> Iterator[Sequence[int]]:
        sampler = getattr(loader, "batch_sampler", None)
        if sampler is not None:
            yield from sampler.get_batch_indices(self.instances)
            return
        size = getattr(loader, "batch_size", None) or 1
        for start in range(0, len(self.instances), size):
            yield range(start, min(start + size, len(self.instances)))


def length_of(instance: Instance) -> int:
    """The length of the longest sequence of an instance: of its tokens, for this package's readers."""
    sequences = (field for field in instance.fields.values() if isinstance(field, SequenceField))
    return max((field.sequence_length() for field in sequences), default=0)
