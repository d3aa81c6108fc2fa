"""Indexes each token together with the next."""

from typing import Any, Dict, List, Optional, Sequence

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
    Gives token k the id of the bigram of tokens k and k + 1, and the last token that of itself and `<end>`, as FLAT
    and Lattice LSTM have it (Zhang and Yang 2018, section 3.1). With characters as tokens: of 上海人 the bigrams
    上海, 海人, 人<end>.

    It needs the tokens of a text together, which readers of this package give it (`TokensField`).

    Registered as a `TokenIndexer` with name "ner_bigrams"; to be used with the `TokenEmbedder` "ner_embedding" or
    "embedding", with `vocab_namespace: "bigrams"`.

    # Parameters

    namespace : `str`, optional (default = `"bigrams"`)
        The vocabulary namespace.
    normalize : `Optional[List[str]]`
        `full_width` and `digits`: see `Normalisation`. Left out: neither, as published.
    token_min_padding_length : `int`
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

    def count_text(self, tokens: Sequence[Token], counter: Dict[str, Dict[str, int]]) -> None:
        """Counts the bigrams of a text's tokens; `TokensField` calls it."""
        count = counter[self.namespace]
        for bigram in self._bigrams(tokens):
            count[bigram] += 1

    def count_vocab_items(self, token: Token, counter: Dict[str, Dict[str, int]]) -> None:
        """A token by itself has no bigram: see `count_text`."""
        raise ConfigError(
            "ner_bigrams needs all tokens of a text at once: use a dataset reader of ner_plugins, or a TokensField in "
            "place of the TextField"
        )

    def tokens_to_indices(self, tokens: List[Token], vocabulary: Vocabulary) -> IndexedTokenList:
        """`{"tokens": ids}`, an id for each token."""
        return {"tokens": [vocabulary.get_token_index(bigram, self.namespace) for bigram in self._bigrams(tokens)]}

    def get_empty_token_list(self) -> IndexedTokenList:
        """What `tokens_to_indices` returns for no tokens."""
        return {"tokens": []}

    def _bigrams(self, tokens: Sequence[Token]) -> List[str]:
        texts = [self.normalisation(token.text or "") for token in tokens]
        return [first + second for first, second in zip(texts, [*texts[1:], END], strict=False)]

    def _to_params(self) -> Dict[str, Any]:
        return {
            "type": "ner_bigrams",
            "namespace": self.namespace,
            "normalize": list(self.normalisation.kinds),
            "token_min_padding_length": self._token_min_padding_length,
        }
