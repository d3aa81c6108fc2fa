"""Comparisons, their tables, CSV files and picture."""

import csv
import io
import statistics
from typing import Any

import numpy
import pytest
from finished_runs import FIGURES
from scipy import stats

from ner_plugins.comparison.compare import Comparison, Spread, compare_counted, compare_recorded
from ner_plugins.comparison.picture import draw_comparison
from ner_plugins.comparison.span_counts import PredictedSentence, SpanCounts, count_spans
from ner_plugins.comparison.tables import differences_csv, figures_csv, markdown
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError

METRIC = {name.removeprefix("seqeval/"): value for name, value in FIGURES.items()}
GROUPS = {
    "crf": {"crf-1": {**METRIC, "micro_f1": 0.70}, "crf-2": {**METRIC, "micro_f1": 0.74}},
    "bi|affine": {"b-1": {**METRIC, "micro_f1": 0.75}},
}


def predicted(accuracy: float, seed: int, sentences: int = 80) -> SpanCounts:
    generator = numpy.random.default_rng(seed)
    found = []
    for number in range(sentences):
        gold = [Entity(0, 2, "人名"), Entity(3, 5, "地名")][: 1 + number % 2]
        kept = [entity for entity in gold if generator.random() < accuracy]
        wrong = [Entity(2, 3, "机构")] if generator.random() > accuracy else []
        found.append(PredictedSentence("张三在北京", gold, sorted(kept + wrong)))
    return count_spans(found)


def counted(**options: Any) -> Comparison:
    groups = {
        "crf": {f"crf-{seed}": predicted(0.9, seed) for seed in (1, 2, 3)},
        "span": {f"span-{seed}": predicted(0.6, seed) for seed in (4, 5)},
        "old": {"old": predicted(0.6, 6)},
    }
    return compare_counted("corpus#test", "seqeval", groups, resamples=500, **options)


def test_recorded_figures() -> None:
    comparison = compare_recorded("the validation data", "seqeval", GROUPS)
    assert [model.name for model in comparison.models] == ["bi|affine", "crf"]
    spread = comparison.models[1].averages["micro_f1"]
    assert spread.mean == pytest.approx(0.72) and spread.std == pytest.approx(statistics.stdev([0.70, 0.74]))
    assert comparison.support == {"a|b": 10, "人名": 30}
    assert markdown(comparison).splitlines()[2:6] == [
        "| model | runs | precision | recall | micro F1 | 95% | macro F1 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| bi\\|affine | 1 | 80.00 | 70.00 | 75.00 | - | 70.00 |",
        "| crf | 2 | 80.00 ± 0.00 | 70.00 ± 0.00 | 72.00 ± 2.83 | 46.59 to 97.41 | 70.00 ± 0.00 |",
    ]
    assert "| a\\|b | 10 | 60.00 | 60.00 ± 0.00 |" in markdown(comparison)
    assert "Student's" in markdown(comparison) and "Holm" not in markdown(comparison)
    assert differences_csv(comparison).count(b"\n") == 1


def test_the_interval_over_runs_is_that_of_scipy() -> None:
    values = [0.71, 0.74, 0.72]
    expected = stats.t.interval(0.9, 2, loc=statistics.mean(values), scale=stats.sem(values))
    assert Spread(values).interval(0.9) == pytest.approx(expected)
    assert Spread([0.7]).interval(0.9) is None and Spread([0.7]).std is None


def test_predictions_are_compared_in_pairs() -> None:
    comparison = counted(level=0.9)
    assert next(model.name for model in comparison.models) == "crf"
    assert comparison.significance is not None
    pairs = [(one.one, one.other) for one in comparison.significance.differences]
    names = [model.name for model in comparison.models]
    assert pairs == [(names[0], names[1]), (names[0], names[2]), (names[1], names[2])]
    first, _, last = comparison.significance.differences
    assert first.randomisation == pytest.approx(1 / 501) and first.randomisation_holm == pytest.approx(3 / 501)
    assert last.randomisation > 0.05 and last.low < 0 < last.high
    table = markdown(comparison)
    assert "corrected for 3 comparisons" in table and "500 resamples, seed 1" in table and "interval (90%)" in table
    assert "| crf - " in table and "| 0.0020 | 0.0060 | 0.0020 | 0.0060 |" in table
    assert "| 机构 | 0 |" in table  # a type that is only predicted


