"""Column files of characters, a block of lines at a time."""

import re
from typing import Any, Iterable, Iterator, Optional

from ner_plugins.dataset_readers.columns.layout import ColumnLayout
from ner_plugins.dataset_readers.columns.parser import ColumnParser, Record
from ner_plugins.dataset_readers.parsing import gc_paused
from ner_plugins.entities import Entity, Sentence
from ner_plugins.tag_schemes import Span, is_tag, read_tags, split_tag

_FIRST_MARK = 0xD800  # code points that no decoder makes of UTF-8, whatever it does with errors
_MARKS = 512
_MARK = re.compile("[\ud800-\udbff]")
_RUN = re.compile("(?:[^\ud800-\udbff][\ud800-\udbff])+")
_BLANK = re.compile(r"\n[^\S\n]*(?=\n)")
_IN_VAIN = 8


class CharacterParser(ColumnParser):
    """
    Parses a file of two columns, a character and its tag: as `ColumnParser`, and more than twice as fast.

    In a whole block, the end of each line, from separator to LF, becomes a mark that stands for the tag, and nothing
    for `O`. What is left is text and marks, each sentence on a line. It is right if, without the marks, it has as many
    characters as the block has lines: each token's line leaves one character, each blank line its LF, and anything else
    more. A block of which that does not hold (a longer token, a tag not seen before, something wrong) goes line by line
    through `ColumnParser`, and so does a sentence whose tags are illegal.
    """

    def __init__(self, layout: ColumnLayout, *arguments: Any) -> None:
        super().__init__(layout, *arguments)
        assert layout.separator
        self._separator = layout.separator
        self._marks: dict[str, str] = {"O": ""}
        self._tag_of: dict[str, str] = {}  # of each mark
        self._runs: dict[str, Optional[list[Span]]] = {}  # entities of the marks of adjacent tokens
        self._in_vain = 0
        separator = re.escape(layout.separator)
        self._tag_cell = re.compile(f"{separator}([^{separator}\n]+)\n")

    @staticmethod
    def fits(layout: ColumnLayout) -> bool:
        """Whether it is for files of this layout."""
        columns = (layout.columns, layout.token_column, layout.tag_columns, layout.join)
        return columns in ((2, 0, (1,), ""), (2, 0, (-1,), "")) and len(layout.separator or "") == 1

    def records_of_blocks(self, blocks: Iterable[tuple[int, str]]) -> Iterator[Optional[Record]]:
        """As `records`, from the number of a block's first line and its lines: see `read_blocks`."""
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
        """The sentences in whole lines of a file."""
        if self._in_vain < _IN_VAIN:
            marked = text
            for tag, mark in self._marks.items():
                marked = marked.replace(f"{self._separator}{tag}\n", mark)
            plain = _MARK.sub("", marked)
            no_token = text.startswith(self._separator) or f"\n{self._separator}" in text
            if len(plain) == text.count("\n") and self._separator not in plain and not no_token:
                self._in_vain = 0
                yield from self._sentences(marked.split("\n"), plain.split("\n"), start)
                return
            self._in_vain += 1
        yield from self.records(enumerate(text[:-1].split("\n"), start))
        if self._in_vain < _IN_VAIN:
            self._learn(text)

    def _learn(self, text: str) -> None:
        """Gives marks to the tags of a block that was parsed."""
        self._runs.clear()  # a scheme that was told may have changed
        for tag in sorted(set(self._tag_cell.findall(text)) - self._marks.keys()):
            if is_tag(tag) and split_tag(tag)[0] in self._letters and len(self._tag_of) < _MARKS:
                mark = chr(_FIRST_MARK + len(self._tag_of))
                self._marks[tag], self._tag_of[mark] = mark, tag

    def _sentences(self, lines: list[str], texts: list[str], number: int) -> Iterator[Optional[Record]]:
        """The sentences of a block, from marked lines and the same without marks; `number` is that of the first."""
        done, counts = 0, self._counts
        while done < len(lines):
            with gc_paused():
                legal = self._legal_sentences(lines, texts, done, number)
            for sentence in legal:
                if sentence is not None:
                    counts["tokens"] += len(sentence.text)  # one by one: see `NerDatasetReader.sentence_tokens`
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
        """Those up to the first whose tags are illegal; `None` for a blank line."""
        path, found, labelled = self._path, [], 0
        for line, text in zip(lines[first:], texts[first:], strict=True):
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
        """Those of a marked line; `None` if tags are illegal."""
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
        """The entities of a run of tags; `None` if they are illegal."""
        spans, legal = read_tags([self._tag_of[mark] for mark in marks], self._scheme)
        self._runs[marks] = spans if all(legal) else None
        return self._runs[marks]

    def _lines(self, line: str) -> list[str]:
        """What a marked line was made of."""
        lines: list[str] = []
        for character in line:
            if tag := self._tag_of.get(character):
                lines[-1] = lines[-1][: -len("O")] + tag
            else:
                lines.append(f"{character}{self._separator}O")
        return lines
