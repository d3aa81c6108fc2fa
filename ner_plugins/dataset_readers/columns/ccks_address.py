"""CCKS 2021, track 2: Chinese addresses."""

import itertools
from typing import ClassVar, Iterable, Iterator, Optional, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.dataset_readers.columns.layout import ColumnLayout
from ner_plugins.dataset_readers.columns.parser import ColumnParser
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError
from ner_plugins.files.data_paths import SplitFiles
from ner_plugins.files.text_lines import numbered_lines
from ner_plugins.tag_schemes import IllegalTagError

SEPARATOR = "\x01"


@DatasetReader.register("ccks_address")
class CcksAddressReader(ConllReader):
    """
    CCKS 2021 track 2 (addresses): `char tag` lines in BIOES; or whole lines of `id<U+0001>text`, as in the unlabelled
    test file, or of `id<U+0001>text<U+0001>tag tag …`, as in a submission. See `ConllReader`.
    """

    preset = ColumnLayout(
        columns=2, token_column=0, tag_columns=(1,), separator=" ", scheme="BIOES", join="", comment=""
    )
    split_files: ClassVar[SplitFiles] = {
        "train": ("train.conll", "train.txt"),
        "dev": ("dev.conll", "dev.txt"),
        "test": ("final_test.txt", "test.conll", "test.txt"),
    }

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises lines with U+0001, and columns as `conll_ner` does."""
        if file_start.json_keys is None and SEPARATOR in "".join(file_start.lines[:1]):
            return Recognition("lines of id, U+0001, text", 0.8)
        return super().sniff(file_start)

    def _parse_columns(
        self, blocks: Iterable[tuple[int, str]], path: str, layout: ColumnLayout
    ) -> Iterator[Union[Sentence, DataError]]:
        blocks = iter(blocks)
        first = list(itertools.islice(blocks, 1))
        whole = itertools.chain(first, blocks)
        if not first or SEPARATOR not in first[0][1].partition("\n")[0]:
            return super()._parse_columns(whole, path, layout)
        parser = ColumnParser(layout, path, self._token, self.illegal_tags, self._count_problem, self.counts)
        lines = ((number, line) for number, line in numbered_lines(whole) if line and not line.isspace())
        return (_record(line, path, number, parser) for number, line in lines)


def _record(line: str, path: str, number: int, parser: ColumnParser) -> Union[Sentence, DataError]:
    """A line of the test file or of a submission."""
    id_, *fields = line.split(SEPARATOR)
    if len(fields) not in (1, 2):
        expected = "id, text and perhaps tags, separated by U+0001"
        return DataError(f"{len(fields) + 1} fields", path=path, line=number, expected=expected)
    text, source = fields[0], f"{path}:{number}"
    key: Union[int, str] = int(id_) if id_.isascii() and id_.isdigit() and len(id_) < 19 else id_
    if len(fields) == 1:
        return Sentence(text, None, key, source)
    tags = fields[1].split()
    if len(tags) != len(text):
        problem = f"{len(tags)} tags for {len(text)} characters"
        return DataError(problem, path=path, line=number, expected="a tag for each character")
    try:
        return parser.sentence(text, [tags], number, key, on_one_line=True)
    except IllegalTagError as error:
        return DataError(error.problem, path=path, line=number, remedy="Correct the line")
