"""Parsing column files of a known layout: from numbered lines to sentences."""

import itertools
import logging
from collections import Counter
from typing import Callable, Iterable, Iterator, Optional, Sequence, Union

from ner_plugins.dataset_readers.columns.layout import DOCUMENT_START, ColumnLayout, has_tags
from ner_plugins.dataset_readers.remarks import TagTally, clauses, numbered_characters
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError, Remark, shown
from ner_plugins.files.text_lines import numbered_lines
from ner_plugins.tag_schemes import SCHEMES, illegal_tags, read_tags, split_tag, tag_scheme

logger = logging.getLogger(__name__)

Record = Union[Sentence, DataError]
Report = Callable[[str, DataError], None]

_CACHED_LINES = 100_000
_MOST_BAD = 10_000  # sentences of one document


class ColumnParser(dict[str, str]):
    """
    Parses one column file.

    The parser is itself a dictionary from lines to tokens, and holds others from lines to tags. A corpus repeats its
    lines (a character and `O`) so often that looking them up is several times as fast as splitting them.

    # Parameters

    layout : `ColumnLayout`
        Without `None`.
    path : `str`
        For messages.
    token : `Callable[[str], str]`
        Converts a cell to a token. Raises `ValueError` with the problem if the cell holds no token.
    illegal : `str`
        `repair`, `drop` or `strict`: see `tags_to_spans`.
    report : `Callable[[str, DataError], None]`
        Called with `"repaired"` or `"dropped"` and the problem for each entity with illegal tags.
    counts : `Counter[str]`
        Its `tokens` are incremented.
    """

    def __init__(
        self,
        layout: ColumnLayout,
        path: str,
        token: Callable[[str], str],
        illegal: str,
        report: Report,
        counts: Counter[str],
    ) -> None:
        super().__init__()
        assert layout.scheme is not None and layout.join is not None
        self._layout, self._path, self._token = layout, path, token
        self._illegal, self._report, self._counts = illegal, report, counts
        self._scheme, self._join = layout.scheme, layout.join
        self._tags: list[dict[str, str]] = [{} for _ in layout.tag_columns or ()]
        self._letters: set[str] = set()
        self._tally = TagTally(path)

    def remarks(self) -> Iterator[Remark]:
        """After the last record: signs that the file needs another reader or other options."""
        tokens = set(self.values())
        for remark in (
            numbered_characters(self.values(), self._path),
            clauses(tokens, self._path),
            self._tally.remark(self._scheme),
        ):
            if remark is not None:
                yield remark

    def records_of_blocks(self, blocks: Iterable[tuple[int, str]]) -> Iterator[Optional[Record]]:
        """As `records`, from the blocks of `read_blocks`."""
        return self.records(numbered_lines(blocks))

    def records(self, lines: Iterable[tuple[int, str]]) -> Iterator[Optional[Record]]:
        """A sentence or its error for each group of lines, and `None` at the start of a document."""
        comment = self._layout.comment
        group: list[str] = []
        start = 0
        for number, line in itertools.chain(lines, [(0, "")]):  # a blank line at the end
            if line and not line.isspace():
                if not group:
                    if comment and line.startswith(comment) and not has_tags(self._layout, line):
                        continue
                    start = number
                group.append(line)
            elif group:
                if group[0].startswith(DOCUMENT_START):
                    yield None
                    group, start = group[1:], start + 1
                if group:
                    yield self._record(group, start)
                    group = []

    def _record(self, group: list[str], start: int) -> Record:
        if len(self) >= _CACHED_LINES:
            for cache in (self, *self._tags):
                cache.clear()
        try:
            tokens = list(map(self.__getitem__, group))
        except ValueError:
            return self._first_error(group, start)
        return self.sentence(tokens, [list(map(tags.__getitem__, group)) for tags in self._tags], start)

    def sentence(
        self,
        tokens: Sequence[str],
        layers: Sequence[Sequence[str]],
        start: int,
        id: Optional[Union[int, str]] = None,
        *,
        on_one_line: bool = False,
    ) -> Record:
        """
        Make a sentence of tokens and tags.

        # Parameters

        tokens : `Sequence[str]`
        layers : `Sequence[Sequence[str]]`
            The tags of the tokens, layer by layer; empty if the sentence is unlabelled.
        start : `int`
            The line of the first token.
        id : `Optional[Union[int, str]]`
        on_one_line : `bool`, optional (default=`False`)
            Whether all tokens are on that line.
        """
        self._counts["tokens"] += len(tokens)
        text = self._join.join(tokens)
        source = f"{self._path}:{start}"
        if not layers:
            return Sentence(text, None, id, source)
        entities: list[Entity] = []
        for tags in layers:
            if tags.count("O") < len(tags):
                found = self._spans(tags, start, 0 if on_one_line else 1)
                if isinstance(found, DataError):
                    return found
                entities += self._in_characters(found, tokens, text)
        if len(layers) > 1:
            entities = sorted(set(entities), key=lambda entity: (entity.start, -entity.end, entity.type))
        return Sentence(text, tuple(entities), id, source)

    def __missing__(self, line: str) -> str:
        """The token of a line seen for the first time. Raises `ValueError` with the problem if it has none."""
        layout = self._layout
        cells = layout.cells(line)
        if len(cells) != layout.columns:
            raise ValueError(f"{len(cells)} columns in {shown(line)} (expected {layout.columns})")
        token = self._token(cells[layout.token_column or 0])
        if not token:
            raise ValueError(f"no token in {shown(line)}")
        tags = [layout.notation.normal(cells[column]) for column in layout.tag_columns or ()]
        for tag in tags:
            self._widen_scheme(split_tag(tag)[0])
        for cache, tag in zip(self._tags, tags, strict=True):
            cache[line] = tag
        self[line] = token
        return token

    def _widen_scheme(self, letter: str) -> None:
        """Replace a scheme detected from the first lines by one that also has the letters of later lines."""
        if letter == "O" or letter in self._letters:
            return
        self._letters.add(letter)
        if "scheme" in self._layout.detected and letter not in tag_scheme(self._scheme).letters + "B":
            wider = [name for name in SCHEMES if self._letters <= set(tag_scheme(name).letters)]
            if wider:
                logger.info("%s: tag scheme %s, because the letter %s occurs too", self._path, wider[0], letter)
                self._scheme = wider[0]

    def _first_error(self, group: Sequence[str], start: int) -> DataError:
        for number, line in enumerate(group, start):
            try:
                self[line]
            except ValueError as error:
                return DataError(str(error), path=self._path, line=number, remedy="Correct the line")
        raise AssertionError("no line has an error")

    def _spans(self, tags: Sequence[str], start: int, step: int) -> Union[list[tuple[int, int, str]], DataError]:
        """The entities of one layer in tokens, with the rule for illegal tags applied; an error if it is `strict`."""
        spans, legal = read_tags(tags, self._scheme)
        self._tally.entities += len(spans)
        if all(legal):
            return spans
        self._tally.add_illegal(tags, legal.count(False))
        found = illegal_tags(tags, self._scheme, self._illegal)
        if self._illegal == "strict":
            index, problem = found[0]
            remedy = 'Correct it, or set illegal_tags to "repair" or "drop"'
            return DataError(problem, path=self._path, line=start + step * index, remedy=remedy)
        key = "repaired" if self._illegal == "repair" else "dropped"
        for number in range(legal.count(False)):  # per entity, which may have several illegal tags
            index, problem = found[min(number, len(found) - 1)]
            self._report(key, DataError(problem, path=self._path, line=start + step * index))
        return spans if key == "repaired" else [span for span, kept in zip(spans, legal, strict=True) if kept]

    def _in_characters(
        self, spans: Iterable[tuple[int, int, str]], tokens: Sequence[str], text: str
    ) -> Iterator[Entity]:
        if len(text) == len(tokens):  # the tokens are characters
            return (Entity(*span) for span in spans)
        starts = list(itertools.accumulate((len(token) + len(self._join) for token in tokens), initial=0))
        return (Entity(starts[first], starts[end - 1] + len(tokens[end - 1]), type_) for first, end, type_ in spans)


