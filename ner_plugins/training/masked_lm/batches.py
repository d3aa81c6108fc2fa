"""Batches of masked sentences, which can be drawn again for any epoch."""

from typing import Iterator, Optional, Sequence

import numpy as np
import torch

from ner_plugins.distributed import min_over_ranks, rank
from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.batches import Batch, Part, made_ready, to_device
from ner_plugins.training.masked_lm.masking import Ints, MaskableSentence, Masking, draws_of

FIXED = -1
"""The epoch of the masks of validation data."""
_POOL = 32  # batches whose sentences are sorted by length together


class MaskedBatches:
    """
    Batches of sentences of similar lengths. An epoch's order and masks depend on nothing but the seed, the epoch and
    (the order) the rank. In distributed training each rank has sentences of its own, and all have equally many batches.

    A batch has one part: `piece_ids`, (batch, pieces), with `lengths` on the host; `places`, the flattened indices of
    the pieces to predict, and `targets`, their true ids, both (predicted pieces,); and `metadata`.

    # Parameters

    sentences : `Sequence[MaskableSentence]`
    masking : `Masking`
    batch_size : `int`
        Sentences per batch.
    padding_id : `int`
    device : `torch.device`
    seed : `int`

    # Raises

    `ConfigError` if a rank has no sentence.
    """

    def __init__(
        self,
        sentences: Sequence[MaskableSentence],
        masking: Masking,
        batch_size: int,
        padding_id: int,
        device: torch.device,
        seed: int,
    ) -> None:
        if min_over_ranks(len(sentences), device) == 0:
            raise ConfigError("ner_mlm: there is no sentence with a word to mask (or fewer than processes)")
        self.sentences = sentences
        self._lengths = np.array([len(sentence.ids) for sentence in sentences])
        self.seed: Optional[int] = seed
        self._masking = masking
        self._batch_size = batch_size
        self._padding_id = padding_id
        self._device = device

    @property
    def number(self) -> int:
        """The number of batches in an epoch."""
        return min_over_ranks(-(-len(self.sentences) // self._batch_size), self._device)

    def epoch(self, epoch: int, start: int = 0) -> tuple[int, Iterator[Batch]]:
        """The number of batches in an epoch, and those from `start` on."""
        number = self.number
        drawn = self._draw(epoch)[start:number]
        return number, made_ready(self._part(places, epoch) for places in drawn)

    def __iter__(self) -> Iterator[Batch]:
        """All sentences of this rank once, with the same masks each time."""
        order = self._by_length(np.arange(len(self.sentences)))
        size = self._batch_size
        return made_ready(self._part(order[start : start + size], FIXED) for start in range(0, len(order), size))

    def _draw(self, epoch: int) -> list[Ints]:
        """The sentences of each batch: shuffled, sorted by length within pools of some batches, and shuffled again."""
        draws = draws_of(f"order {self.seed} {epoch} {rank()}".encode())
        order = np.argsort(draws.random_sample(len(self.sentences)), kind="stable")
        pool, size = _POOL * self._batch_size, self._batch_size
        order = np.concatenate([self._by_length(order[start : start + pool]) for start in range(0, len(order), pool)])
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        return [batches[place] for place in np.argsort(draws.random_sample(len(batches)), kind="stable")]

    def _by_length(self, places: Ints) -> Ints:
        return places[np.argsort(self._lengths[places], kind="stable")]

    def _part(self, places: Ints, epoch: int) -> Batch:
        chosen = [self.sentences[place] for place in places.tolist()]
        masked = [self._masking(sentence, self.seed or 0, epoch) for sentence in chosen]
        width = max(len(sentence.ids) for sentence in chosen)
        ids = np.full((len(chosen), width), self._padding_id, dtype=np.int64)
        for row, sentence in zip(ids, masked, strict=True):
            row[: len(sentence.ids)] = sentence.ids
        part: Part = {
            "piece_ids": torch.from_numpy(ids),
            "lengths": torch.tensor([len(sentence.ids) for sentence in chosen]),
            "places": torch.from_numpy(np.concatenate([m.places + row * width for row, m in enumerate(masked)])),
            "targets": torch.from_numpy(
                np.concatenate([s.ids[m.places] for s, m in zip(chosen, masked, strict=True)]).astype(np.int64)
            ),
        }
        on_host = {"known": [len(s.ids) for s in chosen], "metadata": [{"source": s.source} for s in chosen]}
        return [{**to_device(part, self._device), **on_host}]
