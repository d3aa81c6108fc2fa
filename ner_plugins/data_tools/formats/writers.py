"""Writing corpora, in every format that there is a reader for."""

import itertools
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from ner_plugins.data_tools.formats.column_format import TOKENS, check_tokens
from ner_plugins.data_tools.formats.formats import corpus_format, format_of
from ner_plugins.data_tools.formats.sentence_formats import cannot_hold
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, NerError
from ner_plugins.files.output_files import open_output

logger = logging.getLogger(__name__)

OVERLAPS = ("raise", "longest")
ON_ERROR = ("raise", "skip")

_LISTED_ERRORS = 20
_BYTE_ORDER_MARK = "\ufeff".encode()


@dataclass
class WriteSummary:
    """
    What was written.

    # Parameters

    path, format : `str`
    sentences, entities : `int`
    left_out : `int`
        Entities that overlap longer ones (`overlaps="longest"`).
    skipped : `int`
        Sentences that the format cannot hold (`on_error="skip"`).
    errors : `List[DataError]`
        Those of the first 20 of these.
    """

    path: str
    format: str
    sentences: int = 0
    entities: int = 0
    left_out: int = 0
    skipped: int = 0
    errors: List[DataError] = field(default_factory=list)

    def __str__(self) -> str:
        held = f"{_counted(self.sentences, 'sentence')}, {_counted(self.entities, 'entity')}"
        parts = [f"{self.path}: {held} ({self.format})"]
        if self.left_out:
            parts.append(f"{_counted(self.left_out, 'entity')} left out, inside or across longer ones")
        if self.skipped:
            parts.append(f"{_counted(self.skipped, 'sentence')} skipped")
        return "; ".join(parts)


def _counted(number: int, noun: str) -> str:
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


class CorpusWriter:
    """
    Writes a corpus sentence by sentence to a stream: see `open_corpus_writer`.

    # Attributes

    summary : `WriteSummary`
    """

    def __init__(
        self, stream: BinaryIO, path: str, format: Optional[str], tokens: str, overlaps: str, on_error: str
    ) -> None:
        for key, value, choices in (("overlaps", overlaps, OVERLAPS), ("on_error", on_error, ON_ERROR)):
            if value not in choices:
                raise ConfigError(f"{key} is {value!r}, but must be one of {', '.join(choices)}")
        name = format or format_of(path)
        if check_tokens(tokens) != TOKENS[0] and not corpus_format(name).has_tokens:
            raise ConfigError(f"--tokens {tokens}: {name} has no tokens to choose. Leave it out")
        self.summary = WriteSummary(path, name)
        self._format = corpus_format(name).make(tokens)
        self._overlaps, self._on_error = overlaps, on_error
        self._labelled: Optional[bool] = None
        self._stream = stream
        self._at_start = True

    def write(self, sentence: Sentence) -> None:
        """
        Write one sentence.

        # Raises

        `DataError`, with the sentence's source, where the format cannot hold it (unless `on_error` is `skip`).
        """
        try:
            fitting, left_out = self._fitting(sentence)
            chunk = self._format.encode(fitting)
        except NerError as error:
            problem = error if isinstance(error, DataError) else cannot_hold(sentence, str(error), "Correct it")
            if self._on_error == "raise":
                raise problem from None
            self._skip(problem)
            return
        self._put(chunk)
        self._labelled = sentence.entities is not None
        self.summary.sentences += 1
        self.summary.entities += len(fitting.entities or ())
        self.summary.left_out += left_out

    def finish(self) -> None:
        """Write what follows the last sentence. `NerError` when there is none."""
        summary = self.summary
        if not summary.sentences:
            why = f"all {summary.skipped} sentences were skipped" if summary.skipped else "there is no sentence"
            first = f". The first: {summary.errors[0]}" if summary.errors else ""
            raise NerError(f"nothing is written to {summary.path}, since {why}{first}")
        self._put(self._format.finish())

    def _put(self, chunk: bytes) -> None:
        if self._at_start and chunk:
            self._at_start = False
            if chunk.startswith(_BYTE_ORDER_MARK):  # of the text: readers drop the first one of a file
                self._stream.write(_BYTE_ORDER_MARK)
        self._stream.write(chunk)

    def _fitting(self, sentence: Sentence) -> Tuple[Sentence, int]:
        """The sentence with the entities that the format can hold, none twice, and how many it cannot."""
        if self._labelled not in (None, sentence.entities is not None):
            found, earlier = ("no gold", "have") if self._labelled else ("gold", "have none")
            remedy = "Write sentences with and without gold to files of their own"
            raise cannot_hold(sentence, f"{found}, but earlier sentences {earlier},", remedy)
        entities = list(dict.fromkeys(sentence.entities or ()))
        for entity in entities:
            if not (0 <= entity.start < entity.end <= len(sentence.text) and entity.type):
                found = f"the entity {entity.type!r} ({entity.start}, {entity.end})"
                remedy = "Give it a type, and offsets in the text, or leave it out"
                raise cannot_hold(sentence, f"{found}, which is none of its spans,", remedy)
        if not entities:
            return sentence, 0
        conflict = type(self._format).conflict
        kept = entities if conflict is None else longest(entities, conflict)
        if len(kept) < len(entities) and self._overlaps == "raise":
            raise self._overlap(sentence, entities, kept)
        return replace(sentence, entities=tuple(kept)), len(entities) - len(kept)

    def _overlap(self, sentence: Sentence, entities: Sequence[Entity], kept: Sequence[Entity]) -> DataError:
        conflict = type(self._format).conflict
        assert conflict is not None
        lost = next(entity for entity in entities if entity not in kept)
        other = next(entity for entity in kept if conflict(entity, lost))
        shown = " and ".join(f"{e.type} {sentence.text[e.start : e.end]!r} ({e.start}, {e.end})" for e in (other, lost))
        # Brackets hold what is nested.
        more = "brackets, " if all(not a.crosses(b) for a, b in itertools.combinations(entities, 2)) else ""
        remedy = f"Keep the longest (--overlaps longest), or write {more}cluener, datasets or docbin, which hold all"
        return cannot_hold(sentence, f"{shown} overlap, which {self.summary.format} cannot hold,", remedy)

    def _skip(self, problem: DataError) -> None:
        summary = self.summary
        summary.skipped += 1
        if summary.skipped <= _LISTED_ERRORS:
            summary.errors.append(problem)
        logger.log(logging.WARNING if summary.skipped <= _LISTED_ERRORS else logging.INFO, "skipped: %s", problem)
        if summary.skipped == _LISTED_ERRORS:
            logger.warning("further skipped sentences are listed at log level INFO only")


