"""The measuring scripts of prediction and loading, on next to no data."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from forked import run_instead
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.fixture(scope="module")
def archive(allennlp, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prediction")
    changes = json.dumps({"trainer.num_epochs": 1, "trainer.cuda_device": -1})
    config = "training_config/crf_tagger_softmax.jsonnet"
    settings = {"NER_ENCODER": make_encoder(folder / "encoder"), "NER_DATA": "fixtures/cluener"}
    command = ["train", config, "-s", folder / "run", "-o", changes, "--include-package", "ner_plugins"]
    done = allennlp(*command, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run/model.tar.gz"


def test_the_pipeline_has_the_weights_of_the_archive(script, archive: Path, tmp_path: Path) -> None:
    from ner_plugins.tagger import Tagger

    backend: Any = Tagger.from_path(archive).backend
    classifier = script("prediction_sides").token_classifier(backend.model).eval()
    tokenizer = backend.reader.token_indexers["tokens"].tokenizer
    text = "我在北京"
    tensors = backend._tensors(backend.encode([text], ["0"]))
    mask = torch.ones(1, len(text), dtype=torch.bool)
    with torch.no_grad():
        ours = backend.model.score(backend.model.contextualise(tensors["tokens"], mask), mask)
        theirs = classifier(**tokenizer(text, return_tensors="pt")).logits
    assert torch.allclose(theirs[:, 1:-1], ours, atol=1e-5)


def test_sides_take_turns_and_are_compared_with_the_best(script, archive: Path, tmp_path: Path) -> None:
    prediction, sides = script("prediction"), script("prediction_sides")
    sides.exports_of(str(archive), tmp_path, str(ROOT / "fixtures/cluener/dev.json"), True)
    measured = sides.sides_of(str(archive), tmp_path, 1, prediction.EXPORTS)
    texts = prediction.texts_of("cluener", str(ROOT / "fixtures/cluener/test.json"), 2)
    assert len(texts) == 2
    rates = sides.measure(measured, texts, 2)
    assert {len(values) for values in rates.values()} == {2}
    made = {"pipeline, batch 1": [10.0], "pipeline, batch 32": [20.0], "pipeline, one at a time": [5.0]}
    made |= {"Tagger": [40.0], "Tagger, one at a time": [10.0]}
    made |= {"ONNX float32": [50.0], "ONNX float32, one at a time": [15.0]}
    made |= {"ONNX int8": [80.0], "ONNX int8, one at a time": [30.0]}
    assert set(rates) - {"spaCy, batch 32"} == set(made)
    ratios = ["0.50", "1.00", "1.00", "**2.00**", "2.00", "2.50", "3.00", "**4.00**", "**6.00**"]
    assert [row[-1] for row in prediction.rows_of(made)] == ratios


def test_loading_adds_up_its_steps(script, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = script("loading")
    monkeypatch.setattr(loading, "subprocess", SimpleNamespace(run=run_instead))
    steps = loading.run(ROOT, str(archive))
    assert len(steps) == len(loading.STEPS) and all(clock > 0 for clock, _ in steps)
    rows = loading.rows_of({"a": [[(1.0, 0.5), (2.0, 1.0), (9.0, 9.0)], [(2.0, 1.0), (4.0, 3.0), (1.0, 1.0)]]})
    assert rows == [["a", "4.50", "3.00", "6.00", "1.50", "3.00", "5.00", "2.75"]]
