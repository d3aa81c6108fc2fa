"""Recovering a run from the newest complete checkpoint."""

import os
from typing import Any, Optional


def recover_from_whole_checkpoints() -> None:
    """
    AllenNLP 2.10.1 recovers from the newest model state even if the trainer's state beside it is missing.

    A run stopped between writing the two could not be recovered (allenai/allennlp #2129).
    """
    from allennlp.training.checkpointer import Checkpointer

    Checkpointer.find_latest_checkpoint = find_latest_checkpoint


def find_latest_checkpoint(self: Any) -> Optional[tuple[str, str]]:
    """The paths of the newest model state and trainer state that exist as a pair, or `None`."""
    for checkpoint in sorted(self._find_all_checkpoints(), reverse=True):
        paths = self._model_state_path(*checkpoint), self._training_state_path(*checkpoint)
        if all(os.path.isfile(path) for path in paths):
            return paths
    return None
