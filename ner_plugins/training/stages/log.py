"""The figures of stages: a file, and TensorBoard."""

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
    The figures of each epoch, as a line of JSON in `losses.jsonl` and as TensorBoard scalars. Each line rewrites the
    whole file, so that a resumed run has each epoch once. Only rank 0 writes.

    # Parameters

    folder : `Path`
        The folder of `losses.jsonl`.
    tensorboard : `Optional[Path]`
        The folder of TensorBoard's event files; `None`: no TensorBoard.
    """

    def __init__(self, folder: Path, tensorboard: Optional[Path]) -> None:
        self.folder = folder
        self.lines: list[dict[str, Any]] = []
        self._writer: Any = None
        if tensorboard is not None and is_first_rank():
            from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

            self._writer = SummaryWriter(str(tensorboard))

    def resume(self, lines: list[dict[str, Any]]) -> None:
        """Start from the lines of the interrupted run."""
        self.lines = list(lines)
        self._write()

    def add_epoch(self, stage: str, epoch: int, figures: Mapping[str, Any]) -> None:
        """Add the figures of an epoch, counted from 0."""
        self.lines.append({"stage": stage, "epoch": epoch, **figures})
        self._write()
        if self._writer is not None:
            for name, value in figures.items():
                if isinstance(value, (int, float)):
                    self._writer.add_scalar(f"{stage}/{name}", value, epoch + 1)
            self._writer.flush()

    def add_figures(self, moment: str, figures: Mapping[str, float]) -> None:
        """Add figures that belong to no epoch, such as those before the first."""
        self.lines.append({"moment": moment, **figures})
        self._write()

    def add_picture(self, name: str, picture: Any) -> None:
        """Add a picture to TensorBoard: an array of uint8, shape (height, width, 3)."""
        if self._writer is not None:
            self._writer.add_image(name, picture, dataformats="HWC")

    def close(self) -> None:
        """Flush and close the TensorBoard writer."""
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        if not is_first_rank():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)
        with atomic_path(self.folder / FIGURES) as partial:
            Path(partial).write_text(text, encoding="utf-8")
