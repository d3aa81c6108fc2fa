"""Votes of several models, and which sentences are kept."""

import pytest

from ner_plugins.entities import Entity
from ner_plugins.pseudo_labels.agreement import votes
from ner_plugins.pseudo_labels.selection import DOUBTFUL, KEPT, WITHOUT_ENTITY, Selection

NAME, PLACE = Entity(0, 2, "PER", 0.9), Entity(3, 5, "LOC", 0.8)


def test_a_model_without_the_entity_counts_as_zero() -> None:
    found = votes([[NAME, PLACE], [Entity(0, 2, "PER", 0.7)], [Entity(0, 2, "LOC", 0.6)]])
    assert [(vote.entity, vote.entity.score, vote.models) for vote in found] == [
        (Entity(0, 2, "LOC"), 0.2, 1), (NAME, pytest.approx(1.6 / 3, abs=1e-6), 2), (PLACE, pytest.approx(0.266667), 1)
    ]  # fmt: skip
    assert votes([[], []]) == []


@pytest.mark.parametrize(
    "predictions, thresholds, least, outcome, weight",
    [
        ([[NAME, PLACE]], {"PER": 0.9, "LOC": 0.8}, 1, KEPT, 0.8),
        ([[NAME, PLACE]], {"PER": 0.9, "LOC": 0.81}, 1, DOUBTFUL, None),
        ([[NAME, PLACE]], {"PER": 0.9, "LOC": None}, 1, DOUBTFUL, None),
        ([[NAME]], {"LOC": 0.1}, 1, DOUBTFUL, None),
        ([[NAME], [NAME]], {"PER": 0.9}, 2, KEPT, 0.9),
        ([[NAME], [NAME], []], {"PER": 0.6}, 2, KEPT, 0.6),
        ([[NAME], [NAME], []], {"PER": 0.61}, 2, DOUBTFUL, None),
        ([[NAME], [NAME, PLACE]], {"PER": 0.1, "LOC": 0.1}, 2, DOUBTFUL, None),
        ([[], []], {}, 2, WITHOUT_ENTITY, None),
    ],
)
def test_one_doubtful_entity_costs_the_sentence(predictions, thresholds, least, outcome, weight) -> None:
    selection = Selection(thresholds, least)
    chosen = selection.choose(predictions)
    assert selection.tally.sentences == {outcome: 1}
    assert (None if chosen is None else chosen[1]) == weight
    assert selection.tally.kept.total() == (0 if chosen is None else len(chosen[0]))


def test_sentences_without_entities_may_stay_and_weights_have_a_factor() -> None:
    selection = Selection({"PER": 0.5}, keep_empty=True, weight=0.5)
    assert selection.choose([[]]) == ([], 0.5)
    assert selection.choose([[NAME]]) == ([NAME], 0.45)
    assert selection.tally.weight == pytest.approx(0.95) and selection.tally.kept == {"PER": 1}


def test_a_threshold_of_zero_does_not_keep_impossible_entities() -> None:
    assert Selection({"PER": 0.0}).choose([[Entity(0, 1, "PER", 0.0)]]) is None
