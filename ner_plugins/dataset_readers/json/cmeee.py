"""CMeEE: nested entities of Chinese medical texts."""

from typing import Any, ClassVar, Iterator, Literal, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.json.json_reader import JsonReader
from ner_plugins.dataset_readers.json.lines import id_of, json_object, kind, text_of, weight_of
from ner_plugins.dataset_readers.json.spans import RawEntity, SpanChecker
from ner_plugins.dataset_readers.recognition import FileStart, Recognition
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError

_ENTITY = '{"start_idx": START, "end_idx": END, "type": TYPE, "entity": SURFACE}'
_KEYS = ("text", "id", "weight", "entities")
_EXCLUSIVE = 'The ends seem to be exclusive: set the option ends to "exclusive"'


@DatasetReader.register("cmeee")
class CmeeeReader(JsonReader):
    """
    Reads CMeEE (CHIP 2020, CBLUE), an array of objects, or the same as lines:

        {"text": "先天性心脏病", "entities": [{"start_idx": 0, "end_idx": 5, "type": "dis", "entity": "先天性心脏病"},
                                     {"start_idx": 3, "end_idx": 3, "type": "bod", "entity": "心"}]}

    Entities may be nested. If one has its surface under `entity`, it is checked. A text without `entities`, or with
    null, is unlabelled, as in the test file. A folder has `CMeEE_train.json`, `CMeEE_dev.json` and `CMeEE_test.json`,
    the same with `CMeEE-V2`, or `train.json` and so on.

    # Parameters

    ends : `str`, optional (default=`"inclusive"`)
        Whether `end_idx` is the last character of an entity (`inclusive`) or the first after it (`exclusive`, as in
        some copies).
    kwargs : `Any`
        See `JsonReader`.
    """

    split_files: ClassVar[Mapping[str, Sequence[str]]] = {
        split: (f"CMeEE_{split}.json", f"CMeEE-V2_{split}.json", f"{split}.json", f"{split}.jsonl")
        for split in ("train", "dev", "test")
    }

    def __init__(self, ends: Literal["inclusive", "exclusive"] = "inclusive", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ends = ends

    @classmethod
    def sniff(cls, file_start: FileStart) -> Optional[Recognition]:
        """Recognises JSON with `text` and `start_idx`."""
        found = "text" in (file_start.json_keys or ()) and any('"start_idx"' in line for line in file_start.lines)
        return Recognition("JSON with start_idx and end_idx", 0.95) if found else None

    def _parse(self, lines: Iterator[tuple[int, str]], path: str) -> Iterator[Union[Sentence, DataError]]:
        def parse(line: str, number: int) -> Sentence:
            return self._sentence(line, path, number)

        return self._sentences(lines, path, parse, _KEYS, ("entities",))

    def _sentence(self, line: str, path: str, number: int) -> Sentence:
        def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
            return DataError(problem, path=path, line=number, expected=expected, remedy=remedy)

        value = json_object(line, bad)
        weight = weight_of(value, bad)
        text, id_, found = text_of(value, bad), id_of(value, bad), value.get("entities")
        if found is None:
            return Sentence(text, None, id_, f"{path}:{number}", weight=weight)
        if not isinstance(found, list):
            raise bad(f'"entities" is a JSON {kind(found)}', f"an array of {_ENTITY}")
        checker = SpanChecker(text, bad, _ENTITY, self.offsets, self.ends == "inclusive", _EXCLUSIVE)
        entities = []
        for index, item in enumerate(found):
            if not isinstance(item, dict):
                raise bad(f"entity {index} is a JSON {kind(item)}", _ENTITY)
            raw = RawEntity(index, item.get("start_idx"), item.get("end_idx"), item.get("type"), item.get("entity"))
            entities.append(checker.entity(raw))
        return Sentence(text, tuple(dict.fromkeys(entities)), id_, f"{path}:{number}", weight=weight)
