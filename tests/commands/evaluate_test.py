"""`allennlp evaluate`, as a user runs it, and an archive on another machine."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from tiny_encoders import make_encoder

from ner_plugins.commands import evaluate
from ner_plugins.errors import ConfigError

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


def test_two_files_get_two_tables_also_with_one_stem(allennlp, trained: Path, tmp_path: Path) -> None:
    files = "fixtures/cluener/dev.json,fixtures/sample/dev.json"
    outputs = f"{tmp_path}/a.json,{tmp_path}/b.json"
    archive = trained / "model.tar.gz"
    done = allennlp("evaluate", archive, files, "--output-file", outputs, "--batch-size", "7", *OURS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("support") == 2
    gold = [json.loads((tmp_path / name).read_text())["gold"] for name in ("a.json", "b.json")]
    assert [f"of {int(count)}" in done.stdout for count in gold] == [True, True] and gold[0] != gold[1]


def test_the_loss_does_not_depend_on_the_batches_and_predictions_are_those_of_predict(
    allennlp, trained: Path, tmp_path: Path
) -> None:
    losses = []
    for size in ("40", "7"):
        done = allennlp(
            "evaluate", trained / "model.tar.gz", "fixtures/sample#dev", "--output-file", tmp_path / "metrics",
            "--predictions-output-file", tmp_path / size, "--batch-size", size, *OURS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses.append(json.loads((tmp_path / "metrics").read_text())["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    lines = [(tmp_path / size).read_text(encoding="utf-8").splitlines() for size in ("40", "7")]
    found = [[json.loads(line) for line in of_size] for of_size in lines]
    texts = [json.loads(line)["text"] for line in Path("fixtures/sample/dev.json").read_text().splitlines()]
    assert [one["text"] for one in found[0]] == [one["text"] for one in found[1]] == texts[: len(found[0])]
    text = "".join(f"{one['text']}\n" for one in found[0])
    done = allennlp("predict", trained / "model.tar.gz", "-", *OURS, input=text)
    predicted = [json.loads(line)["entities"] for line in done.stdout.splitlines()]
    for one, other in zip(found[1], predicted, strict=True):
        assert [{**entity, "score": 0} for entity in one["entities"]] == [{**entity, "score": 0} for entity in other]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("option", ["--output-file", "--predictions-output-file"])
def test_a_full_disk_is_told_with_the_file(allennlp, trained: Path, option: str) -> None:
    done = allennlp("evaluate", trained / "model.tar.gz", "fixtures/cluener/dev.json", option, "/dev/full", *OURS)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "error: No space left on device: /dev/full"


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--output-file", "nowhere/metrics.json"], "no folder"),
        (["--output-file", "a.json,b.json"], "2 files for 1"),
        (["--batch-size", "0"], "--batch-size"),
        (["--cuda-device", "7"], "--cuda-device"),
    ],
)
def test_mistakes_are_told_before_the_work(allennlp, trained: Path, arguments: list[str], expected: str) -> None:
    done = allennlp("evaluate", trained / "model.tar.gz", "fixtures/sample#dev", *arguments, *OURS)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "micro" not in done.stdout
    assert expected in next(line for line in done.stderr.splitlines() if line.startswith("error: "))


@pytest.mark.parametrize(
    "data, expected", [("fixtures/sample/test.json", "labelled"), ("fixtures/sample/none.json", "none.json")]
)
def test_mistakes_end_in_one_message(allennlp, trained: Path, data: str, expected: str) -> None:
    done = allennlp("evaluate", trained / "model.tar.gz", data, *OURS)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert expected in next(line for line in done.stderr.splitlines() if line.startswith("error: "))


def test_paths_with_spaces_commas_and_chinese(allennlp, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "数据 a,b"
    shutil.copytree("fixtures/sample", folder / "样本, 1")
    outputs = ["--output-file", folder / "m.json", "--predictions-output-file", folder / "p.jsonl"]
    done = allennlp("evaluate", trained / "model.tar.gz", f"{folder}/样本, 1/dev.json", *outputs, *OURS)
    assert done.returncode == 0, done.stderr
    assert "seqeval/micro_f1" in json.loads((folder / "m.json").read_text()) and (folder / "p.jsonl").stat().st_size


def test_a_reader_that_leaves_data_out_is_mentioned(allennlp, trained: Path, tmp_path: Path) -> None:
    evaluate = ["evaluate", trained / "model.tar.gz", "fixtures/sample#dev", "--output-file", tmp_path / "m", *OURS]
    done = allennlp(*evaluate)
    assert "at most 120 sentences (max_instances)" in done.stderr
    part = json.loads((tmp_path / "m").read_text())["gold"]
    overrides = done.stderr.partition("-o '")[2].partition("'")[0]
    done = allennlp(*evaluate, "-o", overrides)
    assert "max_instances" not in done.stderr
    assert json.loads((tmp_path / "m").read_text())["gold"] > part


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


def test_names_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x,y").mkdir()
    assert evaluate._names(Namespace(output_file="x,y/m"), "output_file", 1) == ["x,y/m"]
    with pytest.raises(ConfigError, match=r"names 2 files for 1 input file: .* cannot have commas"):
        evaluate._names(Namespace(output_file="x,y"), "output_file", 1)
    with pytest.raises(ConfigError, match="names 3 files for 2"):
        evaluate._names(Namespace(output_file="x,y,z"), "output_file", 2)
