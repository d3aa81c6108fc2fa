"""Sentences as a spaCy DocBin."""

from typing import Any, Optional

from ner_plugins.data_tools.formats.column_format import check_tokens, tokens_and_spans
from ner_plugins.data_tools.formats.sentence_formats import SentenceFormat, cannot_hold, check_encodable
from ner_plugins.dataset_readers.docbin import SPANS_KEY, import_spacy
from ner_plugins.entities import Sentence, resolve_overlaps


class DocBinFormat(SentenceFormat):
    """
    A document for each sentence, of one token for each character, so that every entity has its tokens.

    Entities are `doc.ents`. Where some overlap all of them are `doc.spans["sc"]`, and the longest `doc.ents` as well.
    A text without gold has neither. An id is `doc.user_data["id"]`. All documents are in memory until the end.

    # Parameters

    tokens : `str`, optional (default=`"characters"`)
        With `words` the tokens are those of `ColumnFormat`.

    # Raises

    `ConfigError` where spaCy is not installed.
    """

    def __init__(self, tokens: str = "characters") -> None:
        spacy = import_spacy()
        self._tokens = check_tokens(tokens)
        self._doc: Any = spacy.tokens.Doc
        self._span: Any = spacy.tokens.Span
        self._vocab = spacy.vocab.Vocab()
        self._bin: Optional[Any] = spacy.tokens.DocBin(store_user_data=True)

    def encode(self, sentence: Sentence) -> bytes:
        """Nothing yet."""
        check_encodable(sentence, "docbin")
        if not sentence.text and sentence.entities is None:
            remedy = "Leave it out (--on-error skip), or write cluener"
            raise cannot_hold(sentence, "neither text nor gold, which docbin cannot hold together,", remedy)
        if isinstance(sentence.id, int) and not -(2**63) <= sentence.id < 2**63:
            raise cannot_hold(sentence, f"the id {sentence.id}, of more than 64 bits,", "Give it a string as its id")
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
