"""The base of all metrics over entities: integer counts per type, summed over ranks on reset."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import AbstractSet, Any, ClassVar, Iterable, Mapping, Optional, Sequence

import numpy
from allennlp.training.metrics import Metric

from ner_plugins.distributed import gather_objects, world_size
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError

LABELLED_DATA = "Evaluation needs labelled data: give a file with gold entities, or use `predict` for this one"


@dataclass(slots=True)
class TypeCounts:
    """
    The counts of one entity type.

    # Parameters

    true_positives : `int`
        Predictions that are gold entities.
    predicted : `int`
        All predictions.
    gold : `int`
        All gold entities, including those that the model cannot represent.
    """

    true_positives: int = 0
    predicted: int = 0
    gold: int = 0

    @property
    def precision(self) -> float:
        """`true_positives / predicted`; 0 where nothing was predicted."""
        return self.true_positives / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """`true_positives / gold`; 0 where there is no gold."""
        return self.true_positives / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where both are 0."""
        precision, recall = self.precision, self.recall
        # In the order of operations in seqeval, so that both give the same bits.
        return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0

    def add(self, other: "TypeCounts") -> None:
        """Add the counts of `other` to these."""
        self.true_positives += other.true_positives
        self.predicted += other.predicted
        self.gold += other.gold


class EntityMetric(Metric, ABC):
    """
    A metric over the entities of sentences.

    Call it with the predictions and the raw gold of a batch. It keeps integer counts per type, so the cost of
    `get_metric` between resets grows with the number of types, not of sentences. Predictions and gold are sets of
    (start, end, type): an entity repeated in a sentence counts once.

    Subclasses define in `_add_sentence` what counts.
    """

    supports_distributed = True

    name: ClassVar[str]
    """The registered name, which is the prefix of its figures in a model."""

    def __init__(self) -> None:
        self._counts: dict[str, TypeCounts] = {}

    def __call__(
        self,
        predicted: Sequence[Sequence[Entity]],
        gold: Optional[Sequence[Optional[Sequence[Entity]]]],
        texts: Optional[Sequence[str]] = None,
    ) -> None:
        """
        Count one batch. If it raises, the counts do not change.

        # Parameters

        predicted : `Sequence[Sequence[Entity]]`
            The predicted entities of each sentence, in characters.
        gold : `Sequence[Sequence[Entity]]`
            The raw gold entities of the same sentences. `None`, for all or for one, means unlabelled and raises an
            error; an empty sequence means that the sentence has no entities.
        texts : `Optional[Sequence[str]]`
            The texts of the same sentences, for metrics that compare surface strings; offsets are checked against them.

        # Raises

        `DataError` if gold is missing or an offset is outside the text; `NerError` if the numbers of sentences differ.
        """
        labelled = _require_gold(gold)
        if len(predicted) != len(labelled):
            raise NerError(f"{len(predicted)} sentences with predictions, but {len(labelled)} with gold")
        if texts is not None and len(texts) != len(labelled):
            raise NerError(f"{len(texts)} texts, but {len(labelled)} sentences with gold")
        given: Sequence[Optional[str]] = [None] * len(labelled) if texts is None else texts
        sentences = list(zip(predicted, labelled, given, strict=True))
        for sentence_predicted, sentence_gold, text in sentences:
            _check_offsets(sentence_predicted, "predicted", text)
            _check_offsets(sentence_gold, "gold", text)
        for sentence_predicted, sentence_gold, text in sentences:
            self._add_sentence(frozenset(sentence_predicted), frozenset(sentence_gold), text)

    def counts(self) -> dict[str, TypeCounts]:
        """The counts of this rank since the last reset, by type in sorted order."""
        return {type_: TypeCounts(c.true_positives, c.predicted, c.gold) for type_, c in sorted(self._counts.items())}

    def get_metric(self, reset: bool = False) -> dict[str, float]:
        """
        The figures so far; keys do not have the metric's name.

        # Parameters

        reset : `bool`
            `False`: the summary figures of this rank, without communication. `True`: the final figures of all ranks
            together, also per type, and then a reset. All ranks have to call it.
        """
        if not reset:
            return self._summary()
        self._sum_over_ranks()
        figures = self._final_figures()
        self.reset()
        return figures

    def reset(self) -> None:
        """Set the counts of this rank to 0."""
        self._counts = {}

    @abstractmethod
    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        """Count one sentence."""

    def _summary(self) -> dict[str, float]:
        """The figures between resets, in O(types)."""
        return micro_figures(self._counts) | macro_figures(self._counts)

    def _final_figures(self) -> dict[str, float]:
        """The figures on reset, from the counts of all ranks."""
        return self._summary() | type_figures(self._counts)

    def _tally(self, predicted: Iterable[str], gold: Iterable[str], matched: Iterable[str]) -> None:
        """Count predictions, gold entities and true positives, given their types."""
        for type_ in predicted:
            self._counts.setdefault(type_, TypeCounts()).predicted += 1
        for type_ in gold:
            self._counts.setdefault(type_, TypeCounts()).gold += 1
        for type_ in matched:
            self._counts[type_].true_positives += 1

    def _state(self) -> dict[str, Any]:
        """The counts of this rank for the others; picklable."""
        return {"counts": self._counts}

    def _add_state(self, state: Mapping[str, Any]) -> None:
        """Add the `_state` of a rank."""
        for type_, counts in state["counts"].items():
            self._counts.setdefault(type_, TypeCounts()).add(counts)

    def _sum_over_ranks(self) -> None:
        if world_size() == 1:
            return
        # Objects rather than tensors of counts, since ranks may have counted different types.
        states = gather_objects(self._state())
        self.reset()
        for state in states:
            self._add_state(state)


