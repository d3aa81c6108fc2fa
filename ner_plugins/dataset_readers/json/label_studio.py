"""Label Studio's exports: JSON, JSON-MIN and CoNLL."""

import re
from typing import Any, BinaryIO, Callable, ClassVar, Iterator, Literal, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.dataset_readers.json.json_reader import JsonReader
from ner_plugins.dataset_readers.json.label_studio_tasks import Choice, TaskParser, is_labels
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.dataset_readers.remarks import LeftOutTally
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError
from ner_plugins.files.opening import examined, readable

_HEAD = 1 << 10  # bytes that show whether a file is in columns
_COLUMNS = re.compile(r"-DOCSTART- -X- O\r?\n")
_ROW = re.compile(r"\S+ -X- _ \S+")
_LISTS = ("annotations", "completions", "predictions")


@DatasetReader.register("label_studio")
class LabelStudioReader(JsonReader):
    """
    Reads what Label Studio exports from projects for named entities: JSON (an array of tasks, or a task on each line),
    JSON-MIN (an array of annotations) and CoNLL2003 (columns).

        [{"id": 1, "data": {"text": "林晓彤来了"}, "annotations": [{"completed_by": 1, "result": [
          {"type": "labels", "value": {"start": 0, "end": 3, "text": "林晓彤", "labels": ["PER"]}}]}]}]
        [{"id": 1, "text": "林晓彤来了", "label": [{"start": 0, "end": 3, "text": "林晓彤", "labels": ["PER"]}]}]

    A region is an entity for each of its labels; its `text`, if it has one, is checked. Left out, counted and reported
    at the end of a file:

    - results of other kinds (`choices`, `relation`), and regions without a label or without offsets into the text (of
      audio or HTML)
    - cancelled annotations, and tasks that have no others
    - the other annotations of a task that has several (`annotator` chooses)
    - tasks without annotation (`unannotated` reads them), as nobody has said that they have no entities
    - predictions (`use_predictions` reads them)

    An annotation with an empty result is a text without entities. CoNLL loses what lies between the tokens: the text
    has spaces there, and in Chinese, which Label Studio does not split into words, entities grow to whole clauses.
    Prefer JSON. A folder has `train.json`, `dev.json` and `test.json`, or the same with `.jsonl` or `.conll`.

    # Parameters

    text_key : `Optional[str]`, optional (default=`None`)
        The key of the text in `data`. `None`: `text`, or else the only string.
    annotator : `Optional[Union[int, str]]`, optional (default=`None`)
        Whose annotations to read: a number or an e-mail address, as under `completed_by` (in JSON-MIN `annotator`).
        `None` for the first of each task that is not cancelled.
    unannotated : `str`, optional (default=`"leave_out"`)
        Tasks without annotation: `leave_out`, `unlabelled` (as texts to predict; not in one file with annotated ones)
        or `empty` (as texts without entities).
    use_predictions : `bool`, optional (default=`False`)
        Whether to read the first prediction of a task without annotation, with the scores.
    kwargs : `Any`
        See `JsonReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        split: tuple(f"{name}{suffix}" for suffix in (".json", ".jsonl", ".conll") for name in names)
        for split, names in {"train": ("train",), "dev": ("dev", "valid"), "test": ("test",)}.items()
    }

    def __init__(
        self,
        text_key: Optional[str] = None,
        annotator: Optional[Union[int, str]] = None,
        unannotated: Literal["leave_out", "unlabelled", "empty"] = "leave_out",
        use_predictions: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.choice = Choice(text_key, annotator, unannotated, use_predictions, self.offsets)

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises tasks by `data` and `annotations`, JSON-MIN by regions with `labels`, and Label Studio's CoNLL."""
        lines, keys, records = file_start.lines, file_start.json_keys, file_start.json_records
        if lines and _COLUMNS.match(lines[0] + "\n") and all(map(_ROW.fullmatch, lines[1:])) and len(lines) > 1:
            return Recognition("Label Studio's CoNLL", 0.95)
        if keys is None:
            return None
        if any(key in keys for key in _LISTS) and ("data" in keys or not records):
            return Recognition("tasks of Label Studio", 0.95)
        if any(is_labels(value) for record in records for value in record.values()) or "annotation_id" in keys:
            return Recognition("Label Studio's JSON-MIN", 0.95)
        return None

    def _parse_file(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        with readable(path):
            head, whole = examined(stream, _HEAD)
        if _COLUMNS.match(head.decode("utf-8-sig", "replace")):
            return self._parse_columns(whole, path, on_bad)
        return super()._parse_file(whole, path, on_bad)

    def _parse_columns(
        self, stream: BinaryIO, path: str, on_bad: Optional[Callable[[DataError], None]]
    ) -> Iterator[Union[Sentence, DataError]]:
        columns = ConllReader(
            columns=4, token_column=0, tag_columns=[3], separator=" ", scheme="BIO", join=" ", comment="",
            encoding_errors=self.encoding_errors,
        )  # fmt: skip
        columns.counts, columns.listener = self.counts, self.listener
        yield from columns._parse_file(stream, path, on_bad)

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        tally = LeftOutTally(path)
        parser = TaskParser(self.choice, tally, path)
        for number, line in lines:
            try:
                record: Union[Sentence, DataError, None] = parser.sentence(line, number)
            except DataError as error:
                record = error
            if record is not None:
                yield record
        self._remark(tally.remark())
