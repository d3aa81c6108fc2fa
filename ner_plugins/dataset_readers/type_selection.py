"""Keeping and renaming entity types."""

import difflib
import logging
from collections import Counter
from dataclasses import replace
from typing import Optional, Sequence

from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, shown

logger = logging.getLogger(__name__)

_LISTED, _LONG = 30, 60  # types in a message, and characters of each


class TypeSelection:
    """
    Applies the options `rename_types` and `entity_types` to the sentences of one file.

    # Parameters

    rename_types : `dict[str, str]`
        New names for types of the file.
    entity_types : `Optional[Sequence[str]]`
        The (new) names to keep; `None` keeps all.
    """

    def __init__(self, rename_types: dict[str, str], entity_types: Optional[Sequence[str]]) -> None:
        self._rename, self._keep = rename_types, entity_types
        self._written: Counter[str] = Counter()  # types before renaming
        self._found: Counter[str] = Counter()  # and after renaming

    def apply(self, sentence: Sentence) -> Sentence:
        """The sentence with its selected entities, renamed."""
        gold = sentence.entities
        if not gold or not (self._keep or self._rename):
            return sentence
        if self._rename:
            self._written.update(entity.type for entity in gold)
            renamed = (replace(entity, type=self._rename.get(entity.type, entity.type)) for entity in gold)
            gold = list(dict.fromkeys(renamed))  # two types may have got the same name
        self._found.update(entity.type for entity in gold)
        if self._keep is not None:
            gold = [entity for entity in gold if entity.type in self._keep]
        return replace(sentence, entities=gold)

    def check(self, path: str, *, warn: bool) -> None:
        """
        After the last sentence, check that the types named in the options occur.

        # Raises

        `ConfigError` if one seems to be misspelt, or if none occurs. A type that is merely missing may be rare: it is
        logged as a warning if `warn` is set.
        """
        _check("rename_types", list(self._rename), self._written, path, warn)
        _check("entity_types", self._keep or (), self._found, path, warn)


def _check(option: str, named: Sequence[str], found: Counter[str], path: str, warn: bool) -> None:
    missing = [type_ for type_ in named if type_ not in found]
    if not found or not missing:
        return
    spare = {type_.casefold(): type_ for type_ in found if type_ not in named}
    for type_ in missing:
        close = difflib.get_close_matches(type_.casefold(), spare, n=1, cutoff=0.75)
        if close or len(missing) == len(named):
            hint = f". Did you mean {shown(spare[close[0]])}?" if close else ""
            problem = f"names {shown(type_)}, but {path} has only {_listed(sorted(found))}"
            raise ConfigError(f"dataset_reader.{option} {problem}{hint}")
    if warn:
        logger.warning("%s has no entity of the types %s", path, _listed(missing))


def _listed(types: Sequence[str]) -> str:
    """Some of the types, each shortened."""
    names = ", ".join(type_ if len(type_) <= _LONG else f"{type_[:_LONG]}..." for type_ in types[:_LISTED])
    return names + (f" and {len(types) - _LISTED} more" if len(types) > _LISTED else "")
