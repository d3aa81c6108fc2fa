"""The trainer `ner` in two processes, with gloo on the CPU: what one process does with the same sentences."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from staged_runs import ROOT, WITHOUT_PICTURE, experiment, train, train_distributed

from ner_plugins.archives import weights as safe_load


def unshuffled(folder: Path, sentences: int, ranks: int, **trainer: Any) -> dict[str, Any]:
    """An experiment without any randomness, with 4 sentences an update; its data and vocabulary are in `folder`."""
    from allennlp.common import Params
    from allennlp.training.util import make_vocab_from_params

    settings = experiment(WITHOUT_PICTURE, type="ner", num_epochs=3, validation_metric="+seqeval/micro_f1", **trainer)
    settings["model"]["dropout"] = 0.0
    settings["dataset_reader"].pop("max_instances")
    settings["data_loader"] = {"batch_size": 4 // ranks // trainer.get("num_gradient_accumulation_steps", 1)}
    lines = (ROOT / "fixtures/sample/train.json").read_text(encoding="utf-8").splitlines(keepends=True)
    folder.mkdir(parents=True)
    for name, number in (("train", sentences), ("validation", 9)):
        (folder / f"{name}.json").write_text("".join(lines[:number]), encoding="utf-8")
        settings[f"{name}_data_path"] = str(folder / f"{name}.json")
    make_vocab_from_params(Params(settings).duplicate(), str(folder / "run"))
    return settings


def figures(folder: Path) -> list[dict[str, float]]:
    """The figures of each epoch but those of time and memory, and the training loss, a mean over batches."""
    epochs = [json.loads(path.read_text()) for path in sorted(folder.glob("metrics_epoch_*.json"))]
    left_out = ("duration", "memory", "training_loss")
    return [{name: one[name] for name in one if not any(word in name for word in left_out)} for one in epochs]


@pytest.mark.parametrize(
    "reduction, sentences, trainer",
    [
        ("mean", 13, {}),
        ("token_mean", 12, {"num_gradient_accumulation_steps": 2}),
        # The second rank has no third batch.
        ("token_mean", 9, {"grad_norm": 0.5, "moving_average": {"type": "exponential", "decay": 0.5}}),
    ],
)
def test_two_processes_learn_and_measure_what_one_does(reduction, sentences, trainer, tmp_path) -> None:
    two, one = (unshuffled(tmp_path / name, sentences, ranks, **trainer) for name, ranks in (("two", 2), ("one", 1)))
    for settings in (two, one):
        settings["model"]["reduction"] = reduction
    first, second = train_distributed(two, tmp_path / "two/run")
    one["vocabulary"] = {"type": "from_files", "directory": str(tmp_path / "two/run/vocabulary")}
    model = train(one, tmp_path / "one/alone")
    for name, tensor in model.state_dict().items():
        assert torch.equal(first["after"][name], second["after"][name]), name
        torch.testing.assert_close(first["after"][name], tensor, rtol=1e-4, atol=1e-5)
    found, expected = figures(tmp_path / "two/run"), figures(tmp_path / "one/alone")
    assert len(found) == len(expected) == 3
    for epoch, other in zip(found, expected, strict=True):
        assert epoch == pytest.approx(other, rel=1e-4, abs=1e-6)


def test_a_killed_run_of_two_processes_ends_as_an_unbroken_one(tmp_path) -> None:
    settings = unshuffled(tmp_path / "whole", 13, 2, checkpointer={"save_every_num_batches": 1})
    settings["model"]["dropout"] = 0.3
    settings["data_loader"] |= {"shuffle": True}
    whole = train_distributed(settings, tmp_path / "whole/run")
    other = unshuffled(tmp_path / "killed", 13, 2, checkpointer={"save_every_num_batches": 1})
    settings |= {name: other[name] for name in ("train_data_path", "validation_data_path")}
    for kill in (("training_state_e0_b2", 1), ("model_state_e2_b1", 1)):
        train_distributed(settings, tmp_path / "killed/run", kill=kill)
    again = train_distributed(settings, tmp_path / "killed/run")
    for one, expected in zip(again, whole, strict=True):
        for name, tensor in expected["after"].items():
            assert torch.equal(one["after"][name], tensor), name
    best = [safe_load.load(tmp_path / f"{name}/run/best.th") for name in ("whole", "killed")]
    for name, tensor in best[0].items():
        assert torch.equal(best[1][name], tensor), name
    assert figures(tmp_path / "killed/run") == figures(tmp_path / "whole/run")


def test_the_test_data_are_evaluated_by_all_processes(tmp_path) -> None:
    """9 sentences: 5 on the first rank, 4 on the second."""
    settings = unshuffled(tmp_path / "run", 12, 2)
    settings |= {"test_data_path": settings["validation_data_path"], "evaluate_on_test": True}
    settings["validation_data_loader"] = {"batch_size": 2}
    train_distributed(settings, tmp_path / "run/run")
    found = json.loads((tmp_path / "run/run/metrics.json").read_text())
    assert found["test_gold"] == found["best_validation_gold"] > 0
    for name, value in found.items():
        if name.startswith("best_validation_"):
            assert found[name.replace("best_validation", "test")] == pytest.approx(value, rel=1e-6), name


def test_the_first_process_decides_when_to_save(tmp_path, monkeypatch) -> None:
    """The clocks of processes differ, and saving needs all of them."""
    settings = unshuffled(tmp_path / "two", 13, 2, checkpointer={"save_every_num_seconds": 1e-9})
    train_distributed(settings, tmp_path / "two/run")
    assert (tmp_path / "two/run/training_state_e3_b0.th").exists()
