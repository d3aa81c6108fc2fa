"""Archives written before heads were parts of one model load, and predict what they predicted."""

import json
from pathlib import Path

import pytest
from allennlp.predictors import Predictor

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/archives"
EXPECTED = json.loads((FOLDER / "predictions.json").read_text(encoding="utf-8"))


def test_each_archive_is_here() -> None:
    assert {path.name for path in FOLDER.glob("*.tar.gz")} == {f"{name}.tar.gz" for name in EXPECTED["entities"]}


@pytest.mark.parametrize("name", EXPECTED["entities"])
def test_it_predicts_the_same(name: str) -> None:
    predictor = Predictor.from_path(str(FOLDER / f"{name}.tar.gz"))
    found = [prediction["entities"] for prediction in predictor.predict_texts(EXPECTED["texts"])]
    for entities, before in zip(found, EXPECTED["entities"][name], strict=True):
        assert [place(entity) for entity in entities] == [place(entity) for entity in before]
        assert [entity["score"] for entity in entities] == pytest.approx([e["score"] for e in before], abs=1e-5)


def place(entity: dict) -> tuple:
    return entity["start"], entity["end"], entity["type"]
