import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_results import result, results

from ner_plugins.entities import Entity
from ner_plugins.reports.calibration import calibrate
from ner_plugins.reports.collect import SentenceResult


def test_scores_against_what_is_right() -> None:
    gold = [Entity(0, 1, "A"), Entity(1, 2, "A")]
    predicted = [Entity(0, 1, "A", 1.0), Entity(1, 2, "A", 0.95), Entity(2, 3, "A", 0.92), Entity(3, 4, "A", 0.1)]
    found = calibrate([result("01234", predicted, gold)]).to_json()
    assert [(bin["first"], bin["last"], bin["predictions"]) for bin in found["bins"]] == [(0.1, 0.2, 1), (0.9, 1.0, 3)]
    assert found["bins"][1]["mean_score"] == pytest.approx(2.87 / 3)
    assert found["bins"][1]["precision"] == pytest.approx(2 / 3)
    assert found["expected_calibration_error"] == pytest.approx((3 * (2.87 / 3 - 2 / 3) + 0.1) / 4)


def test_nothing_predicted() -> None:
    assert calibrate([result("0", [], [Entity(0, 1, "A")])]).to_json() == {
        "expected_calibration_error": 0.0,
        "bins": [],
    }


@given(st.lists(results(), max_size=3))
def test_every_prediction_is_in_the_bin_of_its_score(sentences: list[SentenceResult]) -> None:
    bins = calibrate(sentences).bins
    for bin in bins:
        assert bin.first - 1e-9 <= bin.mean_score <= bin.last + 1e-9 or not bin.predictions
    assert sum(bin.predictions for bin in bins) == sum(len(sentence.predicted) for sentence in sentences)
    assert sum(bin.correct for bin in bins) == sum(
        len(set(sentence.predicted) & set(sentence.gold)) for sentence in sentences
    )
