"""Each of AllenNLP's own commands runs, or says in one message why it cannot."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from staged_runs import experiment

from ner_plugins.compat.stock_commands import _key


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs: of this package, and of AllenNLP alone."""
    ours = {"epoch": 3, "training_duration": "0:00:01", "validation_span/micro_f1": 0.4, "best_validation_loss": 1.5}
    ours |= {"best_validation_span/micro_f1": 0.5, "best_validation_span/LOC/f1": 0.25}
    for name, metrics in (("ours", ours), ("stock", {"best_validation_accuracy": 0.75, "best_validation_loss": 2.5})):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return tmp_path / "runs"


def table(text: str) -> list[list[str]]:
    return [line.split(", ") for line in text.splitlines()]


def test_print_results_finds_our_metrics_by_their_names(allennlp, runs: Path) -> None:
    done = allennlp("print-results", runs, "-k", "span/micro_f1", "validation_span/micro_f1", "span/LOC/f1")
    assert table(done.stdout) == [
        ["model_run", "best_validation_span/micro_f1", "validation_span/micro_f1", "best_validation_span/LOC/f1"],
        [str(runs / "ours/metrics.json"), "0.5", "0.4", "0.25"],
        [str(runs / "stock/metrics.json"), "N/A", "N/A", "N/A"],
    ]


def test_print_results_without_names_prints_the_best_figures_of_all_types(allennlp, runs: Path) -> None:
    rows = table(allennlp("print-results", runs).stdout)
    assert rows[0] == ["model_run", "best_validation_loss", "best_validation_span/micro_f1", "best_validation_accuracy"]
    assert [row[1:] for row in rows[1:]] == [["1.5", "0.5", "N/A"], ["2.5", "N/A", "0.75"]]


def test_print_results_of_figures_that_are_not_there(allennlp, runs: Path) -> None:
    done = allennlp("print-results", runs, "-k", "span/micro_f")
    assert "no run has 'span/micro_f': did you mean validation_span/micro_f1" in done.stderr
    assert table(done.stdout)[1][1] == "N/A"
    done = allennlp("print-results", runs, "-m", "evaluation.json")
    assert done.returncode and done.stderr.count("\n") == 1
    assert "there is no evaluation.json in this folder or below it" in done.stderr
    assert _key("nothing alike", ["loss"]) == "nothing alike"


@pytest.mark.parametrize("trainer", ["ner", "gradient_descent"])
def test_find_lr_draws_the_losses(allennlp, tmp_path: Path, trainer: str) -> None:
    settings = experiment({"type": "ner_curves", "picture": False}, type=trainer)
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    done = allennlp("find-lr", tmp_path / "config.json", "-s", tmp_path / "found", "--num-batches", 11)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "found/lr-losses.png").read_bytes().startswith(b"\x89PNG")


def test_find_lr_works_in_one_process(allennlp, tmp_path: Path) -> None:
    settings = {**experiment(), "distributed": {"cuda_devices": [-1, -1]}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    done = allennlp("find-lr", tmp_path / "config.json", "-s", tmp_path / "found", "--num-batches", 11)
    assert done.returncode and done.stderr.startswith("error: distributed: find-lr works in one process")


def test_build_vocab_writes_a_vocabulary(allennlp, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(experiment()), encoding="utf-8")
    done = allennlp("build-vocab", tmp_path / "config.json", tmp_path / "vocabulary.tar.gz")
    assert done.returncode == 0, done.stderr
    from allennlp.data import Vocabulary

    vocabulary = Vocabulary.from_files(str(tmp_path / "vocabulary.tar.gz"))
    assert vocabulary.get_vocab_size("entity_labels") > 0


def test_build_vocab_heeds_overrides(allennlp, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(experiment()), encoding="utf-8")
    overrides = json.dumps({"vocabulary": {"min_count": {"entity_labels": 10**6}}})
    done = allennlp("build-vocab", tmp_path / "config.json", tmp_path / "vocabulary.tar.gz", "-o", overrides)
    assert done.returncode == 0, done.stderr
    from allennlp.data import Vocabulary

    assert Vocabulary.from_files(str(tmp_path / "vocabulary.tar.gz")).get_vocab_size("entity_labels") == 0


@pytest.mark.parametrize(
    "config, output, told",
    [
        ({"dataset_reader": "cluener"}, "v.tar.gz", "the config has no train_data_path: name that of an experiment"),
        ({"train_data_path": "x"}, "v.tar.gz", "the config has no dataset_reader"),
        ({}, "v.txt", "v.txt: the vocabulary is an archive: let its name end with .tar.gz"),
        ({}, "config.tar.gz", "config.tar.gz: it exists: choose another name, or add --force"),
        ([1], "v.tar.gz", "the config is [1], but has to be an object"),
    ],
)
def test_mistakes_in_build_vocab_are_told(allennlp, tmp_path: Path, config: object, output: str, told: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "config.tar.gz").write_text("")
    done = allennlp("build-vocab", tmp_path / "config.json", tmp_path / output)
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("missing", ["dataset_reader", "model", "trainer"])
def test_find_lr_names_what_a_config_lacks(allennlp, tmp_path: Path, missing: str) -> None:
    settings = experiment()
    del settings[missing]
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    done = allennlp("find-lr", tmp_path / "config.json", "-s", tmp_path / "found")
    assert done.returncode == 1 and done.stderr.startswith(f"error: the config has no {missing}:")


@pytest.mark.parametrize("names, told", [(("none.th", "first.th"), "file not found"), (("first.th",) * 2, "refused")])
def test_diff_of_what_is_no_weights(allennlp, tmp_path: Path, names: tuple[str, str], told: str) -> None:
    (tmp_path / "first.th").write_text("no weights")
    done = allennlp("diff", *(tmp_path / name for name in names))
    assert done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1


def test_diff_names_the_weights_that_differ(allennlp, tmp_path: Path) -> None:
    weights = {"head.weight": torch.zeros(2, 3), "encoder.bias": torch.ones(4)}
    torch.save(weights, tmp_path / "first.th")
    torch.save({**weights, "encoder.bias": torch.zeros(4)}, tmp_path / "second.th")
    same = allennlp("diff", tmp_path / "first.th", tmp_path / "first.th")
    other = allennlp("diff", tmp_path / "first.th", tmp_path / "second.th")
    assert (same.returncode, other.returncode) == (0, 0), other.stderr
    changed = [line for line in other.stdout.splitlines() if line not in same.stdout]
    assert changed and all("encoder.bias" in line for line in changed)


@pytest.mark.skipif(importlib.util.find_spec("checklist") is not None, reason="checklist is installed")
@pytest.mark.parametrize("arguments", [(), ("model.tar.gz", "sentiment-analysis", "--output-file", "x")])
def test_checklist_names_its_library(allennlp, arguments: tuple[str, ...]) -> None:
    done = allennlp("checklist", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: allennlp checklist needs the library checklist, which is not installed")
    assert done.stderr.count("\n") == 1


def test_push_to_hf_says_what_to_run_instead(allennlp, tmp_path: Path) -> None:
    import huggingface_hub

    if int(huggingface_hub.__version__.split(".")[0]) < 1:
        pytest.skip("AllenNLP's own command works")
    done = allennlp("push-to-hf", "-n", "tagger", "-o", "lab", "-s", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(f"Upload it with: hf upload lab/tagger {tmp_path}")
