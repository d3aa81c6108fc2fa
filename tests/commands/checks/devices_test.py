"""Devices that are not there."""

from typing import Any

import pytest
import torch

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.devices import absent_devices


def messages(trainer: dict[str, Any], **parts: Any) -> list[str]:
    config = {"trainer": trainer, **parts}
    return [mistake.text for mistake in absent_devices(config, walk_config(config))]


@pytest.mark.parametrize(
    "number, there", [(0, "has no GPU;"), (1, "has the GPU 0 alone;"), (3, "has the GPUs 0 to 2;")]
)
def test_a_gpu_that_is_not_there(number: int, there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
    [message] = messages({"cuda_device": 3})
    assert message.startswith(f"trainer.cuda_device is 3, but this machine {there}")
    [message] = messages({}, distributed={"cuda_devices": [-1, 3]})
    assert message.startswith(f"distributed.cuda_devices.1 is 3, but this machine {there}")
    assert messages({"cuda_device": number - 1}) == []


def test_no_gpu_is_counted_where_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: pytest.fail("counted"))
    for device in (None, -1, False, "cuda:0"):
        assert messages({"cuda_device": device}) == []
    assert messages({}, distributed={"cuda_devices": [-1, -1]}) == []


def test_distributed_training_has_several_devices() -> None:
    for devices in ([-1], None, 0):
        [message] = messages({}, distributed={"cuda_devices": devices})
        assert message.startswith("distributed.cuda_devices has to list two or more devices")
    assert messages({}, distributed={"cuda_devices": [-1], "num_nodes": 2}) == []


def test_float16_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for trainer in ({"use_amp": True}, {"use_amp": True, "amp_dtype": "float16", "cuda_device": -1}):
        [message] = messages(trainer)
        assert message.startswith("trainer.use_amp is true, which means float16 and needs a GPU")
    assert messages({"use_amp": True, "amp_dtype": "bfloat16"}) == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert messages({"use_amp": True}) == []
