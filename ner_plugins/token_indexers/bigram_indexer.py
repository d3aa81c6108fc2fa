"""Indexes bigrams of tokens."""

from typing import Any, Optional, Sequence

from allennlp.data.token_indexers import TokenIndexer
from allennlp.data.token_indexers.token_indexer import IndexedTokenList
from allennlp.data.tokenizers import Token
from allennlp.data.vocabulary import Vocabulary

from ner_plugins.errors import ConfigError
from ner_plugins.lexicon.normalisation import Normalisation, NormalisationKind

END = "<end>"
BIGRAM_NAMESPACE = "bigrams"


@TokenIndexer.register("ner_bigrams")
class BigramIndexer(TokenIndexer):
    """
    Indexes token k as the bigram of tokens k and k + 1, and the last token as the bigram of itself and `<end>`, as in
    FLAT and Lattice LSTM (Zhang and Yang 2018, section 3.1). With characters as tokens, 上海人 has the bigrams 上海,
    海人 and 人<end>.

    It needs all tokens of a text at once, which this package's readers pass to it (`TokensField`).

    Registered as a `TokenIndexer` with name "ner_bigrams". Use it with the `TokenEmbedder` "ner_embedding" or
    "embedding", with `vocab_namespace: "bigrams"`.

    # Parameters

    namespace : `str`, optional (default=`"bigrams"`)
        The vocabulary namespace.
    normalize : `Optional[list[str]]`, optional (default=`None`)
        `full_width` and `digits`: see `Normalisation`. Neither by default, as published.
    token_min_padding_length : `int`, optional (default=`0`)
        See `TokenIndexer`.
    """

    def __init__(
        self,
        namespace: str = BIGRAM_NAMESPACE,
        normalize: Optional[list[NormalisationKind]] = None,
        token_min_padding_length: int = 0,
    ) -> None:
        super().__init__(token_min_padding_length)
        self.namespace = namespace
        self.normalisation = Normalisation.of(normalize)

    def count_text(self, tokens: Sequence[Token], counter: dict[str, dict[str, int]]) -> None:
        """Count the bigrams of a text's tokens; `TokensField` calls it."""
        count = counter[self.namespace]
        for bigram in self._bigrams(tokens):
            count[bigram] += 1

    def count_vocab_items(self, token: Token, counter: dict[str, dict[str, int]]) -> None:
        """Raises `ConfigError`: a single token has no bigram. See `count_text`."""
        raise ConfigError(
            "ner_bigrams needs all tokens of a text at once: use a dataset reader of ner_plugins, or a TokensField "
            "instead of the TextField"
        )

    def tokens_to_indices(self, tokens: list[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        """`{"tokens": ids}`, with one id per token."""
        return {"tokens": [vocabulary.get_token_index(bigram, self.namespace) for bigram in self._bigrams(tokens)]}

    def get_empty_token_list(self) -> IndexedTokenList:
        """What `tokens_to_indices` returns for no tokens."""
        return {"tokens": []}

    def _bigrams(self, tokens: Sequence[Token]) -> list[str]:
        texts = [self.normalisation(token.text or "") for token in tokens]
        return [first + second for first, second in zip(texts, [*texts[1:], END], strict=False)]

    def _to_params(self) -> dict[str, Any]:
        return {
            "type": "ner_bigrams",
            "namespace": self.namespace,
            "normalize": list(self.normalisation.kinds),
            "token_min_padding_length": self._token_min_padding_length,
        }
