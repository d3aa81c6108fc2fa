"""The rules of a model in order, and counts of what they did."""

import logging
from collections import Counter
from typing import Mapping, Optional, Sequence

from allennlp.nn.util import dist_reduce_sum

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, shown
from ner_plugins.post_processing.span_rule import SpanRule
from ner_plugins.thresholds import check_types

logger = logging.getLogger(__name__)

KEY = "model.post_processing"
CHANGES = ("added", "removed", "changed")
METRIC = "post_processing/"


class PostProcessing:
    """
    Applies rules to the predicted entities of texts, one after another.

    # Parameters

    rules : `Optional[Sequence[SpanRule]]`
        In the order in which they apply.
    types : `Sequence[str]`
        The entity types of the model.

    # Raises

    `ConfigError` if a rule names a type that is none of `types`, or two rules have the same name.
    """

    def __init__(self, rules: Optional[Sequence[SpanRule]], types: Sequence[str]) -> None:
        self.rules: dict[str, SpanRule] = {}
        for place, rule in enumerate(rules or ()):
            if not isinstance(rule, SpanRule):
                raise ConfigError(f"{KEY}.{place} is {shown(rule)}, but has to be a rule")
            check_types(sorted(rule.named_types()), types, f"{KEY}.{place}")
            name = rule.name or f"{place}_{_registered_name(rule)}"
            if name in self.rules:
                raise ConfigError(f"{KEY}: two rules have the name {name!r}")
            self.rules[name] = rule
        self._counts: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self.rules)

    def __call__(self, entities: Sequence[Entity], text: str, nested: bool) -> list[Entity]:
        """
        The entities of a text after all rules; parameters as of `SpanRule.apply`. What each rule did is counted.

        # Raises

        `NerError` if a regular expression takes too long.
        """
        found = list(entities)
        for name, rule in self.rules.items():
            before, found = found, rule.apply(found, text, nested)
            if found != before:
                for change, number in zip(CHANGES, changes(before, found), strict=True):
                    self._counts[name, change] += number
        return found

    def for_types(self, types: Sequence[str]) -> "PostProcessing":
        """The rules for a model of other types: without those that name a type which is none of `types`."""
        kept = PostProcessing(None, types)
        for name, rule in self.rules.items():
            unknown = rule.named_types() - set(types)
            if unknown:
                logger.warning("%s: the rule %s is dropped, as there is no type %s", KEY, name, ", ".join(unknown))
            else:
                kept.rules[name] = rule
        return kept

    def get_metric(self) -> dict[str, float]:
        """
        `post_processing/<rule>/added`, `removed` and `changed` of each rule: the numbers of entities since the last
        call, summed over ranks (so each rank has to call it). They are exact if one thread at a time applies rules.
        """
        counts = {
            f"{METRIC}{name}/{change}": float(dist_reduce_sum(self._counts[name, change]))
            for name in self.rules
            for change in CHANGES
        }
        self._counts.clear()
        return counts


def counts_of_rules(metrics: Mapping[str, float]) -> dict[str, dict[str, int]]:
    """By the name of each rule, in order, the entities `added`, `removed` and `changed` in a model's metrics."""
    found: dict[str, dict[str, int]] = {}
    for key, number in metrics.items():
        if key.startswith(METRIC):
            name, change = key.removeprefix(METRIC).split("/")
            found.setdefault(name, {})[change] = int(number)
    return found


def changes(before: Sequence[Entity], after: Sequence[Entity]) -> tuple[int, int, int]:
    """
    The numbers of entities added, removed and changed. An entity that is gone was changed if a new one overlaps it;
    each new one stands for one at most, and the others were added.
    """
    new = sorted(set(after) - set(before))
    gone = sorted(set(before) - set(after))
    changed = 0
    left = list(new)
    for entity in gone:
        partner = next((one for one in left if one.overlaps(entity)), None)
        if partner is not None:
            left.remove(partner)
            changed += 1
    return len(new) - changed, len(gone) - changed, changed


def _registered_name(rule: SpanRule) -> str:
    names = {constructor[0]: name for name, constructor in SpanRule._registry[SpanRule].items()}
    return str(names.get(type(rule), type(rule).__name__))
