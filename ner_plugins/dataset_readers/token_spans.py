"""The characters of tokens, and the tokens of entities."""

from collections import Counter
from typing import Sequence

from allennlp.data import Token, Tokenizer

from ner_plugins.dataset_readers.alignment import Boundary, align_entities
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer

_UNITS = [(i, i + 1) for i in range(1024)]


def token_offsets(tokens: Sequence[Token], tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """
    The half-open characters of each token.

    # Parameters

    tokens : `Sequence[Token]`
        At least one.
    tokenizer : `Tokenizer`
        The one that made the tokens.

    # Raises

    `ConfigError` if the tokens have no character offsets.
    """
    if type(tokenizer) is NerCharacterTokenizer and tokens[0].text:
        while len(_UNITS) < len(tokens):  # shared by all texts
            _UNITS.append((len(_UNITS), len(_UNITS) + 1))
        return _UNITS[: len(tokens)]
    offsets = [(token.idx, token.idx_end) for token in tokens]
    if offsets[0][1] is None or offsets[-1][1] is None:
        # Most of AllenNLP's tokenizers set the start alone; their tokens are unchanged parts of the text.
        if any(token.idx is None for token in tokens):
            problem = f"dataset_reader.tokenizer: {type(tokenizer).__name__} gives no character offsets"
            raise ConfigError(f"{problem}. Use ner_characters, ner_subwords or ner_words")
        return [(token.idx, token.idx + len(token.text)) for token in tokens]
    return offsets


def token_spans(
    sentence: Sentence,
    gold: Sequence[Entity],
    offsets: Sequence[tuple[int, int]],
    boundary: Boundary,
    counts: "Counter[str]",
) -> list[tuple[int, int, str]]:
    """
    The gold of a sentence in tokens.

    # Parameters

    sentence : `Sentence`
    gold : `Sequence[Entity]`
        Its entities.
    offsets : `Sequence[tuple[int, int]]`
        The characters of its tokens.
    boundary : `str`
        See `align_entities`.
    counts : `Counter[str]`
        Incremented: entities `moved` to token boundaries, and those `without_tokens`.

    # Returns

    `list[tuple[int, int, str]]`
        The half-open tokens and the type of each entity that has tokens.

    # Raises

    `DataError` if an entity is empty or extends past the text.
    """
    for entity in gold:
        if not 0 <= entity.start < entity.end <= len(sentence.text):
            raise DataError(
                f"{entity.type} ({entity.start}, {entity.end}) is empty, or outside the text's {len(sentence.text)} "
                "characters",
                path=sentence.source or None,
            )
    spans: list[tuple[int, int, str]] = []
    for span in align_entities(gold, offsets, boundary):
        if span is None:
            counts["without_tokens"] += 1
        else:
            counts["moved"] += not span.exact
            spans.append((span.start, span.end, span.type))
    return spans
