from typing import Any, Literal, Optional

import pytest
from allennlp.common import Params
from allennlp.common.from_params import infer_params
from allennlp.training.callbacks import TrainerCallback

from ner_plugins.commands.command_line import describe
from ner_plugins.errors import ConfigError
from ner_plugins.training.nerco import ContrastiveOptions, NercoCallback
from ner_plugins.training.stages.callback import StagedTraining
from ner_plugins.training.stages.options import SupervisedOptions, takes_options
from ner_plugins.training.two_stage import TwoStageCallback


def test_allennlp_finds_the_fields_of_the_options_with_their_types_and_defaults() -> None:
    class Callback(TrainerCallback):
        @takes_options(SupervisedOptions)
        def __init__(self, serialization_dir: str, epochs: int = 3, **options: Any) -> None:
            super().__init__(serialization_dir)

    found = infer_params(Callback)
    assert "options" not in found and found["epochs"].default == 3
    assert found["select_on"].annotation == Optional[Literal["metric", "loss", "last"]]
    assert found["patience"].default == 1
    assert found.keys() - {"self", "serialization_dir", "epochs"} == infer_params(SupervisedOptions).keys() - {"self"}


def test_options_in_a_config_reach_the_stage() -> None:
    flat = {"patience": 4, "grad_norm": 2.0, "select_on": "last", "batch_size": 7}
    nerco = TrainerCallback.from_params(Params({"type": "nerco", **flat}), serialization_dir="unused")
    assert isinstance(nerco, NercoCallback) and isinstance(nerco.contrastive, ContrastiveOptions)
    two_stage = TrainerCallback.from_params(Params({"type": "two_stage", **flat}), serialization_dir="unused")
    assert isinstance(two_stage, TwoStageCallback)
    for options in (nerco.contrastive, two_stage.options):
        assert {name: getattr(options, name) for name in flat} == flat
    assert nerco.contrastive.grad_clipping == 5.0 and two_stage.options.grad_clipping is None


@pytest.mark.parametrize("name, key", [("nerco", "restore_best"), ("two_stage", "loss"), ("two_stage", "patients")])
def test_an_option_of_another_stage_is_unknown(name: str, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} has no option '{key}'"):
        TrainerCallback.from_params(Params({"type": name, key: 1}), serialization_dir="unused")


def test_a_callback_without_stages_cannot_be_constructed() -> None:
    class Nothing(StagedTraining):
        name = "nothing"

    with pytest.raises(TypeError, match="abstract"):
        Nothing("unused")


@pytest.mark.parametrize(
    "options, key",
    [
        ({"type": "nerco", "batch_size": 0}, "batch_size is 0"),
        ({"type": "nerco", "patience": 0}, "patience is 0"),
        ({"type": "nerco", "head_only_epochs": 1, "head_only": {"patience": -1}}, "head_only.patience is -1"),
        ({"type": "nerco", "head_only_epochs": 1, "head_only": {"grad_norm": 0}}, "head_only.grad_norm is 0"),
        ({"type": "two_stage", "num_gradient_accumulation_steps": 0}, "num_gradient_accumulation_steps is 0"),
        ({"type": "two_stage", "grad_clipping": -2}, "grad_clipping is -2"),
    ],
)
def test_numbers_out_of_range_are_told_with_their_full_key(options: dict[str, Any], key: str) -> None:
    params = Params(options, history="trainer.callbacks.0.")
    with pytest.raises(ConfigError) as told:
        TrainerCallback.from_params(params, serialization_dir="unused")
    assert str(told.value).startswith(f"trainer.callbacks.0.{key}, but has to be ")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"type": "two_stage", "epochs": None}, "epochs is null, but has to be a whole number; leave it out"),
        ({"type": "nerco", "head_only_epochs": None}, "head_only_epochs is null, but has to be a whole number"),
        ({"type": "nerco", "num_gradient_accumulation_steps": None}, "num_gradient_accumulation_steps is null, but"),
        ({"type": "two_stage", "freeze": {"a": 1}}, 'freeze is {"a": 1}, but has to be a string or a list of strings'),
        ({"type": "nerco", "freeze": ["a", 3]}, 'freeze is ["a", 3], but has to be a string or a list of strings'),
        ({"type": "nerco", "freeze": True}, "freeze is true, but has to be a string or a list of strings"),
        ({"type": "nerco", "epochs": {"a": 1}}, 'epochs is {"a": 1}, but has to be a whole number'),
    ],
)
def test_values_of_another_kind_are_told_with_their_full_key(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception) as told:
        TrainerCallback.from_params(Params(options, history="trainer.callbacks.0."), serialization_dir="unused")
    assert str(describe(told.value)).startswith(f"trainer.callbacks.0.{message}")


def test_without_a_config_there_is_no_key() -> None:
    with pytest.raises(ConfigError, match=r"^batch_size is 0, but has to be 1 or more$"):
        SupervisedOptions(batch_size=0)
