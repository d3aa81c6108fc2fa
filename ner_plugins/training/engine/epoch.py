"""One pass over the training batches, in updates: the loop of the trainer `ner` and of the stages before it."""

import itertools
import time
from dataclasses import dataclass
from typing import Callable, TypeVar

import torch
from allennlp.common import Tqdm

from ner_plugins.distributed import max_over_ranks
from ner_plugins.training.engine.batches import Batch, Batches
from ner_plugins.training.engine.losses import Losses

READ_SECONDS = 1.0
"""How often the progress line reads the loss, for which a GPU has to finish its work."""

Group = list[Batch]
Outcome = TypeVar("Outcome")


@dataclass
class Position:
    """
    A place in training.

    # Parameters

    epochs : `int`
        The number of finished epochs.
    updates : `int`
        The number of updates in the present one.
    """

    epochs: int = 0
    updates: int = 0

    def end_epoch(self) -> None:
        """Go to the start of the next epoch."""
        self.epochs, self.updates = self.epochs + 1, 0


def train_epoch(
    batches: Batches,
    position: Position,
    losses: Losses,
    title: str,
    per_update: int,
    device: torch.device,
    update: Callable[[Group], None],
    between: Callable[[], None],
) -> None:
    """
    Make the updates of an epoch, from `position` on.

    # Parameters

    batches : `Batches`
    position : `Position`
        `update` moves it.
    losses : `Losses`
        Of the epoch so far, for the progress line.
    title : `str`
        For the progress line.
    per_update : `int`
        Batches per update.
    device : `torch.device`
    update : `Callable[[list[Batch]], None]`
        Makes an update with a group of batches and counts it in `position`. The group is empty on a rank that has fewer
        batches than others.
    between : `Callable[[], None]`
        Called after each update but the last, which the end of the epoch follows.
    """
    number, remaining = batches.epoch(position.epochs, position.updates * per_update)
    updates = None if number is None else -(-number // per_update)
    read = time.monotonic()
    with Tqdm.tqdm(total=updates, initial=position.updates, desc=title) as progress:
        while updates is None or position.updates < updates:
            group = list(itertools.islice(remaining, per_update))
            if updates is None and max_over_ranks(len(group), device) == 0:
                break
            update(group)
            if time.monotonic() - read >= READ_SECONDS:
                losses.read()
                read = time.monotonic()
                progress.set_postfix_str(f"loss {losses.mean:.4f}", refresh=False)
            progress.update()
            if updates is None or position.updates < updates:
                between()
    losses.read()
