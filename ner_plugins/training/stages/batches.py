"""Batches for a stage, from the trainer's instances but without touching the state of the trainer's loader."""

import math
import random
from typing import Any, Iterable, Iterator, Optional, Sequence

import torch
from allennlp.data import DataLoader, Instance, Vocabulary, allennlp_collate
from allennlp.data.fields import SequenceField
from allennlp.nn.util import move_to_device

from ner_plugins.distributed import min_over_ranks
from ner_plugins.errors import ConfigError

DEFAULT_BATCH_SIZE = 32

Part = dict[str, Any]
"""Sentences that go through the model together: the arguments of its `forward`."""
Batch = list[Part]
"""Sentences with one loss."""


class StageBatches:
    """
    Batches of all instances of a loader, in each iteration. The loader's own order and position do not change. In
    distributed training a loader's instances are its rank's share of the data.

    # Parameters

    loader : `DataLoader`
        Its instances are kept in memory, even if the loader reads them again in each epoch.
    vocab : `Vocabulary`
    device : `torch.device`
        The device of the batches.
    batch_size : `Optional[int]`
        Sentences per batch. `None`: batches as the loader makes them, with its sampler if it has one.
    shuffle : `bool`
        Whether batches of `batch_size` are shuffled, with torch's generator.
    part_size : `Optional[int]`
        Sentences per part of a batch. The sentences of a part have similar lengths, so that a CPU spends little time on
        padding. `None`: a batch is one part.

    # Raises

    `ConfigError` if a rank has no instance.
    """

    def __init__(
        self,
        loader: DataLoader,
        vocab: Vocabulary,
        device: torch.device,
        batch_size: Optional[int] = None,
        shuffle: bool = False,
        part_size: Optional[int] = None,
    ) -> None:
        self.instances: list[Instance] = list(loader.iter_instances())
        for instance in self.instances:
            instance.index_fields(vocab)
        if min_over_ranks(len(self.instances), device) == 0:
            raise ConfigError("there is no instance to train on or to validate with (or fewer than processes)")
        self._collate = getattr(loader, "collate_fn", allennlp_collate)
        self._device = device
        self._sampler = None if batch_size is not None else getattr(loader, "batch_sampler", None)
        self._shuffle = shuffle
        self._part_size = part_size
        self._batch_size = batch_size or getattr(loader, "batch_size", None) or DEFAULT_BATCH_SIZE

    def __len__(self) -> int:
        """The number of batches of this rank."""
        if self._sampler is not None:
            return int(self._sampler.get_num_batches(self.instances))
        return math.ceil(len(self.instances) / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self._batches(self._draw())

    def epoch_for_all_ranks(self) -> tuple[int, Iterator[Batch]]:
        """The number of batches, equal on all ranks, and the batches as in iteration; excess ones are left out."""
        drawn = list(self._draw())
        number = min_over_ranks(len(drawn), self._device)
        return number, self._batches(drawn[:number])

    def sampled(self, number: int) -> Iterator[Batch]:
        """Batches of at most `number` instances, the same in each call. No shared random generator is used."""
        every = range(len(self.instances))
        places = self._by_length(every if len(every) <= number else random.Random(0).sample(every, number))
        return self._batches(places[i : i + DEFAULT_BATCH_SIZE] for i in range(0, len(places), DEFAULT_BATCH_SIZE))

    def _batches(self, drawn: Iterable[Sequence[int]]) -> Iterator[Batch]:
        for places in drawn:
            batch = []
            for part in self._parts(places):
                tensors = self._collate([self.instances[place] for place in part])
                batch.append(move_to_device(tensors, self._device))
            yield batch

    def _parts(self, places: Sequence[int]) -> Iterator[Sequence[int]]:
        if self._part_size is None or len(places) <= self._part_size:
            yield places
            return
        by_length = self._by_length(places)
        for start in range(0, len(places), self._part_size):
            yield by_length[start : start + self._part_size]

    def _by_length(self, places: Iterable[int]) -> list[int]:
        return sorted(places, key=lambda place: (_length(self.instances[place]), place))

    def _draw(self) -> Iterator[Sequence[int]]:
        if self._sampler is not None:
            yield from self._sampler.get_batch_indices(self.instances)
            return
        number = len(self.instances)
        order = torch.randperm(number).tolist() if self._shuffle else list(range(number))
        for start in range(0, number, self._batch_size):
            yield order[start : start + self._batch_size]


def _length(instance: Instance) -> int:
    """The length of the longest sequence."""
    sequences = (field for field in instance.fields.values() if isinstance(field, SequenceField))
    return max((field.sequence_length() for field in sequences), default=0)
