"""Memory, measured and counted."""

import re
from pathlib import Path

import pytest
import torch
from dry_runs import CPU, built

from ner_plugins.commands.dry_run import memory
from ner_plugins.commands.dry_run.memory import MemoryMeter, optimizer_bytes, tensor_bytes
from ner_plugins.commands.dry_run.report import format_report
from ner_plugins.commands.dry_run.trial import try_step


def test_the_meter_sees_a_tensor() -> None:
    meter = MemoryMeter(CPU)
    if meter.peak() is None:
        pytest.skip("this system cannot measure it")
    tensor = torch.ones(16 << 20)  # 64 MB: glibc maps above 32 MB, and reuses no memory that the process freed
    del tensor
    peak = meter.peak()
    assert peak is not None and peak > 56 << 20


def test_memory_that_cannot_be_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "_FORGET", tmp_path / "none/none")
    assert MemoryMeter(CPU).peak() is None
    trainer = built(tmp_path / "run")
    report = format_report([], try_step(trainer), trainer, [])
    assert re.search("activations +not measured", report)
    assert "at the peak" not in report


def test_bytes() -> None:
    pair = (torch.zeros(3), {"a": torch.zeros(2, dtype=torch.float64)}, [torch.zeros(1)], 5, None)
    assert tensor_bytes(pair) == 12 + 16 + 4
    parameter = torch.nn.Parameter(torch.ones(5))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.sum().backward()
    optimizer.step()
    assert optimizer_bytes(optimizer) == 20
