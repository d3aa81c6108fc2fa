"""`allennlp evaluate`, as a user runs it, and an archive on another machine."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_encoders import make_encoder

OURS = ["--include-package", "ner_plugins"]


def test_a_table_on_the_console_and_everything_as_json(allennlp, trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "metrics.json"
    done = allennlp("evaluate", trained / "model.tar.gz", "fixtures/sample#dev", "--output-file", output, *OURS)
    assert done.returncode == 0, done.stderr
    for row in ("address", "position", "micro", "macro", "unreachable gold"):
        assert row in done.stdout
    metrics = json.loads(output.read_text())
    expected = {"seqeval/micro_f1", "seqeval/name/f1", "cluener/macro_f1", "gold", "unreachable_gold", "loss"}
    assert expected <= set(metrics)


def test_two_files_get_two_tables(allennlp, trained: Path) -> None:
    files = "fixtures/cluener/dev.json,fixtures/cluener/train.json"
    done = allennlp("evaluate", trained / "model.tar.gz", files, *OURS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("support") == 2


@pytest.mark.parametrize(
    "data, expected", [("fixtures/sample/test.json", "labelled"), ("fixtures/sample/none.json", "none.json")]
)
def test_mistakes_end_in_one_message(allennlp, trained: Path, data: str, expected: str) -> None:
    done = allennlp("evaluate", trained / "model.tar.gz", data, *OURS)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert expected in next(line for line in done.stderr.splitlines() if line.startswith("error: "))


@pytest.mark.slow
def test_an_archive_needs_neither_encoder_nor_data_nor_folder(allennlp, tmp_path: Path, repository: Path) -> None:
    encoder, data, run = tmp_path / "encoder", tmp_path / "data", tmp_path / "run"
    make_encoder(encoder)
    shutil.copytree(repository / "fixtures/cluener", data)
    overrides = json.dumps({"trainer.num_epochs": 1, "trainer.cuda_device": -1, "model.projection.dim": 8})
    done = allennlp(
        "train", "training_config/biaffine.jsonnet", "-s", run, "-o", overrides, *OURS,
        NER_ENCODER=str(encoder), NER_DATA=str(data),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    before = allennlp("predict", run / "model.tar.gz", "-", *OURS, input="张三在北京大学读书\n")
    shutil.move(run / "model.tar.gz", elsewhere / "moved.tar.gz")
    for folder in (encoder, data, run):
        shutil.rmtree(folder)
    after = allennlp("predict", elsewhere / "moved.tar.gz", "-", *OURS, input="张三在北京大学读书\n", cwd=elsewhere)
    assert after.returncode == 0, after.stderr
    assert after.stdout == before.stdout and json.loads(after.stdout)["text"] == "张三在北京大学读书"
