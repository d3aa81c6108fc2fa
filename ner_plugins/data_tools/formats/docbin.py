"""A spaCy DocBin. `ner_plugins.dataset_readers.docbin` reads it."""

from typing import Any, Optional

from ner_plugins.data_tools.formats.base import SentenceFormat, cannot_hold, check_encodable
from ner_plugins.data_tools.formats.columns import TOKENS, tokens_and_spans
from ner_plugins.dataset_readers.docbin import SPANS_KEY, import_spacy
from ner_plugins.entities import Sentence, resolve_overlaps
from ner_plugins.options import check_name


class DocBinFormat(SentenceFormat):
    """
    A document for each sentence, with one token per character, so that every entity begins and ends at a token.

    Entities are `doc.ents`. If some overlap, `doc.spans["sc"]` holds all of them and `doc.ents` the longest. A text
    without gold has neither. An id is `doc.user_data["id"]`. All documents are kept in memory until `finish`.

    # Parameters

    tokens : `str`, optional (default=`"characters"`)
        `characters` or `words`, as in `ColumnFormat`.

    # Raises

    `ConfigError` for an unknown kind of token, or if spaCy is not installed.
    """

    def __init__(self, tokens: str = "characters") -> None:
        spacy = import_spacy()
        check_name("tokens", tokens, TOKENS)
        self._tokens = tokens
        self._doc: Any = spacy.tokens.Doc
        self._span: Any = spacy.tokens.Span
        self._vocab = spacy.vocab.Vocab()
        self._bin: Optional[Any] = spacy.tokens.DocBin(store_user_data=True)

    def encode(self, sentence: Sentence) -> bytes:
        """No bytes yet: `finish` returns the whole file."""
        check_encodable(sentence, "docbin")
        if not sentence.text and sentence.entities is None:
            remedy = "Leave it out (--on-error skip), or write cluener"
            raise cannot_hold(sentence, "docbin cannot hold an empty text without gold", remedy)
        if isinstance(sentence.id, int) and not -(2**63) <= sentence.id < 2**63:
            raise cannot_hold(sentence, f"its id {sentence.id} exceeds 64 bits", "Use a string as its id")
        words, spans = tokens_and_spans(sentence, self._tokens)
        between = self._tokens == "words"
        doc = self._doc(self._vocab, words=words, spaces=[between] * (len(words) - 1) + [False] * bool(words))
        if sentence.id is not None:
            doc.user_data["id"] = sentence.id
        if sentence.entities is not None:
            made = {
                entity: self._span(doc, start, end, label=type_)
                for entity, (start, end, type_) in zip(sentence.entities, spans, strict=True)
            }
            flat = resolve_overlaps(sentence.entities)
            doc.set_ents([made[entity] for entity in flat])
            if len(flat) < len(made):
                doc.spans[SPANS_KEY] = list(made.values())
        assert self._bin is not None  # nothing is written after `finish`
        self._bin.add(doc)
        return b""

    def finish(self) -> bytes:
        """The whole file."""
        assert self._bin is not None
        data: bytes = self._bin.to_bytes()
        self._bin = None
        return data
