"""Runs of the trainer `ner` whose batches and weights are recorded, to be repeated by plain loops."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from allennlp.training.callbacks import TrainerCallback
from staged_runs import WITHOUT_PICTURE, experiment, train

Weights = dict[str, torch.Tensor]
EMBEDDING = "text_field_embedder.token_embedder_tokens.weight"
LEARNING_RATE = 0.1


class Recorded(NamedTuple):
    """A run: weights before it and after each update, the batches of each update, and the returned model."""

    start: Weights
    groups: list[list[Any]]
    states: list[Weights]
    model: Any


@TrainerCallback.register("record_for_test")
class Recorder(TrainerCallback):
    """Records a run."""

    last: ClassVar["Recorder"]

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        Recorder.last = self
        self.start = weights_of(trainer.model)
        self.groups: list[list[Any]] = []
        self.states: list[Weights] = []

    def on_batch(self, trainer: Any, inputs: Any, *args: Any, is_training: bool = True, **kwargs: Any) -> None:
        if is_training:
            self.groups.append(inputs)
            self.states.append(weights_of(trainer.model))


def weights_of(model: Any) -> Weights:
    """A copy of the parameters."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def recorded(
    folder: Path, *callbacks: dict[str, Any], dropout: float = 0.0, validated: bool = True, **trainer: Any
) -> Recorded:
    """
    Train the small experiment by plain SGD with the trainer `ner`, without dropout unless asked for. If it is not
    validated, the last epoch is the best.
    """
    options = {"type": "ner", "optimizer": {"type": "sgd", "lr": LEARNING_RATE}, "num_epochs": 1, **trainer}
    settings = experiment(*callbacks, {"type": "record_for_test"}, WITHOUT_PICTURE, **options)
    settings["model"]["dropout"] = dropout
    if not validated:
        del settings["validation_data_path"], settings["validation_data_loader"]
    model = train(settings, folder)
    seen = Recorder.last
    return Recorded(seen.start, seen.groups, seen.states, model)


def repeated(run: Recorded, add_gradient: Callable[[Any, Any], None]) -> list[Weights]:
    """
    Repeat a run: `add_gradient(model, batch)` adds the gradient of each batch, an update takes their mean. Returns the
    weights after each update.
    """
    model = deepcopy(run.model)
    model.load_state_dict({**model.state_dict(), **run.start})
    model.train()
    states = []
    for group in run.groups:
        sums = {name: torch.zeros_like(parameter) for name, parameter in model.named_parameters()}
        total = 0.0
        for batch in group:
            model.zero_grad(set_to_none=False)
            add_gradient(model, batch)
            weight = float(model(**batch).get("loss_weight", 1.0)) if len(group) > 1 else 1.0
            total += weight
            for name, parameter in model.named_parameters():
                sums[name] += weight * parameter.grad
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter -= LEARNING_RATE * sums[name] / total
        states.append(weights_of(model))
    return states


def assert_close(found: list[Weights], expected: list[Weights], tolerance: float = 2e-6) -> None:
    """Equal weights after each update, up to rounding; and the weights do change."""
    assert len(found) == len(expected) > 1
    assert not torch.equal(expected[0][EMBEDDING], expected[-1][EMBEDDING])
    for number, (weights, others) in enumerate(zip(found, expected, strict=True)):
        for name, tensor in weights.items():
            difference = (tensor - others[name]).abs().max().item()
            assert difference < tolerance, (number, name, difference)


def parameter(model: Any, name: str) -> torch.nn.Parameter:
    """A parameter by its name."""
    return dict(model.named_parameters())[name]
