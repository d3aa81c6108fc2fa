"""Speed of training: what the script prepares and reports, and our side on a few sentences."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import training

    return training


def zipped(text: str, file: Path) -> str:
    with gzip.open(file, "wt", encoding="utf-8") as stream:
        stream.write(text)
    return str(file)


def test_tags_of_both_formats(training: Any, tmp_path: Path) -> None:
    line = json.dumps({"text": "在北京大学", "label": {"org": {"北京大学": [[1, 4]]}, "loc": {"北京": [[1, 2]]}}})
    assert training.tagged_json(line)["tags"] == ["O", "B-org", "I-org", "I-org", "I-org"]
    data = zipped("在\tO\n北\tB-LOC\n京\tI-LOC\n\n他\tO\n\n来\tO\n\n", tmp_path / "msra.gz")
    arguments = training.arguments_of(["--corpus", "msra", "--data", data, "--sentences", "2"])
    job, corpus = training.prepare(arguments, tmp_path)
    assert Path(job["train"]).read_text(encoding="utf-8") == "在\tO\n北\tB-LOC\n京\tI-LOC\n\n他\tO\n\n"
    assert [json.loads(line)["tags"] for line in Path(job["tagged"]).read_text().splitlines()] == [
        ["O", "B-LOC", "I-LOC"],
        ["O"],
    ]
    assert corpus == {"sentences": 2, "tokens": 4, "longest": 3, "cut": 4}


def test_report_compares_our_sides_with_the_peers(training: Any) -> None:
    arguments = training.arguments_of(["--heads", "biaffine", "--variant", 'padded={"a": 1}'])
    sides = training.sides_of(arguments, 100)
    assert list(sides) == [
        "Trainer of Transformers",
        "Trainer of Transformers, grouped by length",
        "ours, `biaffine`",
        "ours, `biaffine`, padded",
    ]
    assert sides["ours, `biaffine`, padded"][1]["overrides"] == {"data_loader.batch_sampler.budget": 100, "a": 1}
    figures = {"steps": 2, "positions": 40, "busy": None, "memory": {"rss": 10.0}, "process": 9.0}
    found = {side: [{"seconds": seconds, **figures}] for side, seconds in zip(sides, (4.0, 3.0, 2.0, 3.0), strict=True)}
    corpus = {"sentences": 5, "tokens": 20, "longest": 9, "cut": 18}
    text = training.report(sides, found, corpus, 1)
    assert "| ours, `biaffine` | 2.0 s (2.0–2.0) | 2 | 2.5 | 10 | 25.0% | 10 MiB | 9.0 s |" in text
    assert "ours, `biaffine`: 2.00 times Trainer of Transformers, 1.50 times Trainer of Transformers, grouped" in text


def test_our_side_trains(training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import training_sides

    encoder = make_encoder(tmp_path / "encoder")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NER_ENCODER", encoder)
    data = zipped((ROOT / "fixtures/sample/train.json").read_text(encoding="utf-8"), tmp_path / "train.gz")
    command = ["--data", data, "--encoder", encoder, "--sentences", "20", "--warm-up", "1", "--sides", "ours"]
    arguments = training.arguments_of(command)
    job, corpus = training.prepare(arguments, tmp_path)
    (program, settings), *_ = training.sides_of(arguments, 100).values()
    figures = training_sides.train_ours({**job, **settings, "folder": str(tmp_path / "run")})
    assert program == "ours" and figures["steps"] > 1 and figures["seconds"] > 0
    assert figures["positions"] >= corpus["tokens"] + 2 * corpus["sentences"]
    assert figures["positions"] < 1.5 * corpus["tokens"]
