"""The Korean corpus 2016klp: each sentence as text, annotated, and split into morphemes."""

from typing import ClassVar, Iterator, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.brackets import UnescapedBrackets
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.parsing import line_groups
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError

TYPES = ("PS", "OG", "LC", "DT", "TI")

_HEADERS = ("; ", "$")
_COLUMNS = "4 columns, separated by tabs: number of the word, base form, part of speech, tag"


@DatasetReader.register("klp")
class KlpReader(NerDatasetReader):
    """
    Reads blocks, separated by blank lines, like

        ; 한별이 왔다.
        $<한별:PS>이 왔다.
        1	한별	NNP	B_PS
        1	이	JKS	O
        2	오	VV	O
        2	았	EP	O
        2	다	EF	O
        2	.	SF	O

    The entities are taken from the line that begins with `$`, in which nothing is escaped (see `UnescapedBrackets`).
    The morphemes are base forms, which do not add up to the text, so only the number of columns is checked. A folder
    has `ner.train`, `ner.dev` and `ner.test`, compressed or not. For the parameters see `NerDatasetReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("ner.train",),
        "dev": ("ner.dev",),
        "test": ("ner.test",),
    }
    _brackets: ClassVar[UnescapedBrackets] = UnescapedBrackets(TYPES)

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises the two lines that open a block."""
        first, second = [*file_start.lines[:2], "", ""][:2]
        found = first.startswith("; ") and second.startswith("$")
        return Recognition("pairs of lines with `; ` and `$`") if found else None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        for first, block in line_groups(lines):
            try:
                record: Union[Sentence, DataError] = self._sentence(first, block, path)
            except DataError as error:
                record = error
            else:
                self.counts["tokens"] += len(block) - len(_HEADERS)
            yield record

    def _sentence(self, first: int, block: list[str], path: str) -> Sentence:
        remedy = "Put a blank line between two blocks, and nowhere else"
        for at, prefix in enumerate(_HEADERS):
            if at == len(block) or not block[at].startswith(prefix):
                found = f"{block[at][:40]!r} as line {at + 1} of a block" if at < len(block) else "the block ends here"
                place = first + min(at, len(block) - 1)
                raise DataError(
                    found, path=path, line=place, expected=f"a line of text after {prefix!r}", remedy=remedy
                )
        rows = block[len(_HEADERS) :]
        for at, row in enumerate(rows):
            if row.count("\t") != 3:
                found, place = f"{row.count(chr(9)) + 1} columns, {row[:40]!r}", first + len(_HEADERS) + at
                raise DataError(found, path=path, line=place, expected=_COLUMNS, remedy=remedy)
        text, annotated = (line[len(prefix) :] for line, prefix in zip(block, _HEADERS, strict=False))
        try:
            entities = self._brackets.entities(text, annotated)
        except DataError as error:
            raise DataError(
                error.problem, path=path, line=first + 1, expected=error.expected, remedy=error.remedy
            ) from None
        return Sentence(text, tuple(entities), None, f"{path}:{first}")
