import inspect

import pytest
import torch
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.errors import ConfigError
from ner_plugins.training import mixed_precision


class Probe(torch.nn.Module):
    """A model that notes in which type its matrix product was done."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
        self.seen: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        out = self.layer(x)
        self.seen.append(out.dtype)
        return {"loss": out.float().mean()}

    def get_regularization_penalty(self) -> None:
        return None

    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        return {}


class OneBatch(list):
    def set_target_device(self, device: torch.device) -> None:
        pass


def trainer(tmp_path, **kwargs):
    model = Probe()
    loader = OneBatch([{"x": torch.ones(2, 4)}])
    return GradientDescentTrainer.from_partial_objects(
        model, str(tmp_path), loader, num_epochs=1, cuda_device=-1, run_confidence_checks=False, **kwargs
    )


@pytest.mark.parametrize(
    "use_amp, amp_dtype, expected", [(False, None, torch.float32), (True, "bfloat16", torch.bfloat16)]
)
def test_the_forward_pass_runs_in_the_type_asked_for(tmp_path, use_amp, amp_dtype, expected) -> None:
    made = trainer(tmp_path, use_amp=use_amp, amp_dtype=amp_dtype)
    made.train()
    assert made.model.seen == [expected]
    assert made.model.layer.weight.dtype == torch.float32


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"use_amp": True, "amp_dtype": "float8"}, "bfloat16 or float16"),
        ({"amp_dtype": "bfloat16"}, "use_amp is not true"),
        ({"patence": 2}, "did you mean 'patience'"),
        ({"use_amp": True, "amp_dtype": "float16"}, "needs a GPU"),
    ],
)
def test_contradictions_are_refused(tmp_path, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        trainer(tmp_path, **settings)


def test_without_amp_dtype_the_trainer_is_as_it_was(tmp_path) -> None:
    with pytest.raises(ValueError, match="requires a cuda device"):
        trainer(tmp_path, use_amp=True)


def test_the_configuration_has_the_key() -> None:
    assert "amp_dtype" in inspect.signature(GradientDescentTrainer.from_partial_objects).parameters
    mixed_precision.offer_amp_dtype()
    names = list(inspect.signature(GradientDescentTrainer.from_partial_objects).parameters)
    assert names.count("amp_dtype") == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("amp_dtype", ["float16", "bfloat16"])
def test_on_a_gpu(tmp_path, amp_dtype) -> None:
    model = Probe().cuda()
    loader = OneBatch([{"x": torch.ones(2, 4, device="cuda")}])
    made = GradientDescentTrainer.from_partial_objects(
        model, str(tmp_path), loader, num_epochs=1, cuda_device=0, run_confidence_checks=False, use_amp=True,
        amp_dtype=amp_dtype,
    )
    made.train()
    assert model.seen == [getattr(torch, amp_dtype)]
    assert (made._scaler is None) == (amp_dtype == "bfloat16")


def test_null_switches_the_norm_of_gradients_off(tmp_path) -> None:
    assert trainer(tmp_path, grad_norm=None)._grad_norm is False
