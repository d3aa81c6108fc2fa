"""Fields of instances besides those of AllenNLP."""

from ner_plugins.fields.entities_field import EntitiesField
from ner_plugins.fields.lattice_field import LatticeField
from ner_plugins.fields.tokens_field import TokensField

__all__ = ["EntitiesField", "LatticeField", "TokensField"]
