"""The `Tagger`: any iterable of texts in, their entities out, in order."""

import os
from itertools import islice
from typing import Any, Collection, Iterable, Iterator, Mapping, Optional, Sequence, Union

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.tagger.backend import Alternative, Backend, EncodedText, GivenText
from ner_plugins.tagger.batches import batches_by_length
from ner_plugins.tagger.results import TaggedText
from ner_plugins.thresholds import Thresholds, check_types, threshold_values

WINDOW_BATCHES = 16
"""A window has about this many full batches: enough for little padding, and little enough to wait for."""


class Tagger:
    """
    Finds the entities of texts.

    It reads a window of texts ahead, sorts them by length, and runs batches of a number of tokens, so that little is
    padding. A text gets the same entities whatever stands beside it, and the same scores up to rounding (1e-5). No
    text is cut off.

    A tagger may be used from several threads at once, and in forked processes if it is on the CPU. Pickled, as for a
    spawned process, it is the path of its archive and its options.

        tagger = Tagger.from_path("model.tar.gz")
        for tagged in tagger.tag(line.rstrip("\n") for line in open("texts.txt")):
            print(tagged.entities)

    # Parameters

    backend : `Backend`
        The model; see `from_path`.
    thresholds : `Optional[Thresholds]`, optional (default=`None`)
        The lowest probability of an entity: for every type, or for each type named, with 0 for the others. `None` for
        the model's own. As in the option of models, they apply before the head chooses between overlapping spans.
    types : `Optional[Collection[str]]`, optional (default=`None`)
        The entity types to keep; `None` for all. The others are left out of the result, and change nothing else.
    budget : `Optional[int]`, optional (default=`None`)
        The highest number of tokens in a batch, padding included; `None` for what is fast on the device. A longer text
        is a batch of its own.
    batch_size : `Optional[int]`, optional (default=`None`)
        The highest number of texts in a batch.
    window : `Optional[int]`, optional (default=`None`)
        The highest number of texts that are read ahead. In any case a window ends at `WINDOW_BATCHES` times `budget`
        characters. With 1, each text's result comes before the next text is read.

    # Raises

    `ConfigError` for a value out of range or an unknown type.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        thresholds: Optional[Thresholds] = None,
        types: Optional[Collection[str]] = None,
        budget: Optional[int] = None,
        batch_size: Optional[int] = None,
        window: Optional[int] = None,
    ) -> None:
        for name, value in (("budget", budget), ("batch_size", batch_size), ("window", window)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1")
        if isinstance(types, str):
            raise ConfigError(f"types is {types!r}, but must be a list of types")
        check_types(types or (), backend.types, "types")
        self.backend = backend
        self._options: dict[str, Any] = {
            "thresholds": dict(thresholds) if isinstance(thresholds, Mapping) else thresholds,
            "types": None if types is None else frozenset(types),
            "budget": budget,
            "batch_size": batch_size,
            "window": window,
        }
        self._lowest = None if thresholds is None else threshold_values(thresholds, backend.types)

    @classmethod
    def from_path(
        cls,
        path: Union[str, "os.PathLike[str]"],
        *,
        device: Optional[int] = None,
        overrides: Union[str, Mapping[str, Any]] = "",
        weights_file: Optional[str] = None,
        trust_archive: bool = False,
        **options: Any,
    ) -> "Tagger":
        """
        A tagger from an archive, or from the folder of a model that `ner-export --to onnx` wrote, which needs no torch.

        # Parameters

        path : `str`
            An archive, the folder of a run, a URL, or the folder of an exported model.
        device, overrides, weights_file, trust_archive
            Of an archive; see `ArchiveBackend.load`.
        **options
            Those of the constructor.

        # Raises

        Errors of `ArchiveBackend.load` and `OnnxBackend`, and of the constructor. `ConfigError` for an option that an
        exported model does not have, or if an archive is given where torch or AllenNLP is not installed.
        """
        if os.path.isdir(path) and not os.path.exists(os.path.join(path, "config.json")):
            given: dict[str, Any] = {"overrides": overrides or None, "weights_file": weights_file}
            given["device"] = None if device == -1 else device
            for name, value in given.items():
                if value is not None:
                    raise ConfigError(f"{name} is {value!r}, but an exported model has no {name}: leave it out")
            from ner_plugins.tagger.onnx.backend import OnnxBackend

            return cls(OnnxBackend(path), **options)
        try:
            from ner_plugins.tagger.archive import ArchiveBackend  # torch takes seconds to import
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{os.fspath(path)} is not the folder of an exported model, and reading an archive needs {error.name}, "
                "which is not installed: export it with `allennlp ner-export --to onnx`, where it is"
            ) from error
        return cls(ArchiveBackend.load(path, device, overrides, weights_file, trust_archive), **options)

    @property
    def budget(self) -> int:
        """The highest number of tokens in a batch."""
        return int(self._options["budget"] or self.backend.budget)

    def with_options(self, **options: Any) -> "Tagger":
        """A tagger of the same model, which is not copied, with some options of the constructor replaced."""
        return Tagger(self.backend, **{**self._options, **options})

    def __call__(self, texts: Iterable[GivenText]) -> list[TaggedText]:
        """The entities of each text, in order; errors as in `tag`."""
        return list(self.tag(texts))

    def tag(self, texts: Iterable[GivenText]) -> Iterator[TaggedText]:
        """
        The entities of each text, in order, as a stream: no more than a window of texts is read ahead.

        # Parameters

        texts : `Iterable[GivenText]`
            Any strings, also endlessly many. For a model that was trained with `context_sentences`, a text may be a
            `Sentence` with the sentences `before` and `after` it; it is tagged alone if it is a string.

        # Raises

        `ConfigError` if `texts` is a single string; `DataError` if a text is not a string; `NerError` if a text's
        scores are not numbers, which names it by its place from 0.
        """
        if isinstance(texts, str):
            raise ConfigError("a Tagger takes a list of texts: for a single one write tagger([text])[0]")
        return self.tag_named((str(place), text) for place, text in enumerate(texts))

    def tag_named(self, texts: Iterable[tuple[str, GivenText]]) -> Iterator[TaggedText]:
        """`tag`, of pairs of a text's name in messages and the text."""
        iterator = iter(texts)
        characters = WINDOW_BATCHES * self.budget
        while window := list(_window(iterator, self._options["window"], characters)):
            encoded = self.backend.encode([text for _, text in window], [name for name, _ in window])
            for of_text, entities in zip(encoded, self.find(encoded), strict=True):
                yield TaggedText.of(of_text.text, entities, self._options["types"])

    def find(self, encoded: Sequence[EncodedText]) -> list[list[Entity]]:
        """The entities of encoded texts, of all types, in order; for texts that are encoded already."""
        found: dict[int, list[Entity]] = {}
        for places, entities in self.find_batches(encoded):
            found.update(zip(places, entities, strict=True))
        return [found[place] for place in range(len(encoded))]

    def find_batches(self, encoded: Sequence[EncodedText]) -> Iterator[tuple[list[int], list[list[Entity]]]]:
        """`find`, batch by batch as they are done: the places of its texts, and their entities."""
        lengths = [of_text.length for of_text in encoded]
        for places in batches_by_length(lengths, self.budget, self._options["batch_size"]):
            yield places, self.backend.find([encoded[place] for place in places], self._lowest)

    def n_best(self, text: str, number: int) -> list[Alternative]:
        """
        The most probable taggings of a text, best first, without thresholds and with all types.

        # Raises

        `ConfigError` if the model has no n-best list (`Backend.n_best`).
        """
        return self.backend.n_best(self.backend.encode([text], ["the text"])[0], number)


def _window(
    texts: Iterator[tuple[str, GivenText]], size: Optional[int], characters: int
) -> Iterator[tuple[str, GivenText]]:
    """The next texts: at most `size`, and no more than reach a number of characters."""
    for name, given in islice(texts, size):
        text = given.text if isinstance(given, Sentence) else given
        if not isinstance(text, str):
            raise DataError(f"text {name} is a {type(text).__name__}", expected="a string")
        yield name, given
        characters -= len(text) + 1  # empty texts need memory too
        if characters <= 0:
            return
