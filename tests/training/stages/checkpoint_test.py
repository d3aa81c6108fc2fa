"""Checkpoints of stages that hold something else."""

from pathlib import Path
from typing import Any

import pytest
import torch

from ner_plugins.errors import ArchiveError
from ner_plugins.training.stages.checkpoint import FINISHED, PROGRESS, StageCheckpoints


@pytest.mark.parametrize("content", [[1, 2], "text", torch.ones(2), {1: "a"}], ids=str)
@pytest.mark.parametrize("name", [PROGRESS, FINISHED, "contrastive_after_1.th"])
def test_a_file_that_holds_no_state_is_named(content: Any, name: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / name)
    checkpoints = StageCheckpoints(tmp_path)
    read = {PROGRESS: checkpoints.read_progress, FINISHED: checkpoints.read_finished}
    with pytest.raises(ArchiveError, match=f"{tmp_path / name}: does not hold the state of a stage, but a "):
        read.get(name, lambda: checkpoints.read(name))()


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert StageCheckpoints(tmp_path / "none").read_progress() is None
    with pytest.raises(ArchiveError, match=r"not found, but checkpoint.th refers to it"):
        StageCheckpoints(tmp_path).read("contrastive_after_1.th")
