"""One token for each character."""

import sys
from typing import Any, Dict, List

from allennlp.data.tokenizers import Token, Tokenizer

from ner_plugins.tokenizers.ner_tokenizer import NerTokenizer, replace_surrogates


@Tokenizer.register("ner_characters")
class NerCharacterTokenizer(NerTokenizer):
    """
    Splits a text into its code points; spaces, control characters and combining marks are tokens of their own, so
    that token i is character i. AllenNLP's own `character` tokenizer gives its tokens no end.
    """

    def tokenize(self, text: str) -> List[Token]:
        """One token for each code point."""
        # Interned: a corpus of millions of tokens has a few thousand different ones.
        intern = sys.intern
        return [Token(intern(character), i, i + 1) for i, character in enumerate(replace_surrogates(text))]

    def _to_params(self) -> Dict[str, Any]:
        return {"type": "ner_characters"}
