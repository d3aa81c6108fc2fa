"""Token indexers: tokens to the ids that embedders read."""

from ner_plugins.token_indexers.bigram_indexer import BigramIndexer
from ner_plugins.token_indexers.transformer_indexer import TransformerIndexer

__all__ = ["BigramIndexer", "TransformerIndexer"]
