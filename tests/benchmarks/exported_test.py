"""The measuring script of exported models, on next to no data."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from ner_plugins.tagger import TaggedEntity, TaggedText

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("exported")


def tagged(*entities: tuple[int, int, str, float]) -> TaggedText:
    text = "张三在北京"
    return TaggedText(text, tuple(TaggedEntity(a, b, name, text[a:b], score) for a, b, name, score in entities))


def test_differences_are_counted_by_text_and_scores_where_spans_are_equal(script) -> None:
    expected = [tagged((0, 2, "A", 0.5), (3, 5, "B", 0.25)), tagged(), tagged((0, 2, "A", 0.9))]
    found = [tagged((0, 2, "A", 0.5), (3, 5, "B", 0.5)), tagged(), tagged((0, 2, "B", 0.1))]
    assert script.difference(found, expected) == (1, 0.25)
    assert script.difference(expected, expected) == (0, 0.0)


@pytest.mark.exhaustive
def test_an_archive_and_its_exports(script, allennlp, tmp_path: Path, monkeypatch, capsys) -> None:
    from tiny_encoders import make_encoder

    changes = json.dumps({"trainer.num_epochs": 1, "trainer.cuda_device": -1})
    settings = {"NER_ENCODER": make_encoder(tmp_path / "encoder"), "NER_DATA": "fixtures/cluener"}
    command = ["train", "training_config/crf_tagger_softmax.jsonnet", "-s", tmp_path / "run", "-o", changes]
    done = allennlp(*command, "--include-package", "ner_plugins", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    data = str(ROOT / "fixtures/cluener/dev.json")
    arguments = ["exported", str(tmp_path / "run/model.tar.gz"), "--dev", data, "--quantize", "--pipeline"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--sentences", "2", "--repeats", "1"])
    script.main()
    out = capsys.readouterr().out
    assert "equal: dev.json float32" in out and "| ONNX int8, one at a time |" in out
