"""Token embedders: from token ids, or an encoder's pieces, to a vector per token."""

from ner_plugins.token_embedders.ner_embedding import NerEmbedding
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.token_embedders.windows import WindowPlan, plan_windows

__all__ = ["NerEmbedding", "TransformerEmbedder", "WindowPlan", "plan_windows"]
