"""Fields: what an instance holds besides AllenNLP's own."""

from ner_plugins.fields.entities_field import EntitiesField

__all__ = ["EntitiesField"]
