"""
Watching a run: a line per epoch, its curves, and its record.

`watchers` are the callbacks that a trainer adds by itself.
"""

from typing import Any, Optional, Sequence

from ner_plugins.training.watching.curves import Curves
from ner_plugins.training.watching.epoch_lines import EpochLines
from ner_plugins.training.watching.run_recorder import RunRecorder

WATCHERS = (EpochLines, Curves, RunRecorder)
"""What every run has, in the order in which they are called."""


def watchers(callbacks: Sequence[Any], serialization_dir: Optional[str]) -> list[Any]:
    """Those of `WATCHERS` that are not among the callbacks of a config."""
    missing = [one for one in WATCHERS if not any(isinstance(callback, one) for callback in callbacks)]
    return [one(serialization_dir) for one in missing]  # type: ignore[arg-type]  # None: they write no files
