import inspect
import logging
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.training import Trainer
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.errors import ConfigError
from ner_plugins.training import mixed_precision


class Probe(torch.nn.Module):
    """A model that records the types of its matrix product and, if it has one, its recurrent layer."""

    def __init__(self, recurrent: bool = False) -> None:
        super().__init__()
        self.recurrent = torch.nn.LSTM(4, 4) if recurrent else None
        self.layer = torch.nn.Linear(4, 1)
        self.seen: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.recurrent is not None:
            x = self.recurrent(x)[0]
            self.seen.append(x.dtype)
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


def trainer(tmp_path, recurrent=False, **kwargs):
    model = Probe(recurrent)
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
        ({"amp_dtype": "bfloat16"}, "use_amp is not true"),
        ({"patence": 2}, "did you mean 'patience'"),
        ({"use_amp": True, "amp_dtype": "float16"}, "needs a GPU"),
    ],
)
def test_contradictions_are_refused(tmp_path, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        trainer(tmp_path, **settings)


@pytest.mark.parametrize("given", ["float8", 16, True])
def test_another_type_is_refused(tmp_path, given) -> None:
    settings = {"use_amp": True, "amp_dtype": given, "cuda_device": -1}
    with pytest.raises(ConfigError, match=r"^trainer\.amp_dtype is .*; it can be bfloat16 or float16"):
        Trainer.from_params(
            Params(settings, history="trainer."), model=Probe(), serialization_dir=str(tmp_path), data_loader=OneBatch()
        )


@pytest.fixture
def plain_layers(monkeypatch) -> None:
    """Undo, after the test, what `prepare_cpu` does to the recurrent layers."""
    for layer in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
        monkeypatch.setattr(layer, "forward", layer.forward)


def test_a_recurrent_layer_trains_on_this_cpu(tmp_path, plain_layers) -> None:
    made = trainer(tmp_path, recurrent=True, use_amp=True, amp_dtype="bfloat16")
    made.train()
    able = mixed_precision.recurrent_layers_take_bfloat16()
    assert made.model.seen == [torch.bfloat16 if able else torch.float32, torch.bfloat16]


def test_a_recurrent_layer_trains_where_the_cpu_has_none_in_bfloat16(
    tmp_path, plain_layers, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(mixed_precision, "recurrent_layers_take_bfloat16", lambda: False)
    monkeypatch.setattr(mixed_precision, "has_bfloat16_instructions", lambda: False)
    with caplog.at_level(logging.WARNING, mixed_precision.__name__):
        made = trainer(tmp_path, recurrent=True, use_amp=True, amp_dtype="bfloat16")
    assert [record.getMessage() for record in caplog.records if record.name == mixed_precision.__name__] == [
        "this CPU cannot run recurrent layers in bfloat16: they stay in float32",
        "this CPU has no bfloat16 instructions: bfloat16 is emulated, and slower than float32",
    ]
    made.train()
    assert made.model.seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("able, expected", [(True, (torch.bfloat16, True)), (False, (torch.float32, False))])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("layer", [torch.nn.LSTM, torch.nn.GRU])
def test_what_a_recurrent_layer_gets(layer, packed, able, expected, monkeypatch) -> None:
    """On either kind of CPU, whichever this is; the layer itself is not run."""
    monkeypatch.setattr(mixed_precision, "recurrent_layers_take_bfloat16", lambda: able)
    seen = []

    def record(self: Any, input: Any, hx: Any) -> None:
        data = input.data if packed else input
        states = [hx] if torch.is_tensor(hx) else hx
        assert all(state.dtype == data.dtype for state in states)
        seen.append((data.dtype, torch.is_autocast_enabled("cpu")))

    monkeypatch.setattr(layer, "forward", mixed_precision._in_float32(record))
    state = torch.zeros(1, 2, 3, dtype=torch.bfloat16)
    data = torch.ones(4, 2, 3, dtype=torch.bfloat16)
    given = torch.nn.utils.rnn.pack_padded_sequence(data, [4, 3]) if packed else data
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(3, 3)(given, (state, state) if layer is torch.nn.LSTM else state)
    layer(3, 3)(given, (state, state) if layer is torch.nn.LSTM else state)  # without autocast: as it is
    assert seen == [expected, (torch.bfloat16, False)]


def test_the_probe_draws_no_random_number() -> None:
    state = torch.get_rng_state()
    mixed_precision.recurrent_layers_take_bfloat16.cache_clear()
    mixed_precision.recurrent_layers_take_bfloat16()
    assert torch.equal(torch.get_rng_state(), state)


def test_an_older_cpu() -> None:
    """With the instructions of AVX2 alone, oneDNN refuses an LSTM in bfloat16; other processors ignore the setting."""
    code = """
    import torch
    from ner_plugins.training import mixed_precision
    mixed_precision.prepare_cpu()
    lstm = torch.nn.LSTM(3, 3, bidirectional=True, batch_first=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lstm(torch.ones(2, 4, 3))[0].float().sum().backward()
    assert lstm.weight_ih_l0.grad is not None
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


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
