"""Stages in two processes, with gloo on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from staged_runs import NERCO, experiment, experiment_over_flat, train, train_distributed

from ner_plugins.archives import weights as safe_load


def prepared(settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings, with the vocabulary in `folder`, as the command makes it before it starts processes."""
    from allennlp.common import Params
    from allennlp.training.util import make_vocab_from_params

    settings["dataset_reader"].pop("max_instances")
    lines = (Path(settings["train_data_path"].partition("#")[0]) / "train.json").read_text().splitlines(keepends=True)
    for name, number in (("train", 12), ("dev", 9)):
        (folder.parent / f"{name}.json").write_text("".join(lines[:number]))
    settings["train_data_path"] = str(folder.parent / "train.json")
    settings["validation_data_path"] = str(folder.parent / "dev.json")
    make_vocab_from_params(Params(settings).duplicate(), str(folder))
    return settings


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def test_ranks_share_the_data_and_have_the_same_weights_and_go_on_after_a_kill(tmp_path) -> None:
    callback = {
        **NERCO, "batch_size": 4, "loss": {"projection_head": "mlp"}, "num_gradient_accumulation_steps": 2,
        "head_only_epochs": 2, "head_only": {"patience": None},
    }  # fmt: skip
    settings = prepared(experiment(callback), tmp_path / "whole")
    first, second = whole = train_distributed(settings, tmp_path / "whole")
    assert not set(first["read"]) & set(second["read"]) and len(first["read"]) == len(second["read"]) == 6
    assert_equal(first["before"], second["before"])
    assert_equal(first["after"], second["after"])
    settings = prepared(experiment(callback), tmp_path / "killed")
    train_distributed(settings, tmp_path / "killed", kill=("checkpoint.th", 3))
    train_distributed(settings, tmp_path / "killed", kill=("head_only_after_1.th", 1))
    for one, other in zip(whole, train_distributed(settings, tmp_path / "killed"), strict=True):
        assert_equal(one["before"], other["before"])
        assert_equal(one["after"], other["after"])


def test_two_ranks_that_compare_all_their_tokens_learn_what_one_process_does(tmp_path) -> None:
    callback = {
        **NERCO, "epochs": 2, "batch_size": 6, "select_on": "last", "save_to": str(tmp_path / "two.th"),
        "loss": {"gather_across_ranks": True},
    }  # fmt: skip
    settings = prepared(experiment(callback, num_epochs=1), tmp_path / "two")
    settings["model"]["dropout"] = 0.0
    train_distributed(settings, tmp_path / "two")
    settings["trainer"]["callbacks"] = [{**callback, "batch_size": 12, "save_to": str(tmp_path / "one.th")}]
    train(settings, tmp_path / "one")
    two, one = safe_load.load(tmp_path / "two.th"), safe_load.load(tmp_path / "one.th")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-6)


def test_a_batch_without_a_pair_on_one_rank_is_no_obstacle(tmp_path) -> None:
    settings = prepared(experiment({**NERCO, "batch_size": 1, "select_on": "last"}, num_epochs=1), tmp_path / "run")
    lines = Path(settings["train_data_path"]).read_text().splitlines(keepends=True)
    # Every second sentence, which is what the second rank reads, has no entity.
    nothing = '{"text": "今天下雨。", "label": {}}\n'
    Path(settings["train_data_path"]).write_text("".join(line + nothing for line in lines[:4]))
    first, second = train_distributed(settings, tmp_path / "run")
    assert_equal(first["before"], second["before"])
    assert_equal(first["after"], second["after"])


@pytest.mark.parametrize("options", [{"schedule": {"1": ["token_embedder"], "2": [r"^encoder\."]}}])
def test_parameters_thaw_in_distributed_training(options, tmp_path) -> None:
    settings = prepared(experiment({"type": "ner_unfreeze", **options}, num_epochs=4), tmp_path / "run")
    first, second = train_distributed(settings, tmp_path / "run")
    assert_equal(first["after"], second["after"])
    for name, tensor in first["before"].items():
        if "token_embedder" in name or name.startswith("encoder"):
            saved = [safe_load.load(tmp_path / f"run/model_state_e{epoch}_b0.th")[name] for epoch in (1, 2, 3)]
            changes = [not torch.equal(a, b) for a, b in zip([tensor, *saved], saved, strict=False)]
            assert changes == ([False, True, True] if "token_embedder" in name else [False, False, True]), name


def test_every_rank_knows_the_vectors_of_the_lexicon(tmp_path) -> None:
    settings = prepared(experiment_over_flat(epochs=1, head_only_epochs=0), tmp_path / "run")
    first, second = train_distributed(settings, tmp_path / "run")
    assert_equal(first["before"], second["before"])
    assert_equal(first["after"], second["after"])
    assert len(second["before"]["lattice_encoder.words.lexicon_vectors"]) > 0
