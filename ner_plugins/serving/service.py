"""The models of a server, from loading to the last answer."""

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional, Sequence

from ner_plugins.errors import ConfigError
from ner_plugins.serving.fair_queue import FairQueue
from ner_plugins.serving.limits import Limits
from ner_plugins.serving.worker import Answer, WaitingText, Worker
from ner_plugins.tagger import Tagger

logger = logging.getLogger(__name__)

_PATIENCE = 0.8  # share of the time for a request; who waited longer would hardly be answered in time
_NOT_IN_NAMES = re.compile(r"[\s/=?#&]+")  # of models
_WARM_UP = "刘晓燕去了北京"


@dataclass(frozen=True)
class ModelPlace:
    """
    A model to serve.

    # Parameters

    name : `str`
        What requests call it.
    path : `str`
        An archive or an export, for `Tagger.from_path`.
    """

    name: str
    path: str

    @classmethod
    def parse(cls, written: str) -> "ModelPlace":
        """
        A place from `PATH` or `NAME=PATH`. A path alone gives its folder's name if it is a `model.tar.gz`, else its own
        without suffixes, with a hyphen for white space and what has a meaning in URLs.

            >>> ModelPlace.parse("runs/mine/model.tar.gz").name
            'mine'

        # Raises

        `ConfigError` for an empty name or path.
        """
        name, equals, path = written.partition("=")
        if not equals or os.path.exists(written):
            path = written
            absolute = Path(os.path.abspath(written))
            own = absolute.name.removesuffix(".tar.gz")
            name = absolute.parent.name if own == "model" and absolute.parent.name else own
            name = _NOT_IN_NAMES.sub("-", name)
        if not path or not name or _NOT_IN_NAMES.search(name):
            raise ConfigError(f"{written!r} is no model to serve: write PATH or NAME=PATH, with a name without spaces")
        return cls(name, path)

    @classmethod
    def parse_all(cls, written: Sequence[str]) -> list["ModelPlace"]:
        """
        `parse`, of several.

        # Raises

        `ConfigError` if two have one name.
        """
        places = [cls.parse(one) for one in written]
        for place in places:
            same = [other.path for other in places if other.name == place.name]
            if len(same) > 1:
                raise ConfigError(
                    f"{' and '.join(same)} would both be called {place.name!r}: name them, as in "
                    f"first={same[0]} second={same[1]}"
                )
        return places


@dataclass
class ServedModel:
    """
    A model that is loaded, with the texts that wait for it.

    # Parameters

    name : `str`
    tagger : `Tagger`
    queue : `FairQueue[WaitingText]`
    worker : `Worker`
    """

    name: str
    tagger: Tagger
    queue: FairQueue[WaitingText]
    worker: Worker

    @property
    def types(self) -> Sequence[str]:
        """Its entity types."""
        return self.tagger.backend.types

    def is_full(self, limits: Limits, number: int = 1) -> bool:
        """Whether a request of a number of texts would find no room, or wait for most of its time."""
        room = self.queue.capacity - len(self.queue)
        return number > room or self.worker.delay(number) > _PATIENCE * limits.timeout


@dataclass
class Service:
    """
    The models of a server.

    # Parameters

    names : `Sequence[str]`
        The models' names, in the order given.
    limits : `Limits`
    load : `Callable[[str], Tagger]`
        Loads the model of a name.
    deliver : `Callable[[str, Sequence[Answer]], None]`
        Called in a model's thread with its name and the answers of each batch.
    """

    names: Sequence[str]
    limits: Limits
    load: Callable[[str], Tagger]
    deliver: Callable[[str, Sequence[Answer]], None]
    models: dict[str, ServedModel] = field(default_factory=dict)
    draining: bool = False

    @property
    def ready(self) -> bool:
        """Whether all models are loaded and requests are accepted."""
        return len(self.models) == len(self.names) and not self.draining

    def load_all(self) -> None:
        """
        Load the models one after the other, and let each answer a text, because the first one compiles kernels.

        # Raises

        What loading raises.
        """
        for name in self.names:
            tagger = self.load(name)
            tagger([_WARM_UP])
            self.add(name, tagger)

    def add(self, name: str, tagger: Tagger) -> ServedModel:
        """Add a model that is loaded, and start its thread."""
        queue: FairQueue[WaitingText] = FairQueue(self.limits.queue, lambda waiting: waiting.cost)
        worker = Worker(
            name, tagger, queue, lambda answers: self.deliver(name, answers), batch_wait=self.limits.batch_wait
        )
        worker.start()
        self.models[name] = model = ServedModel(name, tagger, queue, worker)
        return model

    def model(self, name: Optional[str]) -> ServedModel:
        """
        The model of a request.

        # Parameters

        name : `Optional[str]`
            May be left out if there is one model.

        # Raises

        `ConfigError` if there is no such model, or several and no name.
        """
        if name is None and len(self.names) == 1:
            name = self.names[0]
        if name is None:
            raise ConfigError(f"model is missing: this server has {', '.join(self.names)}")
        if name not in self.models:
            raise ConfigError(f"there is no model {name!r}: this server has {', '.join(self.names)}")
        return self.models[name]

    def close(self, seconds: float) -> None:
        """Let the threads answer what waits, and end them; waits at most some seconds for each."""
        for model in self.models.values():
            model.queue.close()
        for model in self.models.values():
            if not model.worker.join(seconds):
                logger.warning("the model %s still computes after %g s, and is left", model.name, seconds)
