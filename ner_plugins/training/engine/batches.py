"""Batches of a loader's instances, in an order that can be drawn again, made ready while the step before runs."""

import hashlib
import itertools
import logging
import math
import queue
import random
import threading
from contextlib import contextmanager
from typing import Any, Iterable, Iterator, Optional, Protocol, Sequence, TypeVar

import numpy
import torch
from allennlp.data import DataLoader, Instance, Vocabulary, allennlp_collate
from allennlp.data.fields import SequenceField
from allennlp.nn.util import move_to_device

from ner_plugins.dataset_readers.augmentation.augmenter import Augmenter
from ner_plugins.distributed import max_over_ranks, min_over_ranks, rank
from ner_plugins.errors import ConfigError

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 32
READY = 2
"""The number of batches made ready in advance."""

T = TypeVar("T")
Part = dict[str, Any]
"""Sentences that go through the model together: the arguments of its `forward`."""
Batch = list[Part]
"""Sentences with one loss."""


class EpochBatches:
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
        Whether batches of `batch_size` are shuffled.
    part_size : `Optional[int]`
        Sentences per part of a batch. The sentences of a part have similar lengths, so that a CPU spends little time on
        padding. `None`: a batch is one part.
    drop_last : `bool`
        Whether a last batch of fewer than `batch_size` sentences is left out.
    seed : `Optional[int]`
        With a seed, an epoch's order depends on nothing but the seed, the epoch and the rank. `None`: on the state of
        the random generators.
    equal_on_ranks : `bool`
        Whether all ranks have equally many batches in an epoch, as a loss over the sentences of all ranks needs.
    augments : `bool`
        Whether an epoch has the copies that the loader's reader makes of its instances (`dataset_reader.augmentation`)
        in their place. Batches are drawn by the lengths of the originals, so all epochs have equally many.

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
        drop_last: bool = False,
        seed: Optional[int] = None,
        equal_on_ranks: bool = False,
        augments: bool = False,
    ) -> None:
        self.instances: list[Instance] = list(loader.iter_instances())
        for instance in self.instances:
            instance.index_fields(vocab)
        if min_over_ranks(len(self.instances), device) == 0:
            raise ConfigError("there is no instance to train on or to validate with (or fewer than processes)")
        self.seed = seed
        self._collate = getattr(loader, "collate_fn", allennlp_collate)
        self._device = device
        self._sampler = None if batch_size is not None else getattr(loader, "batch_sampler", None)
        self._shuffle = shuffle
        self._part_size = part_size
        self._batch_size = batch_size or getattr(loader, "batch_size", None) or DEFAULT_BATCH_SIZE
        self._drop_last = drop_last
        self._equal_on_ranks = equal_on_ranks
        self._augmenter = _augmenter(loader, self.instances, vocab, seed) if augments else None

    @property
    def number(self) -> int:
        """The number of batches in an epoch: see `epoch`."""
        over_ranks = min_over_ranks if self._equal_on_ranks else max_over_ranks
        return over_ranks(len(self), self._device)

    def __len__(self) -> int:
        """The number of batches of this rank."""
        if self._sampler is not None:
            return int(self._sampler.get_num_batches(self.instances))
        batches = len(self.instances) / self._batch_size
        return math.floor(batches) if self._drop_last else math.ceil(batches)

    def __iter__(self) -> Iterator[Batch]:
        return made_ready(self._batches(list(self._draw())))  # drawn here: a thread has no order of its own

    def epoch(self, epoch: int, start: int = 0) -> tuple[int, Iterator[Batch]]:
        """
        The batches of an epoch, from batch `start` on. A rank with fewer batches than another ends early, unless excess
        ones are left out (`equal_on_ranks`).

        # Returns

        `tuple[int, Iterator[Batch]]`
            The number of batches in the whole epoch, of the rank that has most; and those of this rank from `start` on.
        """
        with seeded(self.seed, epoch):
            drawn = list(self._draw())
        over_ranks = min_over_ranks if self._equal_on_ranks else max_over_ranks
        number = over_ranks(len(drawn), self._device)
        return number, made_ready(self._batches(drawn[start:number], epoch))

    def sampled(self, number: int) -> Iterator[Batch]:
        """Batches of at most `number` instances, the same in each call. No shared random generator is used."""
        every = range(len(self.instances))
        places = self._by_length(every if len(every) <= number else random.Random(0).sample(every, number))
        return self._batches(places[i : i + DEFAULT_BATCH_SIZE] for i in range(0, len(places), DEFAULT_BATCH_SIZE))

    def _batches(self, drawn: Iterable[Sequence[int]], epoch: Optional[int] = None) -> Iterator[Batch]:
        for places in drawn:
            batch = []
            for part in self._parts(places):
                instances = [self._instance(place, epoch) for place in part]
                batch.append(to_device(self._collate(instances), self._device))
            yield batch

    def _instance(self, place: int, epoch: Optional[int]) -> Instance:
        instance = self.instances[place]
        return instance if epoch is None or self._augmenter is None else self._augmenter(instance, epoch)

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
        end = number - number % self._batch_size if self._drop_last else number
        for start in range(0, end, self._batch_size):
            yield order[start : start + self._batch_size]


def to_device(value: Any, device: torch.device) -> Any:
    """Tensors in nested containers, moved to a device. The copy to a GPU does not wait for the work queued there."""
    if device.type != "cuda":
        return move_to_device(value, device)
    if isinstance(value, torch.Tensor):
        return value.pin_memory().to(device, non_blocking=True)
    if isinstance(value, dict):
        return {name: to_device(one, device) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(one, device) for one in value))
    if isinstance(value, (list, tuple)):
        return type(value)(to_device(one, device) for one in value)
    return value