def test_a_baseline_is_what_others_are_compared_with() -> None:
    comparison = counted(baseline="old")
    assert comparison.significance is not None
    assert {(one.one, one.other) for one in comparison.significance.differences} == {("crf", "old"), ("span", "old")}
    with pytest.raises(ConfigError, match="--baseline new: there is no such model; there are crf, span, old"):
        counted(baseline="new")


def test_one_model_is_compared_with_none() -> None:
    comparison = compare_counted("d", "seqeval", {"crf": {"crf-1": predicted(0.9, 1)}}, resamples=50)
    assert comparison.significance is not None and comparison.significance.differences == []
    low, high = comparison.interval(comparison.models[0]) or (0, 0)
    assert low < comparison.models[0].averages["micro_f1"].mean < high
    assert "Holm" not in markdown(comparison)


def test_csv_files_have_all_digits() -> None:
    comparison = counted()
    rows = list(csv.DictReader(io.StringIO(figures_csv(comparison).decode())))
    micro = next(row for row in rows if row["model"] == "crf" and row["figure"] == "micro_f1")
    spread = comparison.models[0].averages["micro_f1"]
    assert float(micro["mean"]) == spread.mean and float(micro["std"]) == spread.std and micro["runs"] == "3"
    assert list(map(float, micro["values"].split())) == list(spread.values)
    assert (float(micro["low"]), float(micro["high"])) == comparison.interval(comparison.models[0])
    of_type = next(row for row in rows if row["model"] == "old" and row["type"] == "人名")
    assert of_type["support"] == "80" and of_type["std"] == "" and of_type["low"] == ""
    pairs = list(csv.DictReader(io.StringIO(differences_csv(comparison).decode())))
    assert comparison.significance is not None
    assert float(pairs[0]["bootstrap_holm"]) == comparison.significance.differences[0].bootstrap_holm


@pytest.mark.parametrize("make", [counted, lambda: compare_recorded("d", "seqeval", GROUPS)])
def test_the_picture_is_a_png_that_is_reproducible(make: Any) -> None:
    pictures = [draw_comparison(make(), "comparison.png") for _ in range(2)]
    assert pictures[0].startswith(b"\x89PNG") and pictures[0] == pictures[1]
    draw_comparison(compare_recorded("d", "seqeval", {"a": {"a": {**dict.fromkeys(METRIC, 0.0)}}}), "x.png")


def test_text_that_breaks_a_table_is_escaped() -> None:
    figures = {**METRIC, "x\ny|z/f1": 0.5, "x\ny|z/support": 1.0}
    comparison = compare_recorded("d", "seqeval", {"m\n|": {"a": figures}})
    assert "| x\\\\ny\\|z | 1 | 50.00 |" in markdown(comparison) and "| m\\\\n\\| | 1 |" in markdown(comparison)


def test_names_are_inert_in_tables_and_csv() -> None:
    hostile = {**METRIC, "=1+1/f1": 0.5, "=1+1/support": 1}
    groups = {"=cmd|'/c calc'!A1": {"a": hostile}, "<script>\u202e": {"b": METRIC}}
    comparison = compare_recorded("[x](javascript:1)", "seqeval", groups)
    cells = [cell for row in csv.reader(io.StringIO(figures_csv(comparison).decode())) for cell in row]
    assert "'=cmd|'/c calc'!A1" in cells and "<script>\\u202e" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@")) or "\u202e" in cell]
    table = markdown(comparison)
    assert "\\<script>" in table and "\\[x](" in table and "\u202e" not in table
