"""The official scorer of CLUENER2020, which compares surfaces."""

import logging
from typing import AbstractSet, Dict, List, Optional, Sequence

from allennlp.training.metrics import Metric

from ner_plugins.distributed import is_first_rank
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.metrics.entity_metric import EntityMetric, TypeCounts, macro_figures, type_figures

logger = logging.getLogger(__name__)


@Metric.register("cluener")
class CluenerMetric(EntityMetric):
    """
    The official score of CLUENER2020 (github.com/CLUEbenchmark/CLUENER2020): for each type, and in each sentence, the
    sets of predicted and of gold surface strings are compared; precision, recall and F1 per type; then the unweighted
    mean over the types.

    It is blind to position: a surface that occurs twice counts once, and a prediction at the wrong occurrence is
    right. So its figures are not comparable with those of `seqeval`, and mostly higher per type.

    Keys: `macro_precision`, `macro_recall`, `macro_f1`; on reset also `<TYPE>/precision`, `<TYPE>/recall`,
    `<TYPE>/f1`, `<TYPE>/support` (number of gold surfaces) for the types in the mean. A figure whose denominator is 0
    is 0 (the official scorer stops with a division by zero there).

    Registered as a `Metric` with name "cluener".

    # Parameters

    types : `Optional[List[str]]`
        The types to average over, as the official scorer has its ten. One that occurs nowhere enters with 0; what is
        found of other types does not count, and a warning on reset says so. `None`: the types in gold or predictions.
    """

    name = "cluener"

    def __init__(self, types: Optional[List[str]] = None) -> None:
        super().__init__()
        if types is not None and (not types or len(set(types)) != len(types)):
            raise ConfigError(f"`types` of the metric \"cluener\" is {types!r}: expected one or more different names")
        self._types = types

    def __call__(
        self,
        predicted: Sequence[Sequence[Entity]],
        gold: Optional[Sequence[Optional[Sequence[Entity]]]],
        texts: Optional[Sequence[str]] = None,
    ) -> None:
        """Count one batch, as `EntityMetric` does; here the texts are required (`NerError`)."""
        if texts is None:
            raise NerError("the metric \"cluener\" compares surfaces: call it with the texts of the sentences")
        super().__call__(predicted, gold, texts)

    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        assert text is not None  # `__call__` saw to it
        predicted_surfaces = {(entity.type, text[entity.start : entity.end]) for entity in predicted}
        gold_surfaces = {(entity.type, text[entity.start : entity.end]) for entity in gold}
        self._tally(
            (type_ for type_, _ in predicted_surfaces),
            (type_ for type_, _ in gold_surfaces),
            (type_ for type_, _ in predicted_surfaces & gold_surfaces),
        )

    def _averaged(self) -> Dict[str, TypeCounts]:
        if self._types is None:
            return self._counts
        return {type_: self._counts.get(type_, TypeCounts()) for type_ in self._types}

    def _summary(self) -> Dict[str, float]:
        return macro_figures(self._averaged())

    def _final_figures(self) -> Dict[str, float]:
        averaged = self._averaged()
        ignored = sorted(self._counts.keys() - averaged.keys())
        if ignored and is_first_rank():
            gold = sum(self._counts[type_].gold for type_ in ignored)
            predicted = sum(self._counts[type_].predicted for type_ in ignored)
            logger.warning(
                "cluener: %d gold and %d predicted surfaces of types outside `types` do not count: %s",
                gold, predicted, ", ".join(map(repr, ignored)),
            )
        return macro_figures(averaged) | type_figures(averaged)
