"""What `waits.py` shows on a pretended GPU, on a real one: torch raises an error where the host waits."""

from pathlib import Path

import gpu_cases
import pytest
import torch
from allennlp.nn.util import move_to_device


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", gpu_cases.STEPS)
def test_a_training_step_waits_for_nothing(case: str, precision: torch.dtype, tmp_path: Path) -> None:
    head, encoder = case.rsplit("/", 1)
    model, batch = gpu_cases.build(head, encoder, tmp_path)
    model = model.train().cuda()
    batch = move_to_device(batch, torch.device("cuda", 0))

    def step() -> None:
        with torch.autocast("cuda", precision, enabled=precision != torch.float32):
            loss = model(**batch)["loss"]
        loss.backward()

    step()  # what a run does once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
