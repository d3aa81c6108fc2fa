"""Candidates in characters: the predictions are among them, blanks are left out, gold has its probability."""

from pathlib import Path
from typing import Any

import pytest
import toy_models

from ner_plugins.entities import Entity
from ner_plugins.models.candidates import find_candidates

EXPERIMENTS = Path(__file__).resolve().parents[2] / "fixtures/experiments"
NAME = Entity(0, 2, "name")


def keys(entities: list[Entity]) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.type) for entity in entities]


@pytest.mark.parametrize("experiment", ["crf_tagger", "biaffine", "span"])
def test_predictions_are_candidates_with_the_same_score(experiment: str) -> None:
    model, batch = toy_models.build(EXPERIMENTS / f"{experiment}.json", toy_models.GOLD, toy_models.TEXTS)
    toy_models.fit(model, batch)
    gold = [[*toy_models.GOLD[0], Entity(0, 3, "place"), Entity(0, 200, "name")], []]
    first, second = find_candidates(model, **batch, gold=gold, floor=0.01)
    assert first.predicted == model.find(**batch)[0] and first.predicted
    known: dict[Any, Any] = dict(zip(keys(first.candidates), (one.score for one in first.candidates), strict=True))
    assert keys(first.candidates) == sorted(known)
    assert all(known[key] == one.score for key, one in zip(keys(first.predicted), first.predicted, strict=True))
    assert all(entity.score >= 0.01 for entity in first.candidates if entity not in first.predicted)
    assert keys(first.gold) == keys(gold[0])
    for entity in first.gold[:3]:
        everything = find_candidates(model, **batch, gold=[[], []], floor=0.0)[0].candidates
        [same] = [one for one in everything if one == entity]
        assert entity.score == pytest.approx(same.score, abs=2e-6)
    assert [entity.score for entity in first.gold[3:]] == [None, None]
    assert second.gold == [] and second.predicted == model.find(**batch)[1]


def test_blanks_at_the_edges_do_not_count() -> None:
    model, batch = toy_models.build(EXPERIMENTS / "biaffine.json", [[NAME], []], ["张三 好", "　　"])
    first, second = find_candidates(model, **batch, gold=[[NAME], []], floor=0.0)
    assert keys(first.candidates) == [(a, b, "name") for a, b in ((0, 1), (0, 2), (0, 4), (1, 2), (1, 4), (3, 4))]
    assert second.candidates == []