def with_documents(records: Iterable[Optional[Record]], path: str) -> Iterator[Record]:
    """The records, in which each sentence after the start of a document names that document."""
    document: Optional[str] = None
    number = 0
    for record in records:
        if record is None:
            number += 1
            document = f"{path} document {number}"
        elif isinstance(record, Sentence):
            record.document = document
            yield record
        else:
            yield record


def merge_documents(records: Iterable[Optional[Record]]) -> Iterator[Record]:
    """
    Join the sentences of each document with line feeds. The id of a document is its number, from 0.

    If a sentence cannot be read, its error takes the place of the document, at once.

    # Raises

    `DataError` in a document of which hardly anything can be read: its text would be of no use, and millions of bad
    lines would be looked at for one message.
    """
    number = bad = 0
    document: list[Sentence] = []
    for record in itertools.chain(records, [None]):
        if isinstance(record, Sentence):
            document.append(record)
        elif record is not None:
            bad += 1
            if bad == 1:
                yield record
            elif bad > _MOST_BAD and bad > 100 * len(document):
                raise _hardly_readable(record, bad, len(document))
        elif document or bad:
            if not bad:
                yield _merged(document, number)
            number += 1
            bad, document = 0, []


def _hardly_readable(error: DataError, bad: int, good: int) -> DataError:
    return DataError(
        f"{bad:,} of the {bad + good:,} sentences of a document so far cannot be read; the last one: {error.problem}",
        path=error.path,
        line=error.line,
        expected="a document that can be read",
        remedy="Check the reader and its options",
    )


def _merged(sentences: Sequence[Sentence], number: int) -> Sentence:
    starts = itertools.accumulate((len(sentence.text) + 1 for sentence in sentences), initial=0)
    entities: Optional[list[Entity]] = None
    for start, sentence in zip(starts, sentences, strict=False):
        if sentence.entities is not None:
            entities = [] if entities is None else entities
            entities.extend(Entity(start + e.start, start + e.end, e.type) for e in sentence.entities)
    return Sentence("\n".join(s.text for s in sentences), entities, number, sentences[0].source)
