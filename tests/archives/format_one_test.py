"""Archives and killed runs written before heads were parts of one model load, predict the same, and go on."""

import contextlib
import json
import tarfile
from pathlib import Path

import pytest
import torch
from allennlp.commands.train import train_model
from allennlp.common import Params
from allennlp.predictors import Predictor

from ner_plugins.modules import dropout
from ner_plugins.token_embedders import transformer_embedder

ROOT = Path(__file__).resolve().parents[2]
FOLDER, CHECKPOINTS = ROOT / "fixtures/archives", ROOT / "fixtures/checkpoints"
LOSSES = json.loads((CHECKPOINTS / "losses.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((FOLDER / "predictions.json").read_text(encoding="utf-8"))


def test_each_archive_is_here() -> None:
    assert {path.name for path in FOLDER.glob("*.tar.gz")} == {f"{name}.tar.gz" for name in EXPECTED["entities"]}


@pytest.mark.parametrize("name", EXPECTED["entities"])
def test_it_predicts_the_same(name: str) -> None:
    predictor = Predictor.from_path(str(FOLDER / f"{name}.tar.gz"))
    found = [prediction["entities"] for prediction in predictor.predict_texts(EXPECTED["texts"])]
    for text, entities, recorded in zip(EXPECTED["texts"], found, EXPECTED["entities"][name], strict=True):
        before = [stripped(entity, text) for entity in recorded if text[entity["start"] : entity["end"]].strip()]
        assert [place(entity) for entity in entities] == [place(entity) for entity in before]
        assert [entity["score"] for entity in entities] == pytest.approx([e["score"] for e in before], abs=1e-5)


def stripped(entity: dict, text: str) -> dict:
    """An entity without white space at its edges, which models predicted then."""
    start, end = entity["start"], entity["end"]
    found = text[start:end]
    left, right = len(found) - len(found.lstrip()), len(found) - len(found.rstrip())
    return {**entity, "start": start + left, "end": end - right}


def place(entity: dict) -> tuple:
    return entity["start"], entity["end"], entity["type"]


@pytest.mark.parametrize("name", LOSSES)
def test_a_killed_run_of_format_one_goes_on(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # These runs drew torch's dropout.
    monkeypatch.setattr(dropout.Dropout, "forward", torch.nn.Dropout.forward)
    monkeypatch.setattr(transformer_embedder, "CheapDropout", contextlib.nullcontext)
    with tarfile.open(CHECKPOINTS / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path)
    config = Params.from_file(str(tmp_path / name / "config.json"))
    train_model(config, str(tmp_path / name), recover=True)
    metrics = json.loads((tmp_path / name / "metrics.json").read_text(encoding="utf-8"))
    assert [metrics["best_validation_loss"], metrics["validation_loss"]] == pytest.approx(LOSSES[name], rel=1e-4)
