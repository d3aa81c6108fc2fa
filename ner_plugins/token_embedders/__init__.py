"""Token embedders: one vector per token, from token ids or the pieces of an encoder."""

from ner_plugins.segmentation.windows import WindowPlan, plan_windows
from ner_plugins.token_embedders.ner_embedding import NerEmbedding
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder

__all__ = ["NerEmbedding", "TransformerEmbedder", "WindowPlan", "plan_windows"]
