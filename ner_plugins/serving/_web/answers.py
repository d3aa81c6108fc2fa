"""The answers of one request, from a model's thread to the event loop."""

import asyncio
from contextlib import suppress
from typing import Optional, Sequence, Union

from ner_plugins.serving.service import ServedModel
from ner_plugins.serving.worker import Answer, Failure, WaitingText
from ner_plugins.tagger import TaggedText

Outcome = Union[TaggedText, Failure]


class PendingAnswers:
    """
    What a request waits for. Used in the event loop alone; leave it with `close`, which drops what still waits.

    # Parameters

    model : `ServedModel`
    thresholds : `Optional[tuple[float, ...]]`
        See `WaitingText`.
    arrived : `Optional[asyncio.Event]`, optional (default=`None`)
        Set whenever answers arrive; `None` for an event of its own.
    """

    def __init__(
        self,
        model: ServedModel,
        thresholds: Optional[tuple[float, ...]] = None,
        arrived: Optional[asyncio.Event] = None,
    ) -> None:
        self._model, self._thresholds = model, thresholds
        self._outcomes: dict[int, Outcome] = {}
        self._added = 0
        self.loop = asyncio.get_running_loop()
        self._arrived = arrived or asyncio.Event()
        self.closed = False

    def add(self, texts: Sequence[str], most: Optional[int] = None) -> int:
        """
        Let texts wait for the model; returns the place of the first.

        # Raises

        `QueueFull` if there is no room for all; see `FairQueue.put`.
        """
        first = self._added
        waiting = [WaitingText(self, first + n, text, self._thresholds) for n, text in enumerate(texts)]
        self._model.queue.put(self, waiting, most)
        self._added += len(texts)
        return first

    def has(self, place: int) -> bool:
        """Whether the answer to a text is there."""
        return place in self._outcomes

    def take(self, place: int) -> Outcome:
        """The answer to a text, which is there; it can be taken once."""
        return self._outcomes.pop(place)

    async def take_all(self) -> list[Outcome]:
        """Wait for the answers to all texts, and return them in order."""
        while len(self._outcomes) < self._added:
            self._arrived.clear()
            await self._arrived.wait()
        return [self.take(place) for place in range(self._added)]

    def close(self) -> None:
        """Drop what waits; answers that still come are dropped too."""
        self.closed = True
        self._model.queue.drop(self)
        self._outcomes.clear()

    def receive(self, answers: Sequence[Answer]) -> None:
        """Take over answers of a batch."""
        if not self.closed:
            self._outcomes.update((answer.waiting.place, answer.outcome) for answer in answers)
            self._arrived.set()


def distribute(answers: Sequence[Answer]) -> None:
    """Give the answers of a batch to the requests that wait for them, in their event loops."""
    of_owners: dict[PendingAnswers, list[Answer]] = {}
    for answer in answers:
        assert isinstance(answer.waiting.owner, PendingAnswers)
        of_owners.setdefault(answer.waiting.owner, []).append(answer)
    for loop in {owner.loop for owner in of_owners}:
        mine = [(owner, group) for owner, group in of_owners.items() if owner.loop is loop]
        with suppress(RuntimeError):  # the loop has ended, and with it all that waits
            loop.call_soon_threadsafe(_receive, mine)


def _receive(groups: Sequence[tuple[PendingAnswers, Sequence[Answer]]]) -> None:
    for owner, answers in groups:
        owner.receive(answers)
