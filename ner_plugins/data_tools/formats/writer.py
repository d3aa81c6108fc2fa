"""Writing a corpus to a file, in any of the formats."""

import itertools
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Callable, Iterable, Iterator, Optional, Sequence, Union

from ner_plugins.data_tools.formats.base import cannot_hold, described
from ner_plugins.data_tools.formats.columns import TOKENS
from ner_plugins.data_tools.formats.registry import corpus_format, format_of
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError, NerError, shown
from ner_plugins.files.output_files import open_output
from ner_plugins.options import check_name

logger = logging.getLogger(__name__)

OVERLAPS = ("raise", "longest")
ON_ERROR = ("raise", "skip")
OFFSETS = ("characters", "utf16")

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
        Entities left out because they overlap longer ones (`overlaps="longest"`).
    unweighted : `int`
        Sentences whose weight is left out because the format has none.
    skipped : `int`
        Sentences left out because the format cannot hold them (`on_error="skip"`).
    errors : `list[DataError]`
        The errors of the first 20 skipped sentences.
    """

    path: str
    format: str
    sentences: int = 0
    entities: int = 0
    left_out: int = 0
    unweighted: int = 0
    skipped: int = 0
    errors: list[DataError] = field(default_factory=list)

    def __str__(self) -> str:
        held = f"{_counted(self.sentences, 'sentence')}, {_counted(self.entities, 'entity')}"
        parts = [f"{self.path}: {held} ({self.format})"]
        if self.left_out:
            parts.append(f"{_counted(self.left_out, 'entity')} left out, overlapping longer ones")
        if self.unweighted:
            parts.append(f"{_counted(self.unweighted, 'weight')} left out, which {self.format} cannot hold")
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
        self,
        stream: BinaryIO,
        path: str,
        format: Optional[str],
        tokens: str,
        overlaps: str,
        on_error: str,
        offsets: str = OFFSETS[0],
    ) -> None:
        check_name("tokens", tokens, TOKENS)
        check_name("offsets", offsets, OFFSETS)
        check_name("overlaps", overlaps, OVERLAPS)
        check_name("on_error", on_error, ON_ERROR)
        name = format or format_of(path)
        if tokens != TOKENS[0] and not corpus_format(name).has_tokens:
            raise ConfigError(f"--tokens {tokens}: {name} has no choice of tokens. Leave the option out")
        if offsets != OFFSETS[0] and not corpus_format(name).has_offsets:
            raise ConfigError(f"--offsets {offsets}: {name} counts characters. Leave the option out")
        self.summary = WriteSummary(path, name)
        self._format = corpus_format(name).make(tokens, offsets)
        self._overlaps, self._on_error = overlaps, on_error
        self._labelled: Optional[bool] = None
        self._stream = stream
        self._at_start = True

    def write(self, sentence: Sentence) -> None:
        """
        Write one sentence.

        # Raises

        `DataError` with the sentence's source if the format cannot hold it, unless `on_error` is `skip`.
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
        self.summary.unweighted += sentence.weight != 1.0 and not self._format.holds_weights

    def finish(self) -> None:
        """Write the bytes after the last sentence; `NerError` if no sentence was written."""
        summary = self.summary
        if not summary.sentences:
            why = f"all {summary.skipped} sentences were skipped" if summary.skipped else "there is no sentence"
            first = f". The first error: {summary.errors[0]}" if summary.errors else ""
            raise NerError(f"nothing is written to {summary.path}: {why}{first}")
        self._put(self._format.finish())

    def _put(self, chunk: bytes) -> None:
        if self._at_start and chunk:
            self._at_start = False
            if chunk.startswith(_BYTE_ORDER_MARK):  # it is part of the text, but readers drop the first of a file
                self._stream.write(_BYTE_ORDER_MARK)
        self._stream.write(chunk)

    def _fitting(self, sentence: Sentence) -> tuple[Sentence, int]:
        """The sentence with the distinct entities that the format can hold, and how many it cannot."""
        if self._labelled not in (None, sentence.entities is not None):
            found, earlier = ("unlabelled", "labelled") if self._labelled else ("labelled", "unlabelled")
            remedy = "Write labelled and unlabelled sentences to separate files"
            raise cannot_hold(sentence, f"it is {found}, but earlier sentences are {earlier}", remedy)
        entities = list(dict.fromkeys(sentence.entities or ()))
        for entity in entities:
            if not (0 <= entity.start < entity.end <= len(sentence.text) and entity.type):
                place = f"({entity.start}, {entity.end})"
                problem = f"the entity {shown(entity.type)} {place} has no type, or is not a span of the text"
                raise cannot_hold(sentence, problem, "Correct its type or offsets, or leave it out")
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
        both = " and ".join(described(sentence, entity) for entity in (other, lost))
        # Brackets can hold nested entities.
        more = "brackets, " if all(not a.crosses(b) for a, b in itertools.combinations(entities, 2)) else ""
        remedy = f"Keep the longest (--overlaps longest), or write {more}cluener, datasets or docbin, which hold all"
        return cannot_hold(sentence, f"{both} overlap, which {self.summary.format} cannot represent", remedy)

    def _skip(self, problem: DataError) -> None:
        summary = self.summary
        summary.skipped += 1
        if summary.skipped <= _LISTED_ERRORS:
            summary.errors.append(problem)
        logger.log(logging.WARNING if summary.skipped <= _LISTED_ERRORS else logging.INFO, "skipped: %s", problem)
        if summary.skipped == _LISTED_ERRORS:
            logger.warning("further skipped sentences are logged at level INFO")


def longest(entities: Sequence[Entity], conflict: Callable[[Entity, Entity], bool]) -> list[Entity]:
    """
    A subset without conflicts, in the given order. Longer entities take precedence, then the leftmost, then the first
    by type.
    """
    kept: list[Entity] = []
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
    offsets: str = OFFSETS[0],
    force: bool = False,
) -> Iterator[CorpusWriter]:
    """
    A writer of sentences to a file. The file appears when the `with` block ends; if the block raises, an existing
    file stays as it was.

    # Parameters

    path : `str`
        `-` is standard output. The suffixes `.gz`, `.bz2` and `.xz` compress.
    format : `Optional[str]`, optional (default=`None`)
        One of `FORMATS`; by default the one that the name implies (`format_of`).
    tokens : `str`, optional (default=`"characters"`)
        In columns and DocBins, `characters` or `words`.
    overlaps : `str`, optional (default=`"raise"`)
        If the format cannot hold two entities together (overlapping ones in columns, crossing ones in brackets):
        `raise`, or keep the `longest` (then the leftmost) and count the others.
    on_error : `str`, optional (default=`"raise"`)
        If the format cannot hold a sentence: `raise`, or `skip` it with a warning and count it.
    offsets : `str`, optional (default=`"characters"`)
        For doccano and label_studio, what offsets count: `characters`, or `utf16` for units of UTF-16.
    force : `bool`, optional (default=`False`)
        Replace an existing file.

    # Raises

    `ConfigError` if the file exists, the format is unknown or an option does not fit it. `DataError` if the format
    cannot hold a sentence. `NerError` if there is no sentence to write.
    """
    name = os.fspath(path)
    with open_output(name, force) as stream:
        writer = CorpusWriter(stream, name, format, tokens, overlaps, on_error, offsets)
        yield writer
        writer.finish()


def write_corpus(
    sentences: Iterable[Sentence],
    path: Union[str, "os.PathLike[str]"],
    format: Optional[str] = None,
    **options: Any,
) -> WriteSummary:
    """
    Write sentences as a stream to a file, which appears once all are written.

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
