"""Tokenizers with exact character offsets: `ner_characters`, `ner_words` and `ner_subwords`."""

from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer
from ner_plugins.tokenizers.ner_subwords import NerSubwordTokenizer
from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer
from ner_plugins.tokenizers.ner_words import NerWordTokenizer

__all__ = ["NerCharacterTokenizer", "NerSubwordTokenizer", "NerTokenizer", "NerWordTokenizer"]
