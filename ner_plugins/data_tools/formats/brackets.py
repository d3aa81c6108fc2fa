"""Entities in brackets. `ner_plugins.dataset_readers.brackets` reads them."""

from ner_plugins.brackets import to_brackets
from ner_plugins.data_tools.formats.base import SentenceFormat, cannot_hold, check_labelled
from ner_plugins.entities import Entity, Sentence


class BracketsFormat(SentenceFormat):
    """`<SURFACE:TYPE>`: see `ner_plugins.brackets`. Entities may be nested, but must not cross."""

    conflict = Entity.crosses

    def encode(self, sentence: Sentence) -> bytes:
        """One line."""
        entities = check_labelled(sentence, "brackets")
        if not sentence.text:
            remedy = "Write cluener, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "an empty text would be a blank line", remedy)
        return (to_brackets(sentence.text, entities) + "\n").encode()
