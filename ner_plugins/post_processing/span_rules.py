"""The rules: `add`, `forbid`, `retype` and `strip`."""

from dataclasses import replace
from typing import Literal, Optional, Sequence

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError
from ner_plugins.options import place_of_object
from ner_plugins.post_processing.span_matcher import SpanMatcher
from ner_plugins.post_processing.span_rule import SpanRule, check_text, conflicts, without_equals
from ner_plugins.segmentation.blanks import trimmed


@SpanRule.register("add")
class AddRule(SpanRule):
    """
    Each match is an entity, without white space at its edges. Its score is 1, so thresholds do not apply to it.

    # Parameters

    pattern, words, path, serialization_dir
        What matches: see `SpanMatcher`.
    entity_type : `Optional[str]`, optional (default=`None`)
        The type of the entities; a dictionary's file may have one for each word.
    overlap : `Literal["keep", "replace"]`, optional (default=`"keep"`)
        Where a match and predicted entities cannot both stand (`conflicts`): `keep` keeps these, `replace` removes
        them.
    name
        See `SpanRule`.

    # Raises

    `ConfigError` as `SpanMatcher`, and if a word has no type.
    """

    def __init__(
        self,
        pattern: Optional[str] = None,
        words: Optional[list[str]] = None,
        path: Optional[str] = None,
        entity_type: Optional[str] = None,
        overlap: Literal["keep", "replace"] = "keep",
        name: Optional[str] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        super().__init__(name)
        self.matcher = SpanMatcher(pattern, words, path, serialization_dir)
        self.entity_type = entity_type
        self.overlap = overlap
        check_has_type(self.matcher, entity_type)

    def named_types(self) -> frozenset[str]:
        """`SpanRule.named_types`."""
        return types_of(self.matcher, self.entity_type)

    def apply(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """`SpanRule.apply`."""
        found = list(entities)
        for first, last, type_ in self.matcher.find(text):
            start, end = trimmed(text, first, last)
            added = Entity(start, end, str(type_ or self.entity_type), 1.0)
            if start == end or added in found:
                continue
            others = [entity for entity in found if conflicts(added, entity, nested)]
            if others and self.overlap == "keep":
                continue
            found = [entity for entity in found if entity not in others] + [added]
        return sorted(found)


@SpanRule.register("forbid")
class ForbidRule(SpanRule):
    """
    Entities whose whole surface matches are removed.

    # Parameters

    pattern, words, path, serialization_dir
        What matches: see `SpanMatcher`. The types in a dictionary's file have no effect.
    entity_types, name
        See `SpanRule`.
    """

    def __init__(
        self,
        pattern: Optional[str] = None,
        words: Optional[list[str]] = None,
        path: Optional[str] = None,
        entity_types: Optional[list[str]] = None,
        name: Optional[str] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        super().__init__(name, entity_types)
        self.matcher = SpanMatcher(pattern, words, path, serialization_dir)

    def apply(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """`SpanRule.apply`."""
        return [
            entity
            for entity in entities
            if not (self.concerns(entity) and self.matcher.matches(text[entity.start : entity.end]))
        ]


@SpanRule.register("retype")
class RetypeRule(SpanRule):
    """
    Entities whose whole surface matches get another type. If the text then has an entity twice, the most probable is
    kept.

    # Parameters

    pattern, words, path, serialization_dir
        What matches: see `SpanMatcher`.
    entity_type : `Optional[str]`, optional (default=`None`)
        Their new type; a dictionary's file may have one for each word.
    entity_types, name
        See `SpanRule`.

    # Raises

    `ConfigError` as `SpanMatcher`, and if a word has no type.
    """

    def __init__(
        self,
        pattern: Optional[str] = None,
        words: Optional[list[str]] = None,
        path: Optional[str] = None,
        entity_type: Optional[str] = None,
        entity_types: Optional[list[str]] = None,
        name: Optional[str] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        super().__init__(name, entity_types)
        self.matcher = SpanMatcher(pattern, words, path, serialization_dir)
        self.entity_type = entity_type
        check_has_type(self.matcher, entity_type)

    def named_types(self) -> frozenset[str]:
        """`SpanRule.named_types`."""
        return super().named_types() | types_of(self.matcher, self.entity_type)

    def apply(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """`SpanRule.apply`."""
        found = []
        for entity in entities:
            surface = text[entity.start : entity.end]
            if self.concerns(entity) and self.matcher.matches(surface):
                entity = replace(entity, type=str(self.matcher.words.get(surface) or self.entity_type))
            found.append(entity)
        return without_equals(found)


@SpanRule.register("strip")
class StripRule(SpanRule):
    """
    Entities lose certain characters at their edges, and white space that this leaves there; one that has no others is
    removed. An entity that would then not fit with another (`conflicts`) stays as it is.

    # Parameters

    characters : `str`
        Such as `，。（）()`.
    entity_types, name
        See `SpanRule`.

    # Raises

    `ConfigError` if there is no character.
    """

    def __init__(self, characters: str, entity_types: Optional[list[str]] = None, name: Optional[str] = None) -> None:
        super().__init__(name, entity_types)
        check_text("characters", characters)
        if not characters:
            raise ConfigError(f"{place_of_object()}characters is empty, so the rule has no effect")
        self.characters = frozenset(characters)

    def apply(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """`SpanRule.apply`."""
        found = list(entities)
        for entity in entities:
            start, end = self._stripped(text, entity.start, entity.end)
            if not self.concerns(entity) or (start, end) == (entity.start, entity.end):
                continue
            others = [other for other in found if other is not entity]
            shorter = replace(entity, start=start, end=end)
            if start == end:
                found = others
            elif not any(conflicts(shorter, other, nested) and shorter != other for other in others):
                found = [*others, shorter]
        return without_equals(found)

    def _stripped(self, text: str, start: int, end: int) -> tuple[int, int]:
        while True:
            before = (start, end)
            while start < end and text[start] in self.characters:
                start += 1
            while start < end and text[end - 1] in self.characters:
                end -= 1
            start, end = trimmed(text, start, end)
            if (start, end) == before:
                return before


def check_has_type(matcher: SpanMatcher, entity_type: Optional[str]) -> None:
    """
    # Raises

    `ConfigError` if there is no type for each match, or it is no text.
    """
    check_text("entity_type", entity_type)
    if entity_type is None and (not matcher.words or None in matcher.words.values()):
        without = next((f", as {word!r} has none" for word, type_ in matcher.words.items() if type_ is None), "")
        raise ConfigError(f"{place_of_object()}entity_type is missing{without}: give the type of what matches")


def types_of(matcher: SpanMatcher, entity_type: Optional[str]) -> frozenset[str]:
    """The types of what matches."""
    return frozenset(type_ for type_ in (entity_type, *matcher.words.values()) if type_ is not None)
