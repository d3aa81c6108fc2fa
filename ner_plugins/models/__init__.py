"""The model `ner`, an encoder under a head, and the models that are named for their head."""

from ner_plugins.models.encoded_tokens import EncodedTokens
from ner_plugins.models.entity_model import EntityModel
from ner_plugins.models.named import BiaffineNer, CrfTagger, FlatNer, SpanNer
from ner_plugins.models.ner_model import NerModel

__all__ = ["BiaffineNer", "CrfTagger", "EncodedTokens", "EntityModel", "FlatNer", "NerModel", "SpanNer"]
