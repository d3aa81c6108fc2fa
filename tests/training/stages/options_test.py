from typing import Any, Literal, Optional

import pytest
from allennlp.common import Params
from allennlp.common.from_params import infer_params
from allennlp.training.callbacks import TrainerCallback

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
