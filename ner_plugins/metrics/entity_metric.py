"""The base of every metric over entities: integer counts per type, summed over ranks when they are reset."""

from dataclasses import dataclass
from typing import AbstractSet, Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Sequence

import numpy
from allennlp.training.metrics import Metric

from ner_plugins.distributed import gather_objects, world_size
from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError

LABELLED_DATA = "Evaluation needs labelled data: give a file with gold entities, or use `predict` for this one"


@dataclass(slots=True)
class TypeCounts:
    """
    What was counted of one entity type.

    # Parameters

    true_positives : `int`
        Predictions that the gold has too.
    predicted : `int`
        All predictions.
    gold : `int`
        All gold entities, whether or not a model can represent them.
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
        """The harmonic mean of precision and recall; 0 where both are."""
        precision, recall = self.precision, self.recall
        # In the order in which seqeval computes it, so that the two agree to the last bit.
        return 2.0 * precision * recall / (precision + recall) if precision + recall else 0.0

    def add(self, other: "TypeCounts") -> None:
        """Add the counts of `other` to these."""
        self.true_positives += other.true_positives
        self.predicted += other.predicted
        self.gold += other.gold


class EntityMetric(Metric):
    """
    A metric over the entities of sentences.

    Call it with the predictions and the raw gold of a batch. It keeps integer counts per type, so what `get_metric`
    costs between resets grows with the number of types, never with the number of sentences. Entities count once
    however often a sentence repeats them, in predictions and in gold: both are sets of (start, end, type).

    Subclasses say in `_add_sentence` what is counted.
    """

    supports_distributed = True

    name: ClassVar[str]
    """The name it is registered under, with which a model prefixes its figures."""

    def __init__(self) -> None:
        self._counts: Dict[str, TypeCounts] = {}

    def __call__(
        self,
        predicted: Sequence[Sequence[Entity]],
        gold: Optional[Sequence[Optional[Sequence[Entity]]]],
        texts: Optional[Sequence[str]] = None,
    ) -> None:
        """
        Count one batch. A batch that is refused leaves the counts as they were.

        # Parameters

        predicted : `Sequence[Sequence[Entity]]`
            The predicted entities of each sentence, in characters.
        gold : `Sequence[Sequence[Entity]]`
            The raw gold entities of the same sentences. `None`, for all or for one of them, means unlabelled, and is
            refused; an empty sequence means that the sentence has no entities.
        texts : `Optional[Sequence[str]]`
            The texts of the same sentences, for metrics that compare surfaces; offsets are checked against them.

        # Raises

        `DataError` where the gold is missing, or an offset is not one of the text; `NerError` where the numbers of
        sentences differ.
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

    def counts(self) -> Dict[str, TypeCounts]:
        """The counts of this rank since the last reset: type to `TypeCounts`, sorted by type."""
        return {type_: TypeCounts(c.true_positives, c.predicted, c.gold) for type_, c in sorted(self._counts.items())}

    def get_metric(self, reset: bool = False) -> Dict[str, float]:
        """
        The figures so far, under keys without the metric's own name.

        # Parameters

        reset : `bool`
            `False`: the summary figures of this rank, without any communication. `True`: the final figures, per type
            too, of all ranks together (so each rank has to call it), after which the counts are 0.
        """
        if not reset:
            return self._summary()
        self._sum_over_ranks()
        figures = self._final_figures()
        self.reset()
        return figures

    def reset(self) -> None:
        """Forget everything counted, on this rank."""
        self._counts = {}

    def _add_sentence(self, predicted: AbstractSet[Entity], gold: AbstractSet[Entity], text: Optional[str]) -> None:
        """Count one sentence."""
        raise NotImplementedError

    def _summary(self) -> Dict[str, float]:
        """The figures that are there at any time. Costs O(types)."""
        return micro_figures(self._counts) | macro_figures(self._counts)

    def _final_figures(self) -> Dict[str, float]:
        """The figures of a finished evaluation; the counts are those of all ranks by then."""
        return self._summary() | type_figures(self._counts)

    def _tally(self, predicted: Iterable[str], gold: Iterable[str], matched: Iterable[str]) -> None:
        """Count predictions, gold and true positives, each given by its type."""
        for type_ in predicted:
            self._counts.setdefault(type_, TypeCounts()).predicted += 1
        for type_ in gold:
            self._counts.setdefault(type_, TypeCounts()).gold += 1
        for type_ in matched:
            self._counts[type_].true_positives += 1

    def _state(self) -> Dict[str, Any]:
        """What this rank has to tell the others; picklable."""
        return {"counts": self._counts}

    def _add_state(self, state: Mapping[str, Any]) -> None:
        """Add what another rank told."""
        for type_, counts in state["counts"].items():
            self._counts.setdefault(type_, TypeCounts()).add(counts)

    def _sum_over_ranks(self) -> None:
        if world_size() == 1:
            return
        # Objects rather than tensors of counts: a rank may have met types that another has not.
        states = gather_objects(self._state())
        self.reset()
        for state in states:
            self._add_state(state)


def micro_figures(counts: Mapping[str, TypeCounts]) -> Dict[str, float]:
    """`micro_precision`, `micro_recall`, `micro_f1`: of the sums of all types' counts."""
    total = TypeCounts()
    for type_counts in counts.values():
        total.add(type_counts)
    return {"micro_precision": total.precision, "micro_recall": total.recall, "micro_f1": total.f1}


def macro_figures(counts: Mapping[str, TypeCounts]) -> Dict[str, float]:
    """`macro_precision`, `macro_recall`, `macro_f1`: unweighted means over the types; 0 where there is no type."""
    # Sorted and averaged by numpy as in seqeval, so that the two agree to the last bit.
    ordered = [counts[type_] for type_ in sorted(counts)]
    return {
        "macro_precision": _mean([c.precision for c in ordered]),
        "macro_recall": _mean([c.recall for c in ordered]),
        "macro_f1": _mean([c.f1 for c in ordered]),
    }


def type_figures(counts: Mapping[str, TypeCounts]) -> Dict[str, float]:
    """`<TYPE>/precision`, `<TYPE>/recall`, `<TYPE>/f1` and `<TYPE>/support` (number of gold), sorted by type."""
    figures: Dict[str, float] = {}
    for type_ in sorted(counts):
        c = counts[type_]
        figures[f"{type_}/precision"] = c.precision
        figures[f"{type_}/recall"] = c.recall
        figures[f"{type_}/f1"] = c.f1
        figures[f"{type_}/support"] = float(c.gold)
    return figures


def _mean(values: Sequence[float]) -> float:
    return float(numpy.average(values)) if values else 0.0


def _require_gold(gold: Optional[Sequence[Optional[Sequence[Entity]]]]) -> List[Sequence[Entity]]:
    if gold is None:
        raise DataError("the sentences have no gold entities", remedy=LABELLED_DATA)
    labelled = [entities for entities in gold if entities is not None]
    if len(labelled) != len(gold):
        missing = [index for index, entities in enumerate(gold) if entities is None]
        problem = f"{len(missing)} of {len(gold)} sentences have no gold entities, first that at position {missing[0]}"
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
