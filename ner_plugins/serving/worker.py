"""The thread that answers the texts of a queue, in batches that requests share."""

import logging
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Callable, Hashable, NamedTuple, Optional, Sequence, Union

from ner_plugins.serving.fair_queue import FairQueue
from ner_plugins.tagger import TaggedText, Tagger

logger = logging.getLogger(__name__)

_MARGIN = 2  # tokens that most encoders add to a text


@dataclass(frozen=True, slots=True)
class WaitingText:
    """
    A text in the queue.

    # Parameters

    owner : `Hashable`
        The request that it came with.
    place : `int`
        Its place in the request.
    text : `str`
    thresholds : `Optional[tuple[float, ...]]`
        The lowest probability of each type, in order of the model's; `None` for the model's own.
    """

    owner: Hashable
    place: int
    text: str
    thresholds: Optional[tuple[float, ...]] = None

    @property
    def cost(self) -> int:
        """About the number of its tokens, of which it has as many as characters or fewer."""
        return len(self.text) + _MARGIN


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why there is no answer.

    # Parameters

    kind : `str`
        The error's class. Its message may quote the text, and is dropped.
    """

    kind: str


class Answer(NamedTuple):
    """A text of the queue with its entities, of all types."""

    waiting: WaitingText
    outcome: Union[TaggedText, Failure]


class Worker:
    """
    Answers the texts of a queue until it is closed.

    # Parameters

    name : `str`
        The thread's.
    tagger : `Tagger`
    queue : `FairQueue[WaitingText]`
    deliver : `Callable[[Sequence[Answer]], None]`
        Called in the thread with the answers of each batch.
    batch_wait : `float`, optional (default=`0.0`)
        See `FairQueue.take`.
    """

    def __init__(
        self,
        name: str,
        tagger: Tagger,
        queue: FairQueue[WaitingText],
        deliver: Callable[[Sequence[Answer]], None],
        batch_wait: float = 0.0,
    ) -> None:
        self._tagger, self._queue, self._deliver, self._wait = tagger, queue, deliver, batch_wait
        self._seconds_per_text = 0.01
        self._thread = threading.Thread(target=self._run, name=f"ner-serve {name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end, which comes after `FairQueue.close`; returns whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def delay(self, number: int = 1) -> float:
        """Seconds that others will take before a request that comes now has had turns for a number of texts."""
        return self._queue.ahead(number) * self._seconds_per_text

    def _run(self) -> None:
        while batch := self._queue.take(self._tagger.budget, self._wait):
            began = time.monotonic()
            try:
                self._deliver(self._answers(batch))
            except Exception as error:  # the thread has to go on: without it, all requests would time out
                logger.error("a batch was not answered: %s", where_it_failed(error))
            self._seconds_per_text += 0.2 * ((time.monotonic() - began) / len(batch) - self._seconds_per_text)
            del batch  # no text is kept while the thread waits

    def _answers(self, batch: Sequence[WaitingText]) -> list[Answer]:
        """Texts with equal thresholds share batches: a head applies them before it chooses between spans."""
        groups: dict[Optional[tuple[float, ...]], list[WaitingText]] = {}
        for waiting in batch:
            groups.setdefault(waiting.thresholds, []).append(waiting)
        return [answer for thresholds, group in groups.items() for answer in self._of_group(thresholds, group)]

    def _of_group(self, thresholds: Optional[tuple[float, ...]], group: Sequence[WaitingText]) -> list[Answer]:
        tagger = self._tagger
        try:
            if thresholds is not None:
                types = tagger.backend.types
                tagger = tagger.with_options(thresholds=dict(zip(types, thresholds, strict=True)))
            found = list(tagger.tag(waiting.text for waiting in group))
            return list(map(Answer, group, found))
        except Exception as error:  # whatever a model raises: the server goes on
            if len(group) > 1:  # the others shall not fail with the one that fails
                return [answer for one in group for answer in self._of_group(thresholds, [one])]
            logger.error("the model failed: %s", where_it_failed(error))
            return [Answer(group[0], Failure(type(error).__name__))]


def where_it_failed(error: BaseException) -> str:
    """An error's class and the lines of code that led to it, without its message, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(f"{f.filename}:{f.lineno} ({f.name})" for f in reversed(frames))
