"""The output formats of `allennlp predict`: functions that format a prediction as a line."""

from typing import Any, Callable, Mapping

from ner_plugins.dataset_readers.json.cluener import label_of
from ner_plugins.entities import Entity
from ner_plugins.files.output_files import dump_json


def to_entities_line(prediction: Mapping[str, Any]) -> str:
    """`{"id", "text", "entities": [{"start", "end", "type", "text", "score"}]}`."""
    return dump_json(prediction)


def to_cluener_line(prediction: Mapping[str, Any]) -> str:
    """The submission format of CLUENER2020, `{"id", "label": {type: {surface: [[start, end inclusive]]}}}`."""
    label = label_of(prediction["text"], map(Entity.from_json, prediction["entities"]))
    return dump_json({"id": prediction["id"], "label": label})


OUTPUT_FORMATS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "entities": to_entities_line,
    "cluener": to_cluener_line,
}
