"""doccano's JSON lines. `ner_plugins.dataset_readers.json.doccano` reads them."""

import logging
from typing import Any, ClassVar

from ner_plugins.data_tools.formats.base import SentenceFormat, check_encodable
from ner_plugins.dataset_readers.json.spans import has_astral, to_utf16
from ner_plugins.entities import Sentence
from ner_plugins.files.output_files import dump_json

logger = logging.getLogger(__name__)


class DoccanoFormat(SentenceFormat):
    """
    `{"id", "text", "label": [[START, END, TYPE]]}`, half-open; without gold there is no label. doccano has no scores.

    # Parameters

    offsets : `str`
        `characters` or `utf16`: see `JsonReader`.
    """

    holds_weights: ClassVar[bool] = True

    def __init__(self, offsets: str) -> None:
        self._utf16 = offsets == "utf16"
        self._warned = False

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        check_encodable(sentence, "doccano")
        row: dict[str, Any] = {} if sentence.id is None else {"id": sentence.id}
        row["text"] = sentence.text
        if sentence.entities is not None:
            row["label"] = [[*self._span(sentence, e.start, e.end), e.type] for e in sentence.entities]
        if sentence.weight != 1.0:
            row["weight"] = sentence.weight
        return (dump_json(row) + "\n").encode()

    def _span(self, sentence: Sentence, start: int, end: int) -> tuple[int, int]:
        if self._utf16:
            return to_utf16(sentence.text, start), to_utf16(sentence.text, end)
        if not self._warned and has_astral(sentence.text[:end]):
            self._warned = True
            logger.warning(
                "%s: an entity comes after a character that doccano's page counts as two, such as an emoji, and will "
                "look shifted there: write its units with --offsets utf16, and read the export with the same option",
                sentence.source,
            )
        return start, end
