"""The bracket notation: one sentence on each line."""

import re
from typing import ClassVar, Iterator, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.brackets import from_brackets
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError
from ner_plugins.files.text_lines import without_mark

_ENTITY = re.compile(r"<[^<>\n]+:[^\s<>:/]+>")


@DatasetReader.register("brackets_ner")
class BracketsReader(NerDatasetReader):
    """
    Reads lines like

        <青禾银行:company>的<林晓彤:name>

    in the notation of `ner_plugins.brackets`: entities may be nested, and a backslash escapes `<`, `>` and `\\` in the
    text. A line without brackets is a sentence without entities; blank lines are skipped. A folder has `train.txt`,
    `dev.txt` (or `valid.txt`) and `test.txt`, or the same with `.brackets`, compressed or not. For the parameters see
    `NerDatasetReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        "train": ("train.txt", "train.brackets"),
        "dev": ("dev.txt", "dev.brackets", "valid.txt", "valid.brackets"),
        "test": ("test.txt", "test.brackets"),
    }

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises files in which at least a tenth of the lines have an entity."""
        if file_start.json_keys is not None or not file_start.lines:
            return None
        marked = sum(bool(_ENTITY.search(line)) for line in file_start.lines)
        return Recognition("lines with <surface:TYPE>", 0.4) if 10 * marked >= len(file_start.lines) else None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        for number, line in lines:
            line = without_mark(line)
            if line and not line.isspace():
                try:
                    text, entities = from_brackets(line)
                except DataError as error:
                    yield DataError(error.problem, path=path, line=number, expected=error.expected, remedy=error.remedy)
                else:
                    yield Sentence(text, tuple(entities), None, f"{path}:{number}")
