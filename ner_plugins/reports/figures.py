"""All figures of a report, as one JSON value."""

from collections import Counter
from itertools import islice
from typing import Any, Sequence

from ner_plugins.metrics.confusion import BOUNDARY_AND_TYPE, CORRECT, KINDS, TYPE, ConfusionMatrix
from ner_plugins.post_processing.post_processing import counts_of_rules
from ner_plugins.reports.breakdowns import by_length, by_width
from ner_plugins.reports.calibration import calibrate
from ner_plugins.reports.collect import Run, SentenceResult
from ner_plugins.reports.mistakes import confident_mistakes, unreachable_gold

# The most confident mistakes and unreachable gold entities that are listed.
MISTAKES = 100
UNREACHABLE = 500


def report_figures(run: Run, about: dict[str, Any]) -> dict[str, Any]:
    """
    The figures of a report.

    # Parameters

    run : `Run`
    about : `dict[str, Any]`
        What the report is about: `archive`, `data` and `model`.

    # Returns

    `dict[str, Any]`
        `about`; the numbers of `sentences`, `characters`, `gold` and `predicted` entities; `metrics`, as `allennlp
        evaluate` has them; `types` (by type, the figures of seqeval and the counts of each of `KINDS`); `kinds` (total
        counts); `confusion` (`rows`, `columns`, `cells`: see `ConfusionMatrix.cells`); `type_confusions`, the most
        frequent first; `rules` (by rule of `model.post_processing`, in order, the entities `added`, `removed` and
        `changed`); `by_width` and `by_length`; `calibration`; `confident_mistakes`; `unreachable` (`number`, counts by
        `why`, and the first `entities`).
    """
    matrix = ConfusionMatrix()
    for sentence in run.sentences:
        matrix.add(sentence.pairs)
    rows, columns, cells = matrix.cells()
    return {
        "about": about,
        "sentences": len(run.sentences),
        "characters": sum(len(sentence.text) for sentence in run.sentences),
        "gold": sum(len(sentence.gold) for sentence in run.sentences),
        "predicted": sum(len(sentence.predicted) for sentence in run.sentences),
        "metrics": run.metrics,
        "types": {type_: _type_figures(type_, run.metrics, matrix) for type_ in matrix.types},
        "kinds": {kind: sum(count for (_, _, k), count in matrix.counts.items() if k == kind) for kind in KINDS},
        "confusion": {"rows": rows, "columns": columns, "cells": cells},
        "type_confusions": _type_confusions(matrix),
        "rules": counts_of_rules(run.metrics),
        "by_width": [bin.to_json() for bin in by_width(run.sentences)],
        "by_length": [bin.to_json() for bin in by_length(run.sentences)],
        "calibration": calibrate(run.sentences).to_json(),
        "confident_mistakes": confident_mistakes(run.sentences, MISTAKES),
        "unreachable": _unreachable(run.sentences),
    }


def _type_figures(type_: str, metrics: dict[str, float], matrix: ConfusionMatrix) -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: metrics.get(f"seqeval/{type_}/{name}", 0.0) for name in ("precision", "recall", "f1", "support")
    }
    of_gold, of_predicted = matrix.of_gold(type_), matrix.of_predicted(type_)
    figures["support"], figures["predicted"] = of_gold.total(), of_predicted.total()
    figures["cluener_f1"] = metrics.get(f"cluener/{type_}/f1", 0.0)
    figures["gold_kinds"] = {kind: of_gold[kind] for kind in KINDS if kind != "spurious"}
    figures["predicted_kinds"] = {kind: of_predicted[kind] for kind in KINDS if kind != "missed"}
    return figures


def _type_confusions(matrix: ConfusionMatrix) -> list[dict[str, Any]]:
    """Pairs of different types, the most frequent first."""
    found = [
        {"gold": gold, "predicted": predicted, "kind": kind, "count": count}
        for (gold, predicted, kind), count in matrix.counts.items()
        if kind in (TYPE, BOUNDARY_AND_TYPE)
    ]
    return sorted(found, key=lambda pair: (-pair["count"], pair["gold"], pair["predicted"], pair["kind"]))


def _unreachable(sentences: Sequence[SentenceResult]) -> dict[str, Any]:
    why = Counter(reason for sentence in sentences for _, reason in sentence.unreachable)
    return {
        "number": why.total(),
        "why": dict(why.most_common()),
        "entities": list(islice(unreachable_gold(sentences), UNREACHABLE)),
    }


def errors_of(sentence: SentenceResult) -> int:
    """The number of pairs of a sentence that are not `correct`."""
    return sum(pair.kind != CORRECT for pair in sentence.pairs)
