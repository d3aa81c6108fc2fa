"""One step: its errors, its memory, and what is estimated from it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from dry_runs import CPU, built, sizes, trial

from ner_plugins.commands.dry_run.batches import DrawnBatches
from ner_plugins.commands.dry_run.trial import Memory, try_step
from ner_plugins.errors import NerError


def test_the_message_of_a_step_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer = built(tmp_path)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise DataProblem("this sentence cannot be scored")

    class DataProblem(NerError):
        pass

    monkeypatch.setattr(trainer.model, "forward", fail)
    with pytest.raises(DataProblem, match="this sentence cannot be scored"):
        try_step(trainer)


def test_out_of_memory_names_the_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer = built(tmp_path)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.model, "forward", fail)
    tokens = DrawnBatches(trainer.data_loader, CPU).sizes.largest
    with pytest.raises(NerError, match=f"the largest batch: [0-9]+ sentences, {tokens:,} tokens with padding"):
        try_step(trainer)


def test_memory_of_a_model_of_known_size(tmp_path: Path) -> None:
    trainer = built(tmp_path)
    found = try_step(trainer).memory
    size = sum(4 * parameter.numel() for parameter in trainer.model.parameters())
    assert (found.parameters, found.gradients) == (size, size)
    assert 2 * size <= found.optimizer <= 2 * size + 100 * len(list(trainer.model.parameters()))


def test_estimates() -> None:
    assert trial().epoch_seconds() == (pytest.approx(0.5 * 10 + 0.1 * 10), 0.0)
    assert trial(sizes(3, 500)).epoch_seconds(4) == (pytest.approx(5.0 + 0.1 * 3), pytest.approx(2.5))
    assert trial().memory.total == 100 + 1100 + 200
    assert Memory(1, 1, 1, None, None).total is None
