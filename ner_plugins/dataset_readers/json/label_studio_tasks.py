"""Parsing the tasks of Label Studio, whole or as JSON-MIN writes them."""

from dataclasses import dataclass
from typing import Any, Iterator, Literal, Mapping, Optional, Sequence, Union

from ner_plugins.dataset_readers.json.lines import json_object, kind
from ner_plugins.dataset_readers.json.spans import Bad, Offsets, RawEntity, SpanChecker
from ner_plugins.dataset_readers.remarks import LeftOutTally
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError, shown

_REGION = '{"start": START, "end": END, "labels": [TYPE]}'
_TASK = 'a task with "data" and "annotations", or a row of JSON-MIN with "text" and regions'
_UNREAD = 'Set unannotated to "unlabelled" to predict them, or to "empty" if they have no entities'


@dataclass(frozen=True)
class Choice:
    """
    What to read of tasks: the options of `LabelStudioReader`.

    # Parameters

    text_key, annotator, unannotated, use_predictions, offsets
        See there.
    """

    text_key: Optional[str] = None
    annotator: Optional[Union[int, str]] = None
    unannotated: Literal["leave_out", "unlabelled", "empty"] = "leave_out"
    use_predictions: bool = False
    offsets: Optional[Offsets] = None


class TaskParser:
    """
    Makes sentences of the tasks of a file.

    # Parameters

    choice : `Choice`
    tally : `LeftOutTally`
        Counts what is not read.
    path : `str`
        The file, for messages.
    """

    def __init__(self, choice: Choice, tally: LeftOutTally, path: str) -> None:
        self._choice, self._tally, self._path = choice, tally, path
        self._last_row: Any = None  # the task of the last row of JSON-MIN that was read

    def sentence(self, line: str, number: int) -> Optional[Sentence]:
        """
        The sentence of a record; `None` if it is left out.

        # Parameters

        line : `str`
        number : `int`
            The line on which it begins.

        # Raises

        `DataError` with the problem, what was expected, and what to do.
        """

        def bad(problem: str, expected: str, remedy: str = "Correct the line") -> DataError:
            return DataError(problem, path=self._path, line=number, expected=expected, remedy=remedy)

        value = json_object(line, bad)
        data = value.get("data")
        if isinstance(data, dict):
            text, results = self._text(data, bad), self._results_of_task(value, bad)
        else:
            text, results = self._text(value, bad), self._results_of_row(value)
            data = {}
        if results is None:
            return None
        found = data.get("id", value.get("id"))
        id_ = found if isinstance(found, str) or type(found) is int else None
        source = f"{self._path}:{number}"
        if isinstance(results, str):
            return Sentence(text, () if results == "empty" else None, id_, source)
        checker = SpanChecker(text, bad, _REGION, self._choice.offsets)
        return Sentence(text, tuple(dict.fromkeys(self._entities(results, checker, bad))), id_, source)

    def _text(self, data: Mapping[str, Any], bad: Bad) -> str:
        key = self._choice.text_key or "text"
        if isinstance(data.get(key), str):
            text: str = data[key]
            return text
        strings = [key for key, value in data.items() if isinstance(value, str) and key != "id"]
        if self._choice.text_key is None and len(strings) == 1 and "text" not in data:
            return self._text({"text": data[strings[0]]}, bad)
        found = f"no text under {shown(key)} among the keys {shown(list(data))}"
        raise bad(found, _TASK, "Set the option text_key to the key of the text")

    def _results_of_task(self, task: Mapping[str, Any], bad: Bad) -> Union[str, Sequence[Any], None]:
        """The results of a task's chosen annotation; how to read a task without one, or `None` to leave it out."""
        found = task.get("annotations", task.get("completions"))
        annotations = [] if found is None else found
        if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
            raise bad(f'"annotations" is {shown(annotations)}', "an array of annotations")
        done = [one for one in annotations if not (one.get("was_cancelled") or one.get("skipped"))]
        self._tally.add("cancelled annotation", len(annotations) - len(done))
        if annotations and not done:
            self._tally.add("task with cancelled annotations alone")
            return None
        chosen = [one for one in done if self._is_by(one.get("completed_by"))][:1]
        self._count_others(len(done) - len(chosen))
        if done and not chosen:
            self._tally.add("task without an annotation by the annotator")
            return None
        guesses = task.get("predictions")  # a number of them in some exports
        predictions = [one for one in guesses if isinstance(one, dict)] if isinstance(guesses, list) else []
        if not done and predictions and self._choice.use_predictions:
            chosen = predictions[:1]
        elif predictions and not done:
            self._tally.add("prediction", len(predictions), "Set use_predictions to read them")
        if not chosen:
            return self._unannotated()
        results = chosen[0].get("result")
        if not isinstance(results, list):
            raise bad(f'"result" of an annotation is a JSON {kind(results)}', "an array of results")
        return results

    def _results_of_row(self, row: Mapping[str, Any]) -> Union[str, Sequence[Any], None]:
        """The same for a row of JSON-MIN, which is one annotation; rows of one task follow each other."""
        task = row.get("id")
        if task is not None and task == self._last_row:
            self._count_others(1)
            return None
        regions = [region for value in row.values() if is_labels(value) for region in value]
        if not regions and row.get("annotation_id") is None and [] not in row.values():
            return self._unannotated()
        if not self._is_by(row.get("annotator")):
            self._count_others(1)
            return None
        self._last_row = task
        return [{"type": "labels", "value": region} for region in regions]

    def _is_by(self, annotator: Any) -> bool:
        """Whether an annotation is by the annotator that is asked for."""
        if self._choice.annotator is None:
            return True
        names = [annotator]
        if isinstance(annotator, dict):
            names = [annotator.get(key) for key in ("id", "email", "username")]
        return any(str(name) == str(self._choice.annotator) for name in names if isinstance(name, (int, str)))

    def _count_others(self, count: int) -> None:
        self._tally.add("annotation by another annotator", count, "The option annotator chooses whose to read")

    def _unannotated(self) -> Optional[str]:
        if self._choice.unannotated != "leave_out":
            return self._choice.unannotated
        self._tally.add("task without annotation", remedy=_UNREAD)
        return None

    def _entities(self, results: Sequence[Any], checker: SpanChecker, bad: Bad) -> Iterator[Entity]:
        """The entities of results, one for each label of a region."""
        for index, result in enumerate(results):
            value = result.get("value") if isinstance(result, dict) else None
            if not isinstance(value, dict) or not isinstance(value.get("labels"), list):
                kind_ = result.get("type") if isinstance(result, dict) else None
                self._tally.add(f"result of the kind {kind_ if isinstance(kind_, str) else 'unknown'}"[:60])
            elif not isinstance(value.get("start"), int) and "text" not in value:
                self._tally.add("region without offsets into the text")
            elif not value["labels"]:
                self._tally.add("region without a label")
            else:
                for label in value["labels"]:
                    raw = RawEntity(
                        index, value.get("start"), value.get("end"), label, value.get("text"), result.get("score")
                    )
                    yield checker.entity(raw)


def is_labels(value: Any) -> bool:
    """Whether a value of a row of JSON-MIN is a list of regions with labels."""
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and isinstance(first.get("labels"), list) and "start" in first
