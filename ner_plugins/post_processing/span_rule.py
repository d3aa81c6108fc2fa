"""The interface of rules that change the predicted entities of a text."""

from abc import ABC, abstractmethod
from typing import Optional, Sequence

from allennlp.common import Registrable

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, shown
from ner_plugins.options import place_of_object


class SpanRule(Registrable, ABC):
    """
    A rule of `model.post_processing`. Register one of your own with `@SpanRule.register("name")`.

    # Parameters

    name : `Optional[str]`, optional (default=`None`)
        Of its counts among the metrics; `None` for its place in the list and its type, `0_strip`.
    entity_types : `Optional[list[str]]`, optional (default=`None`)
        The types of the entities that it changes; `None` for all.

    # Raises

    `ConfigError` if the name has a `/` or is empty, or `entity_types` is empty.
    """

    def __init__(self, name: Optional[str] = None, entity_types: Optional[list[str]] = None) -> None:
        check_text("name", name)
        if name is not None and (not name or "/" in name):
            raise ConfigError(f"the name of a rule is {shown(name)}, but has to be a text without a slash")
        check_texts("entity_types", entity_types)
        if entity_types is not None and not entity_types:
            raise ConfigError("entity_types is an empty list, so the rule has no effect: leave it out for all types")
        self.name = name
        self.entity_types = None if entity_types is None else frozenset(entity_types)

    def named_types(self) -> frozenset[str]:
        """The entity types that its options name; the model has to have them."""
        return self.entity_types or frozenset()

    def concerns(self, entity: Entity) -> bool:
        """Whether the entity has one of `entity_types`."""
        return self.entity_types is None or entity.type in self.entity_types

    @abstractmethod
    def apply(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """
        # Parameters

        entities : `Sequence[Entity]`
            The predicted entities of a text, in order of position, without two that are equal.
        text : `str`
        nested : `bool`
            Whether the model predicts nested entities: then entities may contain each other, but not cross. Otherwise
            none may share a character.

        # Returns

        `list[Entity]`
            As `entities`. One that is changed keeps its score.
        """


def check_text(option: str, value: object) -> None:
    """
    # Raises

    `ConfigError` if a value of a config is neither a text nor `None`.
    """
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{place_of_object()}{option} is {shown(value)}, but has to be a text")


def check_texts(option: str, values: object) -> None:
    """
    # Raises

    `ConfigError` if a value of a config is neither a list of texts nor `None`.
    """
    if values is not None and not (isinstance(values, list | tuple) and all(isinstance(one, str) for one in values)):
        raise ConfigError(f"{place_of_object()}{option} is {shown(values)}, but has to be a list of texts")


def conflicts(entity: Entity, other: Entity, nested: bool) -> bool:
    """
    Whether a model cannot predict both entities: they share a character; where it predicts nested ones, they cross or
    are the same span.

        >>> conflicts(Entity(0, 2, "PER"), Entity(0, 5, "ORG"), nested=True)
        False
    """
    if nested:
        return entity.crosses(other) or (entity.start, entity.end) == (other.start, other.end)
    return entity.overlaps(other)


def without_equals(entities: Sequence[Entity]) -> list[Entity]:
    """The entities in order of position; of equal ones the most probable."""
    best: dict[Entity, Entity] = {}
    for entity in entities:
        kept = best.get(entity)
        if kept is None or (entity.score or 0.0) > (kept.score or 0.0):
            best[entity] = entity
    return sorted(best.values())
