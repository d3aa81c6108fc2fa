"""Tasks for Label Studio, with pre-annotations. `ner_plugins.dataset_readers.json.label_studio` reads them."""

from typing import Any

from ner_plugins.data_tools.formats.base import SentenceFormat, check_encodable
from ner_plugins.dataset_readers.json.spans import to_utf16
from ner_plugins.entities import Entity, Sentence
from ner_plugins.files.output_files import dump_json

MODEL_VERSION = "ner_plugins"


class LabelStudioFormat(SentenceFormat):
    """
    An array of tasks for this labelling interface:

        <View><Labels name="label" toName="text"> … </Labels><Text name="text" value="$text"/></View>

    The entities are a prediction, which people accept or correct, with their scores if they have any; the prediction's
    own score is the lowest, as Label Studio shows the tasks with the lowest first. Without gold there is no prediction.
    An id is kept in `data`, since Label Studio numbers tasks itself.

    # Parameters

    offsets : `str`
        `characters` or `utf16`: see `JsonReader`.
    """

    def __init__(self, offsets: str) -> None:
        self._utf16 = offsets == "utf16"
        self._begun = False

    def encode(self, sentence: Sentence) -> bytes:
        """One task, on a line of its own."""
        check_encodable(sentence, "label_studio")
        data: dict[str, Any] = {} if sentence.id is None else {"id": sentence.id}
        data["text"] = sentence.text
        task: dict[str, Any] = {"data": data}
        if sentence.entities is not None:
            prediction: dict[str, Any] = {"model_version": MODEL_VERSION}
            scores = [entity.score for entity in sentence.entities if entity.score is not None]
            if scores:
                prediction["score"] = min(scores)
            prediction["result"] = [
                self._result(index, entity, sentence.text) for index, entity in enumerate(sentence.entities)
            ]
            task["predictions"] = [prediction]
        before, self._begun = ",\n" if self._begun else "[\n", True
        return (before + dump_json(task)).encode()

    def finish(self) -> bytes:
        """The end of the array."""
        return b"\n]\n"

    def _result(self, index: int, entity: Entity, text: str) -> dict[str, Any]:
        start, end = entity.start, entity.end
        if self._utf16:
            start, end = to_utf16(text, start), to_utf16(text, end)
        result: dict[str, Any] = {"id": f"e{index}", "from_name": "label", "to_name": "text", "type": "labels"}
        result["value"] = {"start": start, "end": end, "text": text[entity.start : entity.end], "labels": [entity.type]}
        if entity.score is not None:
            result["score"] = entity.score
        return result
