"""Out-of-fold predictions: each sentence by the model that was trained without its fold."""

from itertools import islice
from pathlib import Path
from typing import Any, Iterable, Iterator, Optional, Sequence

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.files.folds_file import FoldRecord
from ner_plugins.models.candidates import Candidates
from ner_plugins.segmentation.blanks import is_blank
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tagger.backend import EncodedText
from ner_plugins.tagger.batches import batches_by_length

_WINDOW = 4096  # sentences that are encoded together


class FoldPredictions:
    """
    The records of all sentences of a corpus.

    # Parameters

    sentences : `Sequence[Sentence]`
        The training data, in order.
    folds : `Sequence[int]`
        The fold of each.
    floor : `float`
        The lowest probability of a candidate.
    """

    def __init__(self, sentences: Sequence[Sentence], folds: Sequence[int], floor: float) -> None:
        self._sentences, self._folds, self._floor = sentences, folds, floor
        self._records: dict[int, FoldRecord] = {}
        self.types: set[str] = {entity.type for sentence in sentences for entity in sentence.entities or ()}
        self.nested = False

    def predict(self, fold: int, archive: Path, device: Optional[int] = None) -> Iterator[int]:
        """
        Predict the sentences of a fold.

        # Parameters

        fold : `int`
        archive : `Path`
            Of the model that was trained without it.
        device : `Optional[int]`, optional (default=`None`)
            The number of a GPU, -1 for the CPU; `None` for the first GPU if there is one.

        # Returns

        `Iterator[int]`
            The number of sentences of each batch, when it is done.

        # Raises

        `ConfigError` if the model's head has no candidates.
        """
        backend = ArchiveBackend.load(archive, device)
        self.types.update(backend.types)
        self.nested |= backend.model.nested
        places = iter([place for place, of_one in enumerate(self._folds) if of_one == fold])
        while window := list(islice(places, _WINDOW)):
            given = [self._sentences[place] for place in window]
            encoded = backend.encode(given, [sentence.source or str(place) for place, sentence in enumerate(given)])
            lengths = [one.length for one in encoded]
            for batch in batches_by_length(lengths, backend.budget):
                gold = [_gold(given[one]) for one in batch]
                found = backend.candidates([encoded[one] for one in batch], gold, self._floor)
                for one, candidates in zip(batch, found, strict=True):
                    self._records[window[one]] = self._record(window[one], encoded[one], candidates)
                yield len(batch)

    def records(self) -> Iterable[FoldRecord]:
        """The records, in order, when all folds have been predicted."""
        if len(self._records) != len(self._sentences):
            raise ConfigError(f"{len(self._sentences) - len(self._records)} sentences have not been predicted")
        return (self._records[place] for place in range(len(self._sentences)))

    def _record(self, place: int, encoded: EncodedText, found: Candidates) -> FoldRecord:
        sentence = self._sentences[place]
        file, line = split_source(sentence.source)
        return FoldRecord(
            place, self._folds[place], sentence.text, tuple(found.gold), tuple(found.predicted),
            tuple(found.candidates), file, line, sentence.document, _tokens(encoded.content, sentence.text),
        )  # fmt: skip


def split_source(source: str) -> tuple[str, Optional[int]]:
    """The file and the line of `FILE:LINE`."""
    file, colon, line = source.rpartition(":")
    return (file, int(line)) if colon and line.isascii() and line.isdigit() else (source, None)


def _gold(sentence: Sentence) -> list[Entity]:
    return sorted({Entity(one.start, one.end, one.type) for one in sentence.entities or ()})


def _tokens(instance: Any, text: str) -> Optional[tuple[tuple[int, int], ...]]:
    """The model's tokens; `None` if each character that is no blank is one."""
    offsets = [(start, end) for start, end in instance["metadata"].metadata["offsets"] if start < end]
    characters = [(at, at + 1) for at, character in enumerate(text) if not is_blank(character)]
    return None if offsets == characters else tuple(offsets)
