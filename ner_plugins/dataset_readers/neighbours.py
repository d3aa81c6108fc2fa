"""Neighbouring sentences of the same document, for the encoder to read around a sentence."""

from itertools import chain, groupby, islice
from typing import Iterable, Iterator, Literal, Optional, Sequence, Union

from allennlp.data import Token, TokenIndexer, Tokenizer

from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.fields.tokens_field import TokenContext

ContextSentences = Union[int, str]
"""A number of sentences on each side, or `document` for as many of it as the encoder's window holds."""
Documents = Literal["marked", "file"]
"""What a document is: what the corpus marks as one, or a file."""

CountedRecord = tuple[Union[Sentence, DataError], int]
"""A record, and the number of tokens that the reader had counted when it was parsed."""


class Neighbours:
    """
    Puts the neighbouring sentences of a document around each sentence.

    # Parameters

    sentences : `Union[int, str]`
        The number of sentences on each side, or `document` for as many as the encoder's window holds.
    documents : `str`
        `marked`: those that the corpus marks; `file`: the sentences of each file.
    indexers : `Iterable[TokenIndexer]`
        Those of the reader.

    # Attributes

    sentences : `int`
        The highest number of sentences on each side.

    # Raises

    `ConfigError` if `sentences` is not positive, or no indexer is that of an encoder.
    """

    def __init__(self, sentences: ContextSentences, documents: Documents, indexers: Iterable[TokenIndexer]) -> None:
        if sentences != "document" and (isinstance(sentences, str) or sentences < 1):
            raise ConfigError(
                f'dataset_reader.context_sentences is {sentences!r}, but must be a number from 1 on or "document" (or '
                "left out)"
            )
        limits = [indexer.encoder_limit for indexer in indexers if hasattr(indexer, "encoder_limit")]
        if not limits:
            raise ConfigError(
                'dataset_reader.context_sentences needs a pretrained encoder: an indexer of type "ner_transformer". '
                "Add one to token_indexers, or leave context_sentences out"
            )
        self._documents = documents
        self._tokens = max(limits)  # more would fit into no window, as each token has at least a piece
        self.sentences = self._tokens if isinstance(sentences, str) else sentences

    def attach(self, records: Iterable[CountedRecord]) -> Iterator[CountedRecord]:
        """
        Set `before` and `after` of each sentence. The records of a document are read before its first is yielded.

        # Raises

        `DataError` if documents have to be marked, and a sentence has none.
        """
        for _, group in groupby(records, _DocumentOf()):
            document = list(group)
            sentences = [record for record, _ in document if isinstance(record, Sentence)]
            if sentences and sentences[0].document is None:
                raise _unmarked(sentences[0])
            texts = [sentence.text for sentence in sentences]
            for place, sentence in enumerate(sentences):
                sentence.before = texts[max(place - self.sentences, 0) : place]
                sentence.after = texts[place + 1 : place + 1 + self.sentences]
            yield from document

    def document_of(self, sentence: Sentence, file: str) -> Optional[str]:
        """The document of a sentence in a file; `None` if it would have to be marked."""
        return file if self._documents == "file" else sentence.document

    def tokenize(
        self, sentences: Sequence[Sentence], tokenizer: Tokenizer
    ) -> Iterator[tuple[list[Token], TokenContext]]:
        """
        The tokens of each sentence, and those around it from the nearest sentences, as many as any window holds. Each
        text is tokenized once.
        """
        texts = dict.fromkeys(text for one in sentences for text in (*one.before, one.text, *one.after))
        known = dict(zip(texts, tokenizer.batch_tokenize(list(texts)), strict=True))
        for one in sentences:
            before = islice(_backwards(known[text] for text in reversed(one.before)), self._tokens)
            after = islice(chain.from_iterable(known[text] for text in one.after), self._tokens)
            yield known[one.text], TokenContext(list(before)[::-1], list(after))


def _backwards(texts: Iterable[Sequence[Token]]) -> Iterator[Token]:
    """The tokens of texts, the last of each text first."""
    for tokens in texts:
        yield from reversed(tokens)


class _DocumentOf:
    """The document of one record after the other; an error belongs to that of the sentence before it."""

    def __init__(self) -> None:
        self._last: Optional[str] = None

    def __call__(self, counted: CountedRecord) -> Optional[str]:
        record = counted[0]
        if isinstance(record, Sentence):
            self._last = record.document
        return self._last


def _unmarked(sentence: Sentence) -> DataError:
    return DataError(
        "dataset_reader.context_sentences needs documents, but this file does not mark where one begins",
        path=sentence.source or None,
        expected="-DOCSTART- lines, as in CoNLL-2003",
        remedy='If all sentences of a file follow each other in one text, set documents to "file"; otherwise leave '
        "context_sentences out, as neighbours would be unrelated",
    )
