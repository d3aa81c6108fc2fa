"""The interface of a format, and the checks that formats share."""

import re
from abc import ABC, abstractmethod
from typing import Callable, ClassVar, Optional, Sequence

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError, shown
from ner_plugins.tag_schemes import Span

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_OF_TAGS = 20_000_000  # characters; a longer line would fill the memory, here or of its reader


class SentenceFormat(ABC):
    """
    A format of corpora. A file is the bytes of each sentence in turn, then those of `finish`.

    An instance writes one file.
    """

    # Whether two entities of a text exclude each other; `None` if the format can hold any two.
    conflict: ClassVar[Optional[Callable[[Entity, Entity], bool]]] = None
    # Whether the format can hold the weights of sentences.
    holds_weights: ClassVar[bool] = False

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
    text = _in_short(sentence.text, 40)
    return DataError(f"cannot write {text!r}: {problem}", path=sentence.source or None, remedy=remedy)


def described(sentence: Sentence, entity: Entity) -> str:
    """An entity for a message, shortened: its type, its surface and its offsets."""
    surface = shown(sentence.text[entity.start : entity.end])
    return f"{_in_short(entity.type, 80)} {surface} ({entity.start}, {entity.end})"


def _in_short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def check_size_of_tags(sentence: Sentence, spans: Sequence[Span]) -> None:
    """`DataError` if the tags of the tokens, each of which repeats its type, have more than 20 million characters."""
    size = sum((end - start) * len(type_) for start, end, type_ in spans)
    if size > _MOST_OF_TAGS:
        problem = f"its tags would have {size:,} characters, since each of them repeats its type"
        remedy = 'Write cluener, doccano or docbin, or give types shorter names by the reader\'s option "rename_types"'
        raise cannot_hold(sentence, problem, remedy)


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
