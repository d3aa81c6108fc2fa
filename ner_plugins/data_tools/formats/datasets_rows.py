"""Rows for Hugging Face `datasets`. `ner_plugins.dataset_readers.json.datasets_rows` reads them."""

from typing import Any, ClassVar, Optional

from ner_plugins.data_tools.formats.base import SentenceFormat, check_encodable, check_size_of_tags
from ner_plugins.entities import Sentence, resolve_overlaps
from ner_plugins.files.output_files import dump_json
from ner_plugins.tag_schemes import spans_to_tags


class DatasetsFormat(SentenceFormat):
    """
    JSON lines for `load_dataset("json")` of Hugging Face `datasets`.

    `tokens` are the characters, `ner_tags` the BIO tags of flat entities (where some overlap, of the longest), and
    `entities` all of them, `{"start", "end", "type"}`, half-open. Without gold `ner_tags` and `entities` are null. An
    id is always a string, since a column has one type; a sentence without one gets its row number, from 0.

    `datasets` infers the columns' types from the first 10 MB of the first file. If these hold no entity, or labelled
    and unlabelled files are loaded together, it needs `load_dataset(..., features=Features(...))`.
    """

    holds_weights: ClassVar[bool] = True

    def __init__(self) -> None:
        self._rows = 0

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        check_encodable(sentence, "datasets")
        text, entities = sentence.text, sentence.entities
        tags: Optional[list[str]] = None
        if entities is not None:
            flat = resolve_overlaps(entities) if len(entities) > 1 else entities
            spans = [(entity.start, entity.end, entity.type) for entity in flat]
            check_size_of_tags(sentence, spans)
            tags = spans_to_tags(spans, len(text))
        row: dict[str, Any] = {
            "id": str(self._rows if sentence.id is None else sentence.id),
            "text": text,
            "tokens": list(text),
            "ner_tags": tags,
            "entities": None if entities is None else [entity.to_json() for entity in entities],
        }
        self._rows += 1
        if sentence.weight != 1.0:
            row["weight"] = sentence.weight
        return (dump_json(row) + "\n").encode()
