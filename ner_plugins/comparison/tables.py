"""A comparison as Markdown and as CSV."""

import csv
import io
from typing import Any, Iterable, Optional, Sequence

from ner_plugins.comparison.compare import AVERAGES, Comparison, Spread
from ner_plugins.metrics.report import printable, type_name
from ner_plugins.visible import csv_text, markdown_text

_TITLES = ("precision", "recall", "micro F1", "macro F1")
_NONE = "-"


def markdown(comparison: Comparison) -> str:
    """Tables of averages, of F1 per type and, with predictions, of differences; in percent, each with its terms."""
    parts = [_heading(comparison), _averages(comparison), _types(comparison)]
    if comparison.significance is not None and comparison.significance.differences:
        parts += [_differences(comparison), _tests(comparison)]
    return "\n\n".join(part for part in parts if part) + "\n"


def figures_csv(comparison: Comparison) -> bytes:
    """
    A row for each model and figure: mean, standard deviation, number and values of the runs; the interval of micro F1;
    the gold entities of a type. In UTF-8, as fractions, unrounded.
    """
    rows = []
    for model in comparison.models:
        for key, spread in model.averages.items():
            interval = comparison.interval(model) if key == "micro_f1" else None
            rows.append([model.name, key, "", *_numbers(spread), *(interval or ("", "")), ""])
        for type_, spread in model.types.items():
            rows.append([model.name, "f1", type_, *_numbers(spread), "", "", comparison.support.get(type_, 0)])
    header = ["model", "figure", "type", "mean", "std", "runs", "values", "low", "high", "support"]
    return _csv(header, rows)


def differences_csv(comparison: Comparison) -> bytes:
    """A row for each pair of models: the difference in micro F1, its interval, and the p-values of both tests."""
    header = ["model", "other", "difference", "low", "high", "randomisation_p", "randomisation_holm"]
    found = () if comparison.significance is None else comparison.significance.differences
    rows = [
        [one.one, one.other, one.difference, one.low, one.high, one.randomisation, one.randomisation_holm,
         one.bootstrap, one.bootstrap_holm]
        for one in found
    ]  # fmt: skip
    return _csv([*header, "bootstrap_p", "bootstrap_holm"], rows)


def _heading(comparison: Comparison) -> str:
    gold, runs = sum(comparison.support.values()), sum(len(model.runs) for model in comparison.models)
    level = f"{comparison.level:.0%}"
    data = markdown_text(str(comparison.data))
    text = f"`{comparison.metric}` on {data}: {gold:,} gold entities, {runs} run{'s' * (runs != 1)}. "
    text += "In percent; ± is the standard deviation over the runs of a model (n - 1). "
    if comparison.significance is None:
        return text + f"The interval ({level}) is Student's for the mean over runs."
    return text + (
        f"The interval ({level}) is the bootstrap's percentile interval over sentences ({comparison.resamples:,} "
        f"resamples, seed {comparison.seed}), for the predictions of all runs of a model together."
    )


def _averages(comparison: Comparison) -> str:
    rows = []
    for model in comparison.models:
        precision, recall, micro, macro = (_spread(model.averages[key]) for key in AVERAGES)
        interval = _interval(comparison.interval(model))
        rows.append([_text(model.name), len(model.runs), precision, recall, micro, interval, macro])
    return _table(["model", "runs", *_TITLES[:3], f"{comparison.level:.0%}", _TITLES[3]], rows)


def _types(comparison: Comparison) -> str:
    if not comparison.support:
        return ""
    missing = Spread([0.0])
    rows = []
    for type_, number in comparison.support.items():
        cells = [_spread(model.types.get(type_, missing)) for model in comparison.models]
        rows.append([_text(type_name(type_)), f"{number:,}", *cells])
    return _table(["F1 of type", "gold", *(_text(model.name) for model in comparison.models)], rows)



def _differences(comparison: Comparison) -> str:
    assert comparison.significance is not None
    rows = [
        [
            f"{_text(one.one)} - {_text(one.other)}",
            f"{100 * one.difference:+.2f}",
            _interval((one.low, one.high), signed=True),
            _p_value(one.randomisation),
            _p_value(one.randomisation_holm),
            _p_value(one.bootstrap),
            _p_value(one.bootstrap_holm),
        ]
        for one in comparison.significance.differences
    ]
    header = ["micro F1", "difference", f"{comparison.level:.0%}", "randomisation p", "Holm", "bootstrap p", "Holm"]
    return _table(header, rows)


def _tests(comparison: Comparison) -> str:
    assert comparison.significance is not None
    number = len(comparison.significance.differences)
    return (
        "Two-sided p-values by approximate randomisation and by the paired bootstrap over the same sentences; those of "
        f"all runs of a model are exchanged, or drawn, together. Holm: corrected for {number} "
        f"comparison{'s' if number > 1 else ''}. The tests speak of other sentences, ± of other seeds."
    )


def _spread(spread: Spread) -> str:
    return f"{100 * spread.mean:.2f}" + ("" if spread.std is None else f" ± {100 * spread.std:.2f}")


def _interval(interval: Optional[tuple[float, float]], signed: bool = False) -> str:
    if interval is None:
        return _NONE
    low, high = (f"{100 * value:+.2f}" if signed else f"{100 * value:.2f}" for value in interval)
    return f"{low} to {high}"


def _p_value(value: float) -> str:
    return f"{value:.4f}"


def _text(name: str) -> str:
    """A name in a cell of Markdown."""
    return markdown_text(printable(name))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _numbers(spread: Spread) -> list[Any]:
    std = "" if spread.std is None else spread.std
    return [spread.mean, std, len(spread.values), " ".join(map(repr, spread.values))]


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    # Numbers stay numbers; names of models and types may be anything.
    writer.writerows([csv_text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8", "backslashreplace")
