"""Tokenizers whose tokens know their characters: `ner_characters` and `ner_subwords`."""

from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer
from ner_plugins.tokenizers.ner_subwords import NerSubwordTokenizer
from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer

__all__ = ["NerCharacterTokenizer", "NerSubwordTokenizer", "NerTokenizer"]
