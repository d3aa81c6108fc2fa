"""What stages report of themselves: a file of figures, TensorBoard, and messages."""

import json
import logging
from pathlib import Path
from typing import Any, Mapping, Optional

from ner_plugins.distributed import is_first_rank
from ner_plugins.files.atomic import atomic_path

logger = logging.getLogger(__name__)

FIGURES = "losses.jsonl"


class StageLog:
    """
    Figures of each epoch as a line of JSON, in `losses.jsonl`, and as scalars of TensorBoard. The file is written anew
    for each line, so that a run that is taken up again has each epoch once. Rank 0 alone writes.

    # Parameters

    folder : `Path`
        Where `losses.jsonl` is.
    tensorboard : `Optional[Path]`
        The folder of TensorBoard's events; `None` for none.
    """

    def __init__(self, folder: Path, tensorboard: Optional[Path]) -> None:
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        self._writer: Any = None
        if tensorboard is not None and is_first_rank():
            from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

            self._writer = SummaryWriter(str(tensorboard))

    def go_on_from(self, lines: list[dict[str, Any]]) -> None:
        """Take up the lines of the run that is gone on with."""
        self.lines = list(lines)
        self._write()

    def add_epoch(self, stage: str, epoch: int, figures: Mapping[str, Any]) -> None:
        """Add what an epoch gave; `epoch` is counted from 0."""
        self.lines.append({"stage": stage, "epoch": epoch, **figures})
        self._write()
        if self._writer is not None:
            for name, value in figures.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{stage}/{name}", value, epoch + 1)
            self._writer.flush()

    def add_figures(self, moment: str, figures: Mapping[str, float]) -> None:
        """Add figures of no epoch, such as those from before the first."""
        self.lines.append({"moment": moment, **figures})
        self._write()

    def add_picture(self, name: str, picture: Any) -> None:
        """Add a picture, an array of uint8, shape (height, width, 3), to TensorBoard."""
        if self._writer is not None:
            self._writer.add_image(name, picture, dataformats="HWC")

    def close(self) -> None:
        """Write what is pending."""
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        if not is_first_rank():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)
        with atomic_path(self.folder / FIGURES) as partial:
            Path(partial).write_text(text, encoding="utf-8")
