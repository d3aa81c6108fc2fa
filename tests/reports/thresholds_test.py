from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.reports.collect import SentenceResult
from ner_plugins.reports.thresholds import best_thresholds, precision_cuts

TYPES = ["PER", "LOC", "기관"]


def micro_f1(sentences: list[SentenceResult], thresholds: dict[str, float]) -> Fraction:
    """Of the predictions that reach their type's threshold."""
    gold = sum(len(sentence.gold) for sentence in sentences)
    correct = predicted = 0
    for sentence in sentences:
        kept = [entity for entity in sentence.predicted if entity.score >= thresholds.get(entity.type, 0.0)]
        predicted += len(kept)
        correct += len(set(kept) & set(sentence.gold))
    return Fraction(2 * correct, predicted + gold)


@settings(max_examples=200, deadline=None)
@given(st.lists(results(TYPES, most=4), min_size=1, max_size=4))
def test_no_thresholds_are_better_and_none_as_good_are_lower(sentences: list[SentenceResult]) -> None:
    gold = {entity.type for sentence in sentences for entity in sentence.gold}
    if not gold:
        with pytest.raises(DataError, match="no gold"):
            best_thresholds(sentences, TYPES)
        return
    found = best_thresholds(sentences, TYPES)
    assert set(found) == set(TYPES) and all(0.0 <= threshold <= 1.0 for threshold in found.values())
    choices = []
    for type_ in TYPES:
        scores = {e.score for sentence in sentences for e in sentence.predicted if e.type == type_}
        # Scores are multiples of 0.05 here: each with a little on top drops it and keeps the next.
        choices.append([0.0, *(score + 0.01 for score in scores if score < 1.0)] if type_ in gold else [0.0])
    tried = [dict(zip(TYPES, combination, strict=True)) for combination in product(*choices)]
    best = max(micro_f1(sentences, thresholds) for thresholds in tried)
    assert micro_f1(sentences, found) == best
    for thresholds in tried:
        if micro_f1(sentences, thresholds) == best:
            for type_, other in thresholds.items():
                assert number_kept(sentences, type_, found[type_]) >= number_kept(sentences, type_, other)


def number_kept(sentences: list[SentenceResult], type_: str, threshold: float) -> int:
    return sum(e.type == type_ and e.score >= threshold for sentence in sentences for e in sentence.predicted)


def test_a_threshold_is_in_the_middle_and_an_unseen_type_keeps_all() -> None:
    predicted = [Entity(0, 1, "A", 0.4), Entity(1, 2, "A", 0.8), Entity(2, 3, "B", 0.1)]
    sentences = [result("0123", predicted, [Entity(1, 2, "A")])]
    assert best_thresholds(sentences, ["A", "B"]) == {"A": pytest.approx(0.6), "B": 0.0}


def test_a_type_without_a_right_prediction_asks_for_more_than_its_best() -> None:
    predicted = [Entity(0, 1, "A", 0.6), Entity(1, 2, "B", 0.9)]
    sentences = [result("0123", predicted, [Entity(2, 3, "A"), Entity(1, 2, "B")])]
    assert best_thresholds(sentences, ["A", "B"]) == {"A": pytest.approx(0.8), "B": 0.0}
    certain = [result("0123", [Entity(0, 1, "A", 1.0)], [Entity(2, 3, "A")])]
    assert best_thresholds(certain, ["A"]) == {"A": 0.0}  # no probability is above 1


def test_imprecise_predictions_stay_where_they_raise_micro_f1() -> None:
    # One in two of A's is right: dropping them costs more recall than it gains precision.
    predicted = [Entity(0, 1, "A", 0.3), Entity(1, 2, "A", 0.3)]
    assert best_thresholds([result("01", predicted, [Entity(0, 1, "A")])], ["A"]) == {"A": 0.0}


def test_predictions_without_scores() -> None:
    with pytest.raises(ConfigError, match="no scores"):
        best_thresholds([result("01", [Entity(0, 1, "A")], [Entity(0, 1, "A")])], ["A"])


@settings(max_examples=100, deadline=None)
@given(st.lists(results(TYPES, most=4), min_size=1, max_size=4), st.sampled_from([0.25, 0.5, 0.9, 1.0]))
def test_a_precision_is_reached_and_at_no_lower_threshold(sentences: list[SentenceResult], precision: float) -> None:
    if not any(sentence.gold for sentence in sentences):
        with pytest.raises(DataError, match="no threshold has a precision"):
            precision_cuts(sentences, TYPES, precision)
        return
    found = precision_cuts(sentences, TYPES, precision)
    for name in TYPES:
        judged = [(e.score, e in one.gold) for one in sentences for e in one.predicted if e.type == name]
        # Scores are multiples of 0.05 here: a little below each keeps it.
        tried = {0.0, *(score - 0.01 for score, _ in judged)}
        kept = {threshold: [right for score, right in judged if score >= threshold] for threshold in tried}
        good = [threshold for threshold, of in kept.items() if of and sum(of) >= precision * len(of)]
        cut = found[name]
        assert (cut is None) == (not good)
        if cut is not None:
            same = [right for score, right in judged if score >= cut.threshold]
            assert len(same) == cut.predicted == len(kept[min(good)]) and sum(same) == cut.correct


def test_a_precision_of_nine_in_ten_is_nine_of_ten() -> None:
    predicted = [Entity(n, n + 1, "A", 0.5) for n in range(10)]
    [cut] = precision_cuts([result("0123456789", predicted, predicted[1:])], ["A"], 0.9).values()
    assert cut is not None and (cut.threshold, cut.correct, cut.predicted) == (0.0, 9, 10)
