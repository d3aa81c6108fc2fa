"""Sentences as columns: a token and its tag on each line."""

from typing import Dict, List, Sequence, Tuple

from ner_plugins.data_tools.formats.sentence_formats import (
    SentenceFormat,
    cannot_hold,
    check_encodable,
    check_labelled,
)
from ner_plugins.dataset_readers.columns.layout import DOCUMENT_START
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.tag_schemes import Span, spans_to_tags, tag_scheme

TOKENS = ("characters", "words")


class ColumnFormat(SentenceFormat):
    """
    A token, a tab and its tag on each line, and a blank line after each sentence. Entities are flat.

    # Parameters

    scheme : `str`
        See `tag_schemes`.
    tokens : `str`, optional (default=`"characters"`)
        `words` are separated by one space each; a text that is not so made up has no place in it.
    """

    conflict = Entity.overlaps

    def __init__(self, scheme: str, tokens: str = "characters") -> None:
        self._scheme = tag_scheme(scheme).name
        self._tokens = check_tokens(tokens)

    def encode(self, sentence: Sentence) -> bytes:
        """The lines, the blank one included."""
        entities = check_labelled(sentence, "a column file")
        if not sentence.text:
            remedy = "Write cluener, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "no text, which would be no line at all,", remedy)
        if "\n" in sentence.text:
            remedy = "Write cluener, brackets, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "a line break, which a column file cannot hold,", remedy)
        check_encodable(sentence, "a column file")
        for entity in entities:
            if any(character.isspace() for character in entity.type):
                remedy = 'Rename it by the reader\'s option "rename_types": {OLD: NEW}'
                raise cannot_hold(sentence, f"the type {entity.type!r}, with white space,", remedy)
        words, spans = tokens_and_spans(sentence, self._tokens)
        if DOCUMENT_START in words:
            remedy = "Write characters (--tokens characters), or leave it out (--on-error skip)"
            raise cannot_hold(sentence, f"the word {DOCUMENT_START}, which no column file has as a token,", remedy)
        tags = spans_to_tags(spans, len(words), self._scheme)
        lines = [f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)]
        return ("".join(lines) + "\n").encode()


def check_tokens(tokens: str) -> str:
    """`tokens`, or `ConfigError` when it is none of `TOKENS`."""
    if tokens not in TOKENS:
        raise ConfigError(f"tokens is {tokens!r}, but must be one of {', '.join(TOKENS)}")
    return tokens


def tokens_and_spans(sentence: Sentence, tokens: str) -> Tuple[Sequence[str], List[Span]]:
    """
    The tokens of a text, and its entities in tokens.

    # Raises

    `DataError` when the words, joined by a space, are not the text, or an entity begins or ends within one.
    """
    entities = sentence.entities or ()
    if tokens == "characters":
        return list(sentence.text), [(entity.start, entity.end, entity.type) for entity in entities]
    words = sentence.text.split(" ")
    starts: Dict[int, int] = {}
    ends: Dict[int, int] = {}
    at = 0
    for index, word in enumerate(words):
        if not word or len(word.split()) != 1 or word.split()[0] != word:
            problem = "white space that is not one space between two words,"
            raise cannot_hold(sentence, problem, "Write characters (--tokens characters)")
        starts[at], ends[at + len(word)] = index, index + 1
        at += len(word) + 1
    for entity in entities:
        if entity.start not in starts or entity.end not in ends:
            surface = sentence.text[entity.start : entity.end]
            problem = f"{entity.type} {surface!r} ({entity.start}, {entity.end}), which cuts a word,"
            raise cannot_hold(sentence, problem, "Write characters (--tokens characters)")
    return words, [(starts[entity.start], ends[entity.end], entity.type) for entity in entities]