def micro_figures(counts: Mapping[str, TypeCounts]) -> dict[str, float]:
    """`micro_precision`, `micro_recall`, `micro_f1`: from the sums of all types' counts."""
    total = TypeCounts()
    for type_counts in counts.values():
        total.add(type_counts)
    return {"micro_precision": total.precision, "micro_recall": total.recall, "micro_f1": total.f1}


def macro_figures(counts: Mapping[str, TypeCounts]) -> dict[str, float]:
    """`macro_precision`, `macro_recall`, `macro_f1`: unweighted means over the types; 0 without any type."""
    # Sorted, and averaged by numpy, as in seqeval, so that both give the same bits.
    ordered = [counts[type_] for type_ in sorted(counts)]
    return {
        "macro_precision": _mean([c.precision for c in ordered]),
        "macro_recall": _mean([c.recall for c in ordered]),
        "macro_f1": _mean([c.f1 for c in ordered]),
    }


def type_figures(counts: Mapping[str, TypeCounts]) -> dict[str, float]:
    """`<TYPE>/precision`, `<TYPE>/recall`, `<TYPE>/f1` and `<TYPE>/support` (gold entities), sorted by type."""
    figures: dict[str, float] = {}
    for type_ in sorted(counts):
        c = counts[type_]
        figures[f"{type_}/precision"] = c.precision
        figures[f"{type_}/recall"] = c.recall
        figures[f"{type_}/f1"] = c.f1
        figures[f"{type_}/support"] = float(c.gold)
    return figures


def _mean(values: Sequence[float]) -> float:
    return float(numpy.average(values)) if values else 0.0


def _require_gold(gold: Optional[Sequence[Optional[Sequence[Entity]]]]) -> list[Sequence[Entity]]:
    if gold is None:
        raise DataError("the sentences have no gold entities", remedy=LABELLED_DATA)
    labelled = [entities for entities in gold if entities is not None]
    if len(labelled) != len(gold):
        missing = [index for index, entities in enumerate(gold) if entities is None]
        problem = f"{len(missing)} of {len(gold)} sentences have no gold entities, the first at position {missing[0]}"
        raise DataError(problem, remedy=LABELLED_DATA)
    return labelled


def _check_offsets(entities: Sequence[Entity], kind: str, text: Optional[str]) -> None:
    for entity in entities:
        if not 0 <= entity.start < entity.end or (text is not None and entity.end > len(text)):
            length = "" if text is None else f" = {len(text)}"
            raise DataError(
                f"a {kind} entity {entity.type!r} has the offsets ({entity.start}, {entity.end})",
                expected=f"0 <= start < end <= length of the text{length}",
            )
