"""The interface of a format, and the checks that formats share."""

import re
from abc import ABC, abstractmethod
from typing import Callable, ClassVar, Optional, Sequence

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


class SentenceFormat(ABC):
    """
    A format of corpora. A file is the bytes of each sentence in turn, then those of `finish`.

    An instance writes one file.
    """

    # Whether two entities of a text exclude each other; `None` if the format can hold any two.
    conflict: ClassVar[Optional[Callable[[Entity, Entity], bool]]] = None

    @abstractmethod
    def encode(self, sentence: Sentence) -> bytes:
        """
        The bytes of a sentence. Its entities are distinct spans of its text, and no two are in `conflict`.

        # Raises

        `DataError` if the format cannot hold the sentence.
        """

    def finish(self) -> bytes:
        """The bytes after the last sentence."""
        return b""


def cannot_hold(sentence: Sentence, problem: str, remedy: str) -> DataError:
    """The error for a sentence that a format cannot hold."""
    text = sentence.text if len(sentence.text) <= 40 else sentence.text[:39] + "…"
    return DataError(f"cannot write {text!r}: {problem}", path=sentence.source or None, remedy=remedy)


def check_labelled(sentence: Sentence, name: str) -> Sequence[Entity]:
    """The gold of a sentence; `DataError` if it has none, for formats that cannot mark a text as unlabelled."""
    if sentence.entities is None:
        problem = f"it is unlabelled, which {name} cannot distinguish from having no entities"
        raise cannot_hold(sentence, problem, "Write cluener, datasets or docbin, which can")
    return sentence.entities


def check_encodable(sentence: Sentence, name: str) -> None:
    """`DataError` if the text, a type or the id has a character that UTF-8 cannot encode."""
    for value in (sentence.text, sentence.id, *(entity.type for entity in sentence.entities or ())):
        found = _SURROGATE.search(value) if isinstance(value, str) else None
        if found:
            problem = f"{name} cannot hold the lone surrogate U+{ord(found[0]):04X}"
            remedy = 'Write cluener or brackets, which escape it, or read with the option "encoding_errors": "replace"'
            raise cannot_hold(sentence, problem, remedy)
