import json
from typing import Any

import pytest
import torch
from staged_runs import experiment, train
from tiny_encoders import make_encoder

from ner_plugins.errors import ConfigError
from ner_plugins.training.stages.stage import Stage

PREFIX = "text_field_embedder.token_embedder_tokens.encoder."
TWO_STAGE = {"type": "two_stage", "epochs": 3, "patience": None}


def over_a_transformer(encoder: str, callback: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    settings = experiment(callback, **trainer)
    settings["dataset_reader"]["token_indexers"] = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = {
        "type": "ner_transformer", "model_name": encoder
    }  # fmt: skip
    return settings


def lines(folder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "two_stage/losses.jsonl").read_text().splitlines()]


def test_the_encoder_is_frozen_and_asleep_then_everything_learns(tmp_path, monkeypatch) -> None:
    """Frozen weights are the same bit by bit although the optimizer would decay them; dropout is off in the encoder."""
    asleep, after = set(), {}
    loss, run = Stage._loss, Stage.run

    def note(self, *args):
        asleep.add(tuple(sorted(name for name, module in self.model.named_modules() if not module.training)))
        return loss(self, *args)

    def keep(self, *args):
        run(self, *args)
        after.update({name: tensor.clone() for name, tensor in self.model.named_parameters()})

    monkeypatch.setattr(Stage, "_loss", note)
    monkeypatch.setattr(Stage, "run", keep)
    encoder = make_encoder(tmp_path / "encoder")
    callback = {**TWO_STAGE, "optimizer": {"type": "adamw", "lr": 0.01, "weight_decay": 0.5}}
    model = train(over_a_transformer(encoder, callback), tmp_path / "run")
    from transformers import AutoModel

    final = dict(model.named_parameters())
    pretrained = dict(AutoModel.from_pretrained(encoder).named_parameters())
    pretrained = {name: tensor for name, tensor in pretrained.items() if not name.startswith("pooler")}
    assert {name for name in after if name.startswith(PREFIX)} == {PREFIX + name for name in pretrained}
    for name, tensor in pretrained.items():
        assert torch.equal(after[PREFIX + name], tensor), name
    moved = [not torch.equal(after[PREFIX + name], final[PREFIX + name]) for name in pretrained if "layer" in name]
    assert moved and sum(moved) > 0.8 * len(moved)
    [names] = asleep
    assert all(name.startswith(PREFIX.removesuffix("encoder.").removesuffix(".")) or name in PREFIX for name in names)
    assert any(name.endswith("dropout") for name in names) and "dropout" not in names


def test_the_trainers_optimizer_is_fresh_afterwards(tmp_path, monkeypatch) -> None:
    states = []
    train_epoch = "allennlp.training.gradient_descent_trainer.GradientDescentTrainer._train_epoch"
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    original = GradientDescentTrainer._train_epoch

    def note(self, epoch):
        states.append(len(self.optimizer.state))
        return original(self, epoch)

    monkeypatch.setattr(train_epoch, note)
    train(experiment({**TWO_STAGE, "freeze": "embedder"}), tmp_path / "run")
    assert states[0] == 0 and states[1] > 0


FIGURES = {"loss": [5.0, 3.0, 4.0, 4.5, 1.0], "seqeval/micro_f1": [0.1, 0.2, 0.6, 0.5, 0.4]}


@pytest.mark.parametrize("restore", [True, False], ids=["restored", "as published"])
@pytest.mark.parametrize("select_on, best, epochs", [("loss", 1, 4), ("metric", 2, 5), (None, 2, 5), ("last", 5, 6)])
def test_patience_and_what_is_restored(select_on, best, epochs, restore, tmp_path, monkeypatch) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    after: dict[str, torch.Tensor] = {}
    save, run = Stage._save, Stage.run

    def note(self, is_best, line):
        seen.append({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        save(self, is_best, line)

    def keep(self, *args):
        run(self, *args)
        after.update({name: tensor.clone() for name, tensor in self.model.state_dict().items()})

    monkeypatch.setattr(Stage, "_save", note)
    monkeypatch.setattr(Stage, "run", keep)
    figures = iter(dict(zip(FIGURES, pair, strict=True)) for pair in zip(*FIGURES.values(), strict=True))
    objective = "ner_plugins.training.stages.objectives.SupervisedObjective"
    monkeypatch.setattr(f"{objective}.validate", lambda self: next(figures))
    callback = {"type": "two_stage", "epochs": 6, "freeze": "embedder", "patience": 2, "restore_best": restore}
    callback |= {} if select_on is None else {"select_on": select_on}
    train(experiment(callback, num_epochs=1, validation_metric="+seqeval/micro_f1"), tmp_path / "run")
    assert len(seen) == len(lines(tmp_path / "run")) == epochs
    kept = seen[best if restore else epochs - 1]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in after.items())
    assert not torch.equal(seen[0]["head.tag_projection.weight"], after["head.tag_projection.weight"])


def test_of_epochs_with_one_metric_the_one_of_the_lower_loss_is_better(tmp_path, monkeypatch) -> None:
    """A head that finds nothing yet has an F1 of 0 in every epoch."""
    found = iter([{"seqeval/micro_f1": 0.0, "loss": loss} for loss in (9.0, 7.0, 5.0, 6.0)])
    monkeypatch.setattr("ner_plugins.training.stages.objectives.SupervisedObjective.validate", lambda self: next(found))
    callback = {"type": "two_stage", "epochs": 9, "freeze": "embedder"}
    train(experiment(callback, num_epochs=1, validation_metric="+seqeval/micro_f1"), tmp_path / "run")
    assert [line["best"] for line in lines(tmp_path / "run")] == [True, True, True, False]


def test_the_validation_is_that_of_the_trainer(tmp_path) -> None:
    """With nothing frozen, and the trainer's settings, the stage's epochs are those of ordinary training."""
    optimizer = {"type": "adam", "lr": 0.01}
    settings = experiment(type="ner", optimizer=optimizer, num_epochs=3)
    settings["data_loader"] = {"batch_sampler": {"type": "bucket", "batch_size": 4, "padding_noise": 0}}
    settings["model"]["dropout"] = 0.0
    train(settings, tmp_path / "plain")
    callback = {**TWO_STAGE, "freeze": [], "optimizer": optimizer}
    settings["trainer"]["callbacks"] = [callback]
    settings["trainer"]["num_epochs"] = 1
    train(settings, tmp_path / "staged")
    for line in lines(tmp_path / "staged"):
        ordinary = json.loads((tmp_path / f"plain/metrics_epoch_{line['epoch']}.json").read_text())
        for name in ("training_loss", "validation_loss", "validation_seqeval/micro_f1", "validation_gold"):
            assert line[name] == pytest.approx(ordinary[name], rel=1e-6), name


@pytest.mark.parametrize(
    "options, said",
    [
        ({}, "two_stage freezes a pretrained transformer by default, and the model has none"),
        ({"freeze": "."}, "all parameters are frozen"),
        ({"freeze": "embedder", "select_on": "f1"}, r"callbacks.0.select_on is \"f1\"; it can be metric, loss or last"),
        ({"freeze": "embedder", "patience": 0}, "patience is 0"),
        ({"epochs": -1}, "0 or more"),
    ],
)
def test_mistakes_are_told(options, said, tmp_path) -> None:
    with pytest.raises(ConfigError, match=said):
        train(experiment({"type": "two_stage", **options}), tmp_path / "run")
