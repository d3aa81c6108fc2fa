"""CLUENER 2020: one JSON object per line. `ner_plugins.dataset_readers.json.cluener` reads it."""

import re
from typing import Any, ClassVar

from ner_plugins.data_tools.formats.base import SentenceFormat, cannot_hold
from ner_plugins.dataset_readers.json.cluener import label_of
from ner_plugins.entities import Sentence
from ner_plugins.files.output_files import dump_json

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


class CluenerFormat(SentenceFormat):
    """`{"id", "text", "label": {TYPE: {SURFACE: [[START, END inclusive]]}}}`: see `CluenerReader`."""

    holds_weights: ClassVar[bool] = True

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        text, entities = sentence.text, sentence.entities
        for value in (text, sentence.id, *(entity.type for entity in entities or ())):
            if isinstance(value, str) and _SURROGATE_PAIR.search(value):
                remedy = "Write brackets, which keep them apart, or correct the text"
                raise cannot_hold(sentence, "JSON reads two surrogates in a row as one character", remedy)
        row: dict[str, Any] = {} if sentence.id is None else {"id": sentence.id}
        row["text"] = text
        if entities is not None:
            row["label"] = label_of(text, entities)
        if sentence.weight != 1.0:
            row["weight"] = sentence.weight
        return (dump_json(row) + "\n").encode()
