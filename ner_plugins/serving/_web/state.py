"""What all parts of the server share."""

import asyncio
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Optional, Sequence

from ner_plugins.serving._web.answers import distribute
from ner_plugins.serving._web.metrics import Metrics
from ner_plugins.serving._web.problems import Refusal
from ner_plugins.serving.limits import Limits
from ner_plugins.serving.service import Service
from ner_plugins.serving.worker import Answer, where_it_failed
from ner_plugins.tagger import Tagger

logger = logging.getLogger(__name__)

HELD_BODIES = 32
"""Bodies of the highest size that all requests together may hold in memory."""

TOKEN = "NER_SERVE_TOKEN"
"""The environment variable with the token that requests must bring."""


@dataclass
class State:
    """
    A server's models, limits and metrics.

    # Parameters

    names : `Sequence[str]`
        The models' names.
    load : `Callable[[str], Tagger]`
        Loads the model of a name.
    limits : `Limits`, optional (default=`Limits()`)
    token : `Optional[str]`, optional (default=`None`)
        What requests must bring as `Authorization: Bearer TOKEN`; `None` lets everyone in.
    origins : `Sequence[str]`, optional (default=`()`)
        Origins of other pages that may use the server.
    access_log : `bool`, optional (default=`False`)
        Whether each request is logged: its method, endpoint, status and time.
    """

    names: Sequence[str]
    load: Callable[[str], Tagger]
    limits: Limits = field(default_factory=Limits)
    token: Optional[str] = None
    origins: Sequence[str] = ()
    access_log: bool = False

    def __post_init__(self) -> None:
        self.service = Service(self.names, self.limits, self.load, self._deliver)
        self.metrics = Metrics(self.service)
        self.stopping = asyncio.Event()
        self.bodies = 0  # bytes of bodies that are held

    @contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """A context in which a request holds a body; the function that it gets counts more bytes of it."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if self.bodies + size > HELD_BODIES * self.limits.max_body:
                raise Refusal(503, "the server holds too many requests", "full", 1.0)
            held += size
            self.bodies += size

        try:
            yield hold
        finally:
            self.bodies -= held

    def stop_accepting(self) -> None:
        """Refuse new requests; those that were accepted are answered. Called in the event loop."""
        self.service.draining = True
        self.stopping.set()

    def _deliver(self, model: str, answers: Sequence[Answer]) -> None:
        self.metrics.batch(model, answers)
        distribute(answers)


def token_of_environment() -> Optional[str]:
    """The token, if the environment has one."""
    return os.environ.get(TOKEN) or None


def log_without_texts(loop: asyncio.AbstractEventLoop) -> None:
    """Make the event loop log the place of an error instead of its message, which may quote a text."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        logger.error("in the event loop: %s", where_it_failed(error) if error else "no error")

    loop.set_exception_handler(handle)