class StreamedBatches:
    """
    The batches of a loader that reads its data again in each epoch (`max_instances_in_memory`), or whose epochs are not
    passes over the data (`batches_per_epoch`). To continue within an epoch, the batches before are read and left out.

    # Parameters

    loader : `DataLoader`
    seed : `Optional[int]`
        See `EpochBatches`; the order of loaders with several workers depends on their speed nevertheless.
    """

    def __init__(self, loader: DataLoader, seed: Optional[int]) -> None:
        self.seed = seed
        self._loader = loader

    @property
    def number(self) -> Optional[int]:
        """The number of batches, or `None` if the loader does not know it."""
        try:
            return len(self._loader)
        except TypeError:
            return None

    def epoch(self, epoch: int, start: int = 0) -> tuple[Optional[int], Iterator[Batch]]:
        """The number of batches, if it is known, and the batches from `start` on."""
        if start:
            logger.info("reading %d batches of epoch %d again", start, epoch)
        batches = seeded_apart(iter(self._loader), self.seed, epoch)
        return self.number, ([batch] for batch in itertools.islice(batches, start, None))


class Batches(Protocol):
    """The batches of every epoch, such as `EpochBatches` and `StreamedBatches`."""

    seed: Optional[int]

    @property
    def number(self) -> Optional[int]:
        """The number of batches in an epoch, or `None` if it is not known."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> tuple[Optional[int], Iterator[Batch]]:
        """The number of batches in an epoch, and the batches from `start` on."""
        ...


class CountedBatches(Batches, Protocol):
    """Batches whose number is known."""

    @property
    def number(self) -> int:
        """The number of batches in an epoch."""
        ...


def batches_of(
    loader: DataLoader, vocab: Vocabulary, device: torch.device, seed: Optional[int], augments: bool = False
) -> Batches:
    """
    The batches of a loader as its options say, in memory where the loader keeps them in memory.

    # Raises

    `ConfigError` if they are to be augmented (`augments`), but the loader reads them again in each epoch.
    """
    streams = any(getattr(loader, name, None) is not None for name in ("max_instances_in_memory", "batches_per_epoch"))
    if streams or not hasattr(loader, "batch_sampler"):
        if augments and getattr(getattr(loader, "reader", None), "augmentation", None):
            raise ConfigError(
                "dataset_reader.augmentation needs all training sentences in memory: leave max_instances_in_memory and "
                "batches_per_epoch out of data_loader"
            )
        return StreamedBatches(loader, seed)
    options = {name: bool(getattr(loader, name, False)) for name in ("shuffle", "drop_last")}
    size = getattr(loader, "batch_size", None)
    return EpochBatches(loader, vocab, device, size, seed=seed, augments=augments, **options)


def prepare_distillation(model: Any, batches: Batches, device: torch.device) -> None:
    """
    Let a model's teacher predict the training sentences, if it has one and they are in memory (`Distillation.prepare`);
    others it predicts when they come.
    """
    distillation = getattr(model, "distillation", None)
    if isinstance(batches, EpochBatches) and distillation is not None:
        distillation.prepare([one["metadata"].metadata for one in batches.instances], device)


@contextmanager
def seeded(seed: Optional[int], epoch: int) -> Iterator[None]:
    """
    The random generators of Python, numpy and torch (on the CPU) seeded by `seed`, `epoch` and the rank, and restored
    afterwards. Without a seed they stay as they are.
    """
    if seed is None:
        yield
        return
    kept = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    digest = hashlib.sha256(f"{seed} {epoch} {rank()}".encode()).digest()
    number = int.from_bytes(digest[:4], "big")
    random.seed(number)
    numpy.random.seed(number)
    torch.default_generator.manual_seed(number)  # of the CPU alone: a GPU's state would have to be copied to the host
    try:
        yield
    finally:
        _set_states(kept)


def seeded_apart(items: Iterator[T], seed: Optional[int], epoch: int) -> Iterator[T]:
    """The same items, made with random states of their own, which start from `seed` and `epoch` (see `seeded`)."""
    if seed is None:
        yield from items
        return
    with seeded(seed, epoch):
        own = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    while True:
        kept = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
        _set_states(own)
        try:
            item = next(items)
        except StopIteration:
            return
        finally:
            own = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
            _set_states(kept)
        yield item


def _set_states(states: tuple[Any, Any, torch.Tensor]) -> None:
    random.setstate(states[0])
    numpy.random.set_state(states[1])
    torch.set_rng_state(states[2])


def made_ready(items: Iterator[T], number: int = READY) -> Iterator[T]:
    """
    The same items, made in a thread of their own, up to `number` in advance. What making one raises is raised in its
    place. The thread ends with the iteration, also one that is given up.
    """
    ready: queue.Queue[tuple[Optional[T], Optional[BaseException]]] = queue.Queue(number)
    given_up = threading.Event()

    def put(item: Optional[T], error: Optional[BaseException]) -> None:
        while not given_up.is_set():
            try:
                return ready.put((item, error), timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item, None)
                if given_up.is_set():
                    return
            put(None, StopIteration())
        except BaseException as error:  # raised again by the consumer
            put(None, error)

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        given_up.set()
        thread.join()


def _augmenter(
    loader: DataLoader, instances: Sequence[Instance], vocab: Vocabulary, seed: Optional[int]
) -> Optional[Augmenter]:
    """What changes the sentences, if the loader's reader has augmentations."""
    reader = getattr(loader, "reader", None)
    return Augmenter(reader, instances, vocab, seed or 0) if getattr(reader, "augmentation", None) else None


def _length(instance: Instance) -> int:
    """The length of the longest sequence."""
    sequences = (field for field in instance.fields.values() if isinstance(field, SequenceField))
    return max((field.sequence_length() for field in sequences), default=0)
