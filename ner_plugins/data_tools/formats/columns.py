"""Columns: a token and its tag on each line. `ner_plugins.dataset_readers.columns` reads them."""

from typing import Sequence

from ner_plugins.data_tools.formats.base import (
    SentenceFormat,
    cannot_hold,
    check_encodable,
    check_labelled,
    check_size_of_tags,
    described,
)
from ner_plugins.dataset_readers.columns.layout import DOCUMENT_START
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import shown
from ner_plugins.options import check_name
from ner_plugins.tag_schemes import Span, spans_to_tags, tag_scheme

TOKENS = ("characters", "words")


class ColumnFormat(SentenceFormat):
    """
    A token, a tab and its tag on each line, and a blank line after each sentence. Entities are flat.

    # Parameters

    scheme : `str`
        See `tag_schemes`.
    tokens : `str`, optional (default=`"characters"`)
        With `words`, the words of each text must be separated by single spaces.

    # Raises

    `ConfigError` for an unknown scheme or kind of token.
    """

    conflict = Entity.overlaps

    def __init__(self, scheme: str, tokens: str = "characters") -> None:
        check_name("tokens", tokens, TOKENS)
        self._scheme, self._tokens = tag_scheme(scheme).name, tokens

    def encode(self, sentence: Sentence) -> bytes:
        """The lines of a sentence and the blank one after them."""
        entities = check_labelled(sentence, "a column file")
        if not sentence.text:
            remedy = "Write cluener, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "an empty text would have no line", remedy)
        if "\n" in sentence.text:
            remedy = "Write cluener, brackets, datasets or docbin, or leave it out (--on-error skip)"
            raise cannot_hold(sentence, "a column file cannot hold a line break", remedy)
        check_encodable(sentence, "a column file")
        for entity in entities:
            if any(character.isspace() for character in entity.type):
                remedy = 'Rename it by the reader\'s option "rename_types": {OLD: NEW}'
                raise cannot_hold(sentence, f"the type {shown(entity.type)} contains white space", remedy)
        words, spans = tokens_and_spans(sentence, self._tokens)
        if DOCUMENT_START in words:
            remedy = "Write characters (--tokens characters), or leave it out (--on-error skip)"
            raise cannot_hold(sentence, f"a column file cannot have {DOCUMENT_START} as a token", remedy)
        check_size_of_tags(sentence, spans)
        tags = spans_to_tags(spans, len(words), self._scheme)
        lines = [f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)]
        return ("".join(lines) + "\n").encode()


def tokens_and_spans(sentence: Sentence, tokens: str) -> tuple[Sequence[str], list[Span]]:
    """
    The tokens of a text, and its entities as spans of tokens.

    # Parameters

    sentence : `Sentence`
    tokens : `str`
        One of `TOKENS`.

    # Raises

    `DataError` if words are not separated by single spaces, or an entity begins or ends inside one.
    """
    entities = sentence.entities or ()
    if tokens == "characters":
        return list(sentence.text), [(entity.start, entity.end, entity.type) for entity in entities]
    words = sentence.text.split(" ")
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    at = 0
    for index, word in enumerate(words):
        if not word or len(word.split()) != 1 or word.split()[0] != word:
            problem = "its words are not separated by single spaces"
            raise cannot_hold(sentence, problem, "Write characters (--tokens characters)")
        starts[at], ends[at + len(word)] = index, index + 1
        at += len(word) + 1
    for entity in entities:
        if entity.start not in starts or entity.end not in ends:
            problem = f"{described(sentence, entity)} begins or ends inside a word"
            raise cannot_hold(sentence, problem, "Write characters (--tokens characters)")
    return words, [(starts[entity.start], ends[entity.end], entity.type) for entity in entities]