def longest(entities: Sequence[Entity], conflict: Callable[[Entity, Entity], bool]) -> List[Entity]:
    """Of the entities in conflict the longest, then the leftmost, then the first by type; in the order given."""
    kept: List[Entity] = []
    for entity in sorted(entities, key=lambda e: (-e.width, e.start, e.type)):
        if not any(conflict(entity, other) for other in kept):
            kept.append(entity)
    return [entity for entity in entities if entity in kept]


@contextmanager
def open_corpus_writer(
    path: Union[str, "os.PathLike[str]"],
    format: Optional[str] = None,
    *,
    tokens: str = "characters",
    overlaps: str = "raise",
    on_error: str = "raise",
    force: bool = False,
) -> Iterator[CorpusWriter]:
    """
    A writer of sentences to a file, which takes its name when the `with` block ends; when that raises, what was there
    before stays.

    # Parameters

    path : `str`
        `-` is standard output. The name says the compression: `.gz`, `.bz2`, `.xz`.
    format : `Optional[str]`, optional (default=`None`)
        One of `FORMATS`; by default what the name says (`format_of`).
    tokens : `str`, optional (default=`"characters"`)
        In columns and DocBins, `characters` or `words`.
    overlaps : `str`, optional (default=`"raise"`)
        Of entities that the format cannot hold together, overlapping ones in columns and crossing ones in brackets:
        `raise`, or keep the `longest` (then the leftmost) and count the others.
    on_error : `str`, optional (default=`"raise"`)
        Of a sentence that the format cannot hold: `raise`, or `skip` it, say so, and count.
    force : `bool`, optional (default=`False`)
        Replace a file.

    # Raises

    `ConfigError` for a file that exists, an unknown format or an option that does not fit. `DataError` where the
    format cannot hold a sentence. `NerError` when there is none to write.
    """
    name = os.fspath(path)
    with open_output(name, force) as stream:
        writer = CorpusWriter(stream, name, format, tokens, overlaps, on_error)
        yield writer
        writer.finish()


def write_corpus(
    sentences: Iterable[Sentence],
    path: Union[str, "os.PathLike[str]"],
    format: Optional[str] = None,
    **options: Any,
) -> WriteSummary:
    """
    Write sentences, as a stream, to a file that takes its name when all are written.

    # Parameters

    sentences : `Iterable[Sentence]`
    path, format, options : `Union[str, os.PathLike]`, `Optional[str]`, `Any`
        See `open_corpus_writer`.

    # Returns

    `WriteSummary`

    # Raises

    See `open_corpus_writer`.
    """
    with open_corpus_writer(path, format, **options) as writer:
        for sentence in sentences:
            writer.write(sentence)
    return writer.summary
