import re
from typing import Any, ClassVar

import pytest
import torch
from allennlp.training.callbacks import TrainerCallback
from staged_runs import experiment, train, train_and_kill
from tiny_encoders import make_encoder

from ner_plugins.errors import ConfigError
from ner_plugins.training.unfreezing import first_epochs_from_top

EMBEDDER = "text_field_embedder.token_embedder_tokens.weight"


@TrainerCallback.register("test_watch")
class Watch(TrainerCallback):
    """Notes the weights at the start and after every epoch, and which modules slept in training steps."""

    runs: ClassVar[list["Watch"]] = []

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer)
        self.states = [self.state(trainer)]
        self.asleep: dict[int, set[str]] = {}
        Watch.runs.append(self)

    def on_batch(
        self, trainer: Any, inputs: Any, outputs: Any, metrics: Any, epoch: int, number: int, is_training: bool,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        if is_training:
            self.asleep[epoch] = {name for name, module in trainer.model.named_modules() if not module.training}

    def on_epoch(self, trainer: Any, metrics: dict[str, Any], epoch: int, **kwargs: Any) -> None:
        self.states.append(self.state(trainer))

    @staticmethod
    def state(trainer: Any) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().clone() for name, tensor in trainer.model.named_parameters()}

    def moved(self, name: str) -> list[bool]:
        """In which epochs a parameter changed."""
        return [not torch.equal(a[name], b[name]) for a, b in zip(self.states, self.states[1:], strict=False)]


def watched(settings: dict[str, Any], folder, recover: bool = False) -> Watch:
    train(settings, folder, recover)
    return Watch.runs.pop()


OPTIMIZER = {"type": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}


def with_schedule(schedule: dict[str, list[str]], **trainer: Any) -> dict[str, Any]:
    callbacks = [{"type": "ner_unfreeze", "schedule": schedule}, {"type": "test_watch"}]
    return experiment(*callbacks, num_epochs=4, optimizer=OPTIMIZER, **trainer)


def test_parameters_learn_from_their_epoch_on(tmp_path) -> None:
    schedule = {"1": [r"^encoder\."], "3": ["token_embedder", "bias_ih_l0$"]}
    run = watched(with_schedule(schedule), tmp_path / "run")
    assert run.moved(EMBEDDER) == [False, False, False, True]
    assert run.moved("encoder._module.weight_ih_l0") == [False, True, True, True]
    assert run.moved("encoder._module.bias_ih_l0") == [False, True, True, True]  # the earlier of two
    assert run.moved("head.tag_projection.weight") == [True] * 4


def test_a_recovered_run_knows_what_is_frozen_from_the_epoch(tmp_path) -> None:
    settings = with_schedule({"2": ["token_embedder"], "3": [r"^encoder\."]})
    settings["model"]["dropout"] = 0.0  # for which recovered runs of AllenNLP draw other random numbers
    whole = watched(settings, tmp_path / "whole")
    settings["trainer"]["callbacks"].pop()  # which is registered in this process alone
    assert train_and_kill(settings, tmp_path / "killed", "training_state_e1")
    assert train_and_kill(settings, tmp_path / "killed", "training_state_e2", recover=True)
    model = train(settings, tmp_path / "killed", recover=True)
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, whole.states[4][name]), name


def test_layers_thaw_from_the_top(tmp_path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    settings = experiment(
        {"type": "ner_unfreeze", "from_top": True, "dropout_when_frozen": False},
        {"type": "test_watch"},
        num_epochs=4,
        optimizer={"type": "sgd", "lr": 0.01},
    )
    settings["dataset_reader"]["token_indexers"] = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = {
        "type": "ner_transformer", "model_name": encoder
    }  # fmt: skip
    run = watched(settings, tmp_path / "run")
    moved = {name: run.moved(name) for name in run.states[0]}

    def of(pattern: str) -> set[tuple[bool, ...]]:
        return {tuple(epochs) for name, epochs in moved.items() if re.search(pattern, name) and any(epochs)}

    assert of(r"layer\.1\.") == {(False, True, True, True)}
    assert of(r"layer\.0\.") == {(False, False, True, True)}
    assert of(r"\.embeddings\.") == {(False, False, False, True)}
    assert of("head.tag_projection") == {(True,) * 4}
    asleep = [any(name.endswith("layer.0.attention.self.dropout") for name in run.asleep[epoch]) for epoch in range(4)]
    assert asleep == [True, True, False, False]
    assert [any("layer.1" in name for name in run.asleep[epoch]) for epoch in range(4)] == [True] + [False] * 3


@pytest.mark.parametrize(
    "options, said",
    [
        ({}, "needs either schedule or from_top"),
        ({"schedule": {"1": ["x"]}, "from_top": True}, "needs either schedule or from_top"),
        ({"schedule": {}}, "is empty"),
        ({"schedule": {"soon": ["encoder"]}}, "'soon' is not an epoch"),
        ({"schedule": {"1": ["token_embeddr"]}}, r"ner_unfreeze.schedule\[1\].*matches no parameter.*did you mean"),
        ({"schedule": {"1": ["."]}}, "freezes all parameters in epoch 0"),
        ({"schedule": {"1": "crf"}}, r"schedule\[1\] has to be a list"),
        ({"from_top": True}, "needs a pretrained transformer"),
        ({"from_top": True, "epochs_per_layer": 0}, "epochs_per_layer 1 or more"),
        ({"schedule": {"1": ["encoder"]}, "first_epoch": 2}, "first_epoch and epochs_per_layer go with from_top"),
    ],
)
def test_mistakes_are_told(options, said, tmp_path) -> None:
    with pytest.raises(ConfigError, match=said):
        train(experiment({"type": "ner_unfreeze", **options}), tmp_path / "run")


def test_what_never_learns_is_told(tmp_path, capsys) -> None:
    train(experiment({"type": "ner_unfreeze", "schedule": {"1": ["encoder"], "2": ["embedder"]}}), tmp_path / "run")
    said = capsys.readouterr().out
    assert "1 parameters, such as text_field_embedder.token_embedder_tokens.weight, would learn from epoch 2 on" in said
    assert "there are only 2 epochs" in said
    assert "epoch 1: encoder." in said and "epoch 2:" not in said


def test_what_the_optimizer_does_not_have_cannot_thaw(tmp_path) -> None:
    settings = with_schedule({"1": ["token_embedder"]}, no_grad=["token_embedder"])
    with pytest.raises(ConfigError, match=r"Remove it from trainer\.no_grad"):
        train(settings, tmp_path / "run")


def test_parameters_outside_of_layers_learn_with_the_top() -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=8, hidden_size=4, num_hidden_layers=3, num_attention_heads=1, intermediate_size=4)
    first = first_epochs_from_top(BertModel(config), first_epoch=2, epochs_per_layer=5)
    of = {name: first[name] for name in first if name.endswith("dense.weight") or "word_embeddings" in name}
    assert of["pooler.dense.weight"] == 2 and of["encoder.layer.2.output.dense.weight"] == 2
    assert of["encoder.layer.0.output.dense.weight"] == 12 and of["embeddings.word_embeddings.weight"] == 17


def test_the_shared_layers_of_albert_are_one() -> None:
    from transformers import AlbertConfig, AlbertModel

    config = AlbertConfig(vocab_size=8, embedding_size=4, hidden_size=4, num_attention_heads=1, intermediate_size=4)
    first = first_epochs_from_top(AlbertModel(config), first_epoch=2, epochs_per_layer=5)
    assert {first[name] for name in first if "albert_layers" in name or name.startswith("pooler")} == {2}
    assert {first[name] for name in first if "embedding" in name} == {7}
