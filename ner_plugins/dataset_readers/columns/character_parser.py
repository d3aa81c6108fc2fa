"""Fast parsing of column files of characters, a block of lines at a time."""

import re
from typing import Any, Iterable, Iterator, Optional

from ner_plugins.dataset_readers.columns.layout import ColumnLayout
from ner_plugins.dataset_readers.columns.notation import USUAL
from ner_plugins.dataset_readers.columns.parser import ColumnParser, Record
from ner_plugins.dataset_readers.parsing import gc_paused
from ner_plugins.entities import Entity, Sentence
from ner_plugins.tag_schemes import Span, is_tag, read_tags, split_tag

_FIRST_MARK = 0xD800  # code points that decoding UTF-8 never yields, whatever the error handler
_MARKS = 512
_MARK = re.compile("[\ud800-\udbff]")
_RUN = re.compile("(?:[^\ud800-\udbff][\ud800-\udbff])+")
_BLANK = re.compile(r"\n[^\S\n]*(?=\n)")
_MAX_FAILURES = 8  # in a row; after that, every block is parsed line by line


class CharacterParser(ColumnParser):
    """
    Parses a file of two columns, a character and its tag. Same results as `ColumnParser`, more than twice as fast.

    In a whole block, each line's end, from the separator to the LF, is replaced by a mark for its tag, or by nothing
    for `O`. What remains is text and marks, one sentence per line. This is correct if the text without marks has as
    many characters as the block has lines: the line of a token leaves one character, a blank line its LF, anything
    else more. If it is not (a longer token, a new tag, an error), the block is parsed line by line by `ColumnParser`;
    so is a sentence with illegal tags.
    """

    def __init__(self, layout: ColumnLayout, *arguments: Any) -> None:
        super().__init__(layout, *arguments)
        assert layout.separator
        self._separator = layout.separator
        self._marks: dict[str, str] = {"O": ""}
        self._tag_of: dict[str, str] = {}  # mark to tag
        self._runs: dict[str, Optional[list[Span]]] = {}  # the marks of adjacent tokens to their entities
        self._failures = 0
        separator = re.escape(layout.separator)
        self._tag_cell = re.compile(f"{separator}([^{separator}\n]+)\n")

    @staticmethod
    def fits(layout: ColumnLayout) -> bool:
        """Whether it can parse files of this layout."""
        columns = (layout.columns, layout.token_column, layout.tag_columns, layout.join)
        usual = layout.notation == USUAL and layout.bare_type is None and len(layout.separator or "") == 1
        return usual and columns in ((2, 0, (1,), ""), (2, 0, (-1,), ""))

    def records_of_blocks(self, blocks: Iterable[tuple[int, str]]) -> Iterator[Optional[Record]]:
        """As `records`, from blocks of lines, each with the number of its first line: see `read_blocks`."""
        pending: list[str] = []
        start = 1
        for number, block in blocks:
            start = start if pending else number
            joint = pending[-1][-1:] + block if pending else block
            cut = joint.rfind("\n\n") + 1
            for blank in _BLANK.finditer(joint, max(cut - 1, 0)):  # or a line of white space
                cut = blank.end() + 1
            cut -= len(joint) - len(block)
            if cut > 0:
                text = "".join([*pending, block[:cut]])
                yield from self._block(text, start)
                start += text.count("\n")
                pending, block = [], block[cut:]
            if block:
                pending.append(block)
        if text := "".join(pending):
            yield from self._block(text, start)

    def _block(self, text: str, start: int) -> Iterator[Optional[Record]]:
        """The sentences of a block of whole sentences."""
        if self._failures < _MAX_FAILURES:
            marked = text
            for tag, mark in self._marks.items():
                marked = marked.replace(f"{self._separator}{tag}\n", mark)
            plain = _MARK.sub("", marked)
            no_token = text.startswith(self._separator) or f"\n{self._separator}" in text
            if len(plain) == text.count("\n") and self._separator not in plain and not no_token:
                self._failures = 0
                yield from self._sentences(marked.split("\n"), plain.split("\n"), start)
                return
            self._failures += 1
        yield from self.records(enumerate(text[:-1].split("\n"), start))
        if self._failures < _MAX_FAILURES:
            self._add_marks(text)

    def _add_marks(self, text: str) -> None:
        """Assign marks to the tags of a block that was parsed line by line."""
        self._runs.clear()  # a detected scheme may have changed
        for tag in sorted(set(self._tag_cell.findall(text)) - self._marks.keys()):
            known = is_tag(tag) and tag == tag.rstrip() and split_tag(tag)[0] in self._letters
            if known and len(self._tag_of) < _MARKS:
                mark = chr(_FIRST_MARK + len(self._tag_of))
                self._marks[tag], self._tag_of[mark] = mark, tag

    def _sentences(self, lines: list[str], texts: list[str], number: int) -> Iterator[Optional[Record]]:
        """The sentences of a block, from its lines with and without marks; the first one has this number."""
        done, counts = 0, self._counts
        while done < len(lines):
            with gc_paused():
                legal = self._legal_sentences(lines, texts, done, number)
            for sentence in legal:
                if sentence is not None:
                    counts["tokens"] += len(sentence.text)  # before each yield: see `NerDatasetReader.sentence_tokens`
                    yield sentence
            number += sum(len(text) + 1 for text in texts[done : done + len(legal)])
            done += len(legal)
            if done < len(lines):
                yield from self.records(enumerate(self._lines(lines[done]), number))
                number += len(texts[done]) + 1
                done += 1

    def _legal_sentences(
        self, lines: list[str], texts: list[str], first: int, number: int
    ) -> list[Optional[Sentence]]:
        """The sentences up to the first one with illegal tags; `None` for a blank line."""
        path, found, labelled = self._path, [], 0
        for index in range(first, len(lines)):  # no slices: where many are illegal, copying them takes quadratic time
            line, text = lines[index], texts[index]
            length = len(text)
            entities = () if len(line) == length else self._entities(line)
            if entities is None:
                break
            found.append(Sentence(text, entities, None, f"{path}:{number}") if text else None)
            labelled += len(entities)
            number += length + 1
        self._tally.entities += labelled
        return found

    def _entities(self, line: str) -> Optional[tuple[Entity, ...]]:
        """The entities of a marked line; `None` if its tags are illegal."""
        found: list[Entity] = []
        runs, before = self._runs, 0  # marks
        for run in _RUN.finditer(line):
            marks = run[0][1::2]
            known = runs[marks] if marks in runs else self._read(marks)
            if known is None:
                return None
            first = run.start() - before
            before += len(marks)
            for start, end, type_ in known:
                found.append(Entity(first + start, first + end, type_))
        return tuple(found)

    def _read(self, marks: str) -> Optional[list[Span]]:
        """The entities of a run of tags; `None` if the tags are illegal."""
        spans, legal = read_tags([self._tag_of[mark] for mark in marks], self._scheme)
        self._runs[marks] = spans if all(legal) else None
        return self._runs[marks]

    def _lines(self, line: str) -> list[str]:
        """The lines of the file from which a marked line was made."""
        lines: list[str] = []
        for character in line:
            if tag := self._tag_of.get(character):
                lines[-1] = lines[-1][: -len("O")] + tag
            else:
                lines.append(f"{character}{self._separator}O")
        return lines
