"""
The tokenizer of an export to Transformers. It gets whole texts, and has to split them into the pieces that the model
was trained on, which the dataset reader makes token by token.
"""

import json
from dataclasses import dataclass
from typing import Any, Optional, Sequence

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.errors import ConfigError
from ner_plugins.pretrained.tokenizer import SPECIAL_TOKENS
from ner_plugins.token_indexers.transformer_indexer import TransformerIndexer
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer
from ner_plugins.tokenizers.ner_subwords import NerSubwordTokenizer

PROBES = (
    "刘晓燕去年在北京大学读书，今年25岁。",
    "삼성전자의 김철수 부장은 서울에서 2,024명을 만났다.",
    "Anna Müller works for Example Ltd. in New York (since 1998).",
    "订单 iPhone15 Pro 于3月8日到货",
)
"""Texts whose pieces are compared."""

_CHARACTER = r"[\s\S]"
_SYLLABLE = "[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?"  # of Hangul, decomposed
_SPLIT_AT_SPACES = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")


def indexer_of(reader: NerDatasetReader) -> TransformerIndexer:
    """
    The reader's only indexer.

    # Raises

    `ConfigError` if it has others.
    """
    indexers = list(reader.token_indexers.values())
    if len(indexers) != 1 or not isinstance(indexers[0], TransformerIndexer):
        kinds = ", ".join(type(indexer).__name__ for indexer in indexers)
        raise ConfigError(f"--to huggingface needs a reader with one ner_transformer indexer, but it has {kinds}")
    return indexers[0]


def hub_tokenizer(reader: NerDatasetReader, max_length: int) -> Any:
    """
    A `transformers.PreTrainedTokenizerFast` for whole texts.

    # Parameters

    reader : `NerDatasetReader`
        That of the model's archive.
    max_length : `int`
        The number of pieces that the encoder reads at once, special pieces included.
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    indexer = indexer_of(reader)
    pipeline = json.loads(indexer.tokenizer.backend_tokenizer.to_str())
    if isinstance(reader.tokenizer, NerCharacterTokenizer):
        _split_characters(pipeline)
    lowers = reader.tokenizer.lowers if isinstance(reader.tokenizer, NerSubwordTokenizer) else indexer.lowercase
    if lowers:
        pipeline["normalizer"] = _sequence("normalizers", {"type": "Lowercase"}, pipeline["normalizer"])
    backend = Tokenizer.from_str(json.dumps(pipeline))
    backend.no_truncation()
    backend.no_padding()
    special = {name: getattr(indexer.tokenizer, name) for name in SPECIAL_TOKENS}
    splitter = pipeline["pre_tokenizer"] or {}
    if "add_prefix_space" in splitter:  # or Transformers 4 would set it to its own default
        special["add_prefix_space"] = splitter["add_prefix_space"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        **{name: value for name, value in special.items() if value is not None},
    )


def _split_characters(pipeline: dict[str, Any]) -> None:
    """Change a tokenizer's pipeline so that each character is a word, and white space the unknown piece."""
    decomposes = _keep_characters(pipeline["normalizer"])
    pattern = f"{_SYLLABLE}|{_CHARACTER}" if decomposes else _CHARACTER
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    pipeline["pre_tokenizer"] = _sequence("pretokenizers", split, _for_words(pipeline["pre_tokenizer"]))


def _keep_characters(normalizer: Optional[dict[str, Any]]) -> bool:
    """
    Change BERT's normalizer, which would add spaces around Chinese characters and remove characters. Returns whether a
    normalizer decomposes characters.
    """
    decomposes = False
    for part in [] if normalizer is None else normalizer.get("normalizers", [normalizer]):
        decomposes |= part["type"] in ("NFD", "NFKD")
        if part["type"] == "BertNormalizer":
            strips = part["lowercase"] if part["strip_accents"] is None else part["strip_accents"]
            part.update(clean_text=False, handle_chinese_chars=False, strip_accents=strips)
            decomposes |= strips
    return decomposes


def _for_words(splitter: Optional[dict[str, Any]]) -> Optional[dict[str, Any]]:
    """What is left of a pre-tokenizer for single characters: white space stays, and each is the start of a word."""
    if splitter is None or splitter["type"] in _SPLIT_AT_SPACES:
        return None
    if splitter["type"] == "Sequence":
        parts = [part for part in map(_for_words, splitter["pretokenizers"]) if part is not None]
        return {**splitter, "pretokenizers": parts} if parts else None
    if splitter["type"] == "Metaspace":
        return {**splitter, "prepend_scheme": "always"}
    return {**splitter, "add_prefix_space": True} if splitter["type"] == "ByteLevel" else splitter


def _sequence(key: str, first: dict[str, Any], then: Optional[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "Sequence", key: [first] if then is None else [first, then]}


@dataclass(frozen=True)
class Reading:
    """
    How a tokenizer reads texts, beside the dataset reader.

    # Parameters

    differing : `list[str]`
        The texts, or the characters, of which it makes other pieces.
    share : `float`
        Their share of those compared.
    one_piece : `bool`
        Whether (nearly) all of the reader's tokens are one piece.
    """

    differing: list[str]
    share: float
    one_piece: bool


def compare_readings(reader: NerDatasetReader, tokenizer: Any) -> Reading:
    """Compare the pieces of `PROBES`; for a model of characters, also those of each character of the vocabulary."""
    if isinstance(reader.tokenizer, NerCharacterTokenizer):
        known = "".join(sorted({piece.removeprefix("##")[-1:] for piece in tokenizer.get_vocab()}))
        texts = ["".join(PROBES), *(known[start : start + 500] for start in range(0, len(known), 500))]
    else:
        texts = list(PROBES)
    differing, compared, single, tokens = [], 0, 0, 0
    for text, of_tokens in zip(texts, pieces_of_tokens(reader, texts), strict=True):
        single += sum(len(pieces) == 1 for pieces in of_tokens)
        tokens += len(of_tokens)
        of_characters = isinstance(reader.tokenizer, NerCharacterTokenizer)
        compared += len(text) if of_characters else 1
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        if encoding["input_ids"] != [piece for pieces in of_tokens for piece in pieces]:
            differing += _differing_characters(text, encoding, of_tokens) if of_characters else [text]
    return Reading(sorted(set(differing)), len(differing) / compared, single >= 0.99 * tokens)


def _differing_characters(text: str, encoding: Any, of_characters: Sequence[Sequence[int]]) -> list[str]:
    found: list[list[int]] = [[] for _ in text]
    for piece, (start, _) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
        found[min(start, len(text) - 1)].append(piece)
    return [character for character, *pieces in zip(text, found, of_characters, strict=True) if pieces[0] != pieces[1]]


def pieces_of_tokens(reader: NerDatasetReader, texts: Sequence[str]) -> list[list[list[int]]]:
    """The reader's pieces of each token of each text."""
    indexer, found = indexer_of(reader), []
    for tokens in reader.tokenizer.batch_tokenize(list(texts)):
        indexed = indexer.tokens_to_indices(tokens, None)
        ids = iter(indexed["piece_ids"])
        found.append([[next(ids) for _ in range(count)] for count in indexed["piece_counts"]])
    return found
