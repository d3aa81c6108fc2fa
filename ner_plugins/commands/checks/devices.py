"""Devices of a config that are not there."""

from collections.abc import Iterator
from typing import Any

import torch
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import Walk


def absent_devices(config: dict[str, Any], walk: Walk) -> Iterator[Mistake]:
    """The GPUs in `trainer` and `distributed` that this machine does not have, and float16 on a CPU."""
    trainer = config.get("trainer")
    trainer = trainer if isinstance(trainer, dict) else {}
    yield from _absent("trainer.cuda_device", trainer.get("cuda_device"))
    distributed = config.get("distributed")
    if isinstance(distributed, dict):
        devices = distributed.get("cuda_devices")
        for number, device in enumerate(devices if isinstance(devices, list) else ()):
            yield from _absent(f"distributed.cuda_devices.{number}", device)
        if not (isinstance(devices, list) and len(devices) > 1) and distributed.get("num_nodes", 1) in (None, 1):
            key = "distributed.cuda_devices"
            yield Mistake(key, f"{key} has to list two or more devices (-1 is the CPU), one for each process")
    elif any(place.key == "trainer" and place.is_known for place in walk.of(GradientDescentTrainer)):
        yield from _float16_on_cpu(trainer)


def _absent(key: str, device: Any) -> Iterator[Mistake]:
    # Counting GPUs starts CUDA's driver, so do it only where one is asked for.
    if isinstance(device, int) and not isinstance(device, bool) and device >= 0:
        number = torch.cuda.device_count()
        if device >= number:
            there = f"the GPUs 0 to {number - 1}" if number > 1 else "the GPU 0 alone" if number else "no GPU"
            remedy = "leave it out for the default device" if key.startswith("trainer") else "-1 is the CPU"
            yield Mistake(key, f"{key} is {device}, but this machine has {there}; {remedy}")


def _float16_on_cpu(trainer: dict[str, Any]) -> Iterator[Mistake]:
    if trainer.get("use_amp") is not True or trainer.get("amp_dtype") == "bfloat16":
        return
    device = trainer.get("cuda_device")
    if device == -1 or (device is None and not torch.cuda.is_available()):
        remedy = 'set trainer.amp_dtype to "bfloat16" on a CPU'
        yield Mistake("trainer.use_amp", f"trainer.use_amp is true, which means float16 and needs a GPU: {remedy}")
