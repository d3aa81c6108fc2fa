"""The official score of CLUENER2020, which compares surface strings."""

import logging
from typing import AbstractSet, Optional, Sequence

from allennlp.training.metrics import Metric

from ner_plugins.distributed import is_first_rank
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.metrics.entity_metric import EntityMetric, TypeCounts, macro_figures, type_figures

logger = logging.getLogger(__name__)


@Metric.register("cluener")
class CluenerMetric(EntityMetric):
    """
    The official score of CLUENER2020 (github.com/CLUEbenchmark/CLUENER2020). In each sentence and for each type it
    compares the sets of predicted and gold surface strings, and computes precision, recall and F1 per type, then their
    unweighted mean over the types.

    Positions are ignored: a surface that occurs twice counts once, and a prediction at the wrong occurrence is correct.
    So the figures cannot be compared with those of `seqeval`, and are mostly higher per type.

    Keys: `macro_precision`, `macro_recall`, `macro_f1`; on reset also `<TYPE>/precision`, `<TYPE>/recall`,
    `<TYPE>/f1`, `<TYPE>/support` (number of gold surfaces) for the types in the mean. A figure with denominator 0 is 0
    (the official scorer fails with a division by zero).

    Registered as a `Metric` with name "cluener".

    # Parameters

    types : `Optional[list[str]]`
        The types to average over, like the ten of the official scorer. A type that does not occur counts as 0. Other
        types do not count; a warning on reset lists them. `None`: the types in gold or predictions.
    """

    name = "cluener"

    def __init__(self, types: Optional[list[str]] = None) -> None:
        super().__init__()
        if types is not None and (not types or len(set(types)) != len(types)):
            raise ConfigError(f"`types` of the metric \"cluener\" is {types!r}: expected different names, at least one")
        self._types = types

    def __call__(
        self,
        predicted: Sequence[Sequence[Entity]],
        gold: Optional[Sequence[Optional[Sequence[Entity]]]],
        texts: Optional[Sequence[str]] = None,
    ) -> None:
        """Count one batch, as `EntityMetric` does. `NerError` without `texts`."""
        if texts is None:
            raise NerError("the metric \"cluener\" compares surface strings: call it with the texts of the sentences")
        super().__call__(predicted, gold, texts)

    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        assert text is not None  # checked in `__call__`
        predicted_surfaces = {(entity.type, text[entity.start : entity.end]) for entity in predicted}
        gold_surfaces = {(entity.type, text[entity.start : entity.end]) for entity in gold}
        self._tally(
            (type_ for type_, _ in predicted_surfaces),
            (type_ for type_, _ in gold_surfaces),
            (type_ for type_, _ in predicted_surfaces & gold_surfaces),
        )

    def _averaged(self) -> dict[str, TypeCounts]:
        if self._types is None:
            return self._counts
        return {type_: self._counts.get(type_, TypeCounts()) for type_ in self._types}

    def _summary(self) -> dict[str, float]:
        return macro_figures(self._averaged())

    def _final_figures(self) -> dict[str, float]:
        averaged = self._averaged()
        ignored = sorted(self._counts.keys() - averaged.keys())
        if ignored and is_first_rank():
            gold = sum(self._counts[type_].gold for type_ in ignored)
            predicted = sum(self._counts[type_].predicted for type_ in ignored)
            logger.warning(
                "cluener: %d gold and %d predicted surfaces do not count, since their types are not in `types`: %s",
                gold, predicted, ", ".join(map(repr, ignored)),
            )
        return macro_figures(averaged) | type_figures(averaged)
