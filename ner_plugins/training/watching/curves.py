"""The course of training in `curves.csv` and `curves.png`."""

import csv
import io
import logging
from os import PathLike
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from allennlp.training.callbacks import TrainerCallback

from ner_plugins.files.atomic import atomic_path
from ner_plugins.training.trainer_access import starting_epoch
from ner_plugins.training.watching.epoch_figures import EpochFigures, EpochWatcher
from ner_plugins.visible import csv_text

logger = logging.getLogger(__name__)

TABLE, PICTURE = "curves.csv", "curves.png"
SHORT_EPOCH = 2.0
"""Seconds: after a shorter epoch the picture is not drawn, which takes about half a second."""
LARGEST_SHARE = 0.05
"""The largest share of the time of the epochs since the last picture that drawing may take, as measured before."""

Row = dict[str, str]


@TrainerCallback.register("ner_curves")
class Curves(EpochWatcher):
    """
    Writes `<serialization_dir>/curves.csv`, a row per epoch, and draws it as `curves.png`: the losses, the learning
    rates, the F1, and the F1 of each type on the validation data.

    Both are replaced as a whole after each epoch; the picture only if it takes at most 5 % of the time since the last
    one, and at the end. A resumed run keeps the rows of the epochs before the checkpoint. A file that cannot be written
    is a warning: it does not end the training.

    # Parameters

    serialization_dir : `str`
    picture : `bool`, optional (default=`True`)
        Whether to draw the picture too.
    """

    def __init__(self, serialization_dir: str, picture: bool = True) -> None:
        super().__init__(serialization_dir)
        self._picture = picture
        self._rows: list[Row] = []
        self._is_drawn = True
        self._seconds_of_picture = 0.0
        self._seconds_since_picture = 0.0
        self._failed = False

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Read the rows of the epochs before the checkpoint that training resumes from."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        if is_primary and self.serialization_dir is not None:
            self._rows = rows_before(Path(self.serialization_dir, TABLE), starting_epoch(trainer))

    def report(self, trainer: Any, figures: EpochFigures) -> None:
        """Add the row and draw."""
        if self.serialization_dir is None:
            return
        self._rows.append(row_of(figures))
        self._is_drawn = False
        self._guard(self._write)
        self._seconds_since_picture += figures.seconds
        is_cheap = self._seconds_of_picture <= LARGEST_SHARE * self._seconds_since_picture
        if figures.seconds >= SHORT_EPOCH and is_cheap:
            self._guard(self._draw)

    def on_end(
        self,
        trainer: Any,
        metrics: Optional[dict[str, Any]] = None,
        epoch: Optional[int] = None,
        is_primary: bool = True,
        **kwargs: Any,
    ) -> None:
        """Draw what is not drawn yet."""
        super().on_end(trainer, metrics, epoch, is_primary=is_primary, **kwargs)
        self._guard(self._draw)

    def _guard(self, act: Any) -> None:
        try:
            act()
        except Exception as error:  # whatever happens to a picture, training goes on
            if not self._failed:
                logger.warning("%s: %s", self.serialization_dir, f"the curves could not be written: {error}")
            self._failed = True

    def _write(self) -> None:
        with atomic_path(Path(self.serialization_dir, TABLE)) as partial:
            Path(partial).write_bytes(to_csv(self._rows))

    def _draw(self) -> None:
        if self._picture and not self._is_drawn:
            self._is_drawn = True
            self._seconds_since_picture = 0.0
            start = self.clock()
            from ner_plugins.training.watching.curves_picture import draw_curves

            with atomic_path(Path(self.serialization_dir, PICTURE)) as partial:
                Path(partial).write_bytes(draw_curves(self._rows, PICTURE))
            self._seconds_of_picture = self.clock() - start


def row_of(figures: EpochFigures) -> Row:
    """
    The row of an epoch: `epoch`, `seconds`, `training_loss`, `validation_loss`, `learning_rate` (or, of several parts
    of the model, `learning_rate/<part>`), and figures of the validation data by their names: `validation_metric`, every
    micro and macro F1, and the F1 of each type by the metric of `validation_metric` (by default, `seqeval`).
    """
    row: dict[str, Any] = {"epoch": figures.epoch, "seconds": round(figures.seconds, 3)}
    row["training_loss"] = figures.training_loss
    row["validation_loss"] = figures.validation.get("loss")
    for name, rate in figures.rates.items():
        row[f"learning_rate/{name}" if name else "learning_rate"] = rate
    averages = [name for name in figures.validation if name.endswith(("/micro_f1", "/macro_f1"))]
    for name in dict.fromkeys([*figures.watched, *averages, *_types(figures)]):
        if name != "loss":
            row[name] = figures.validation.get(name)
    return {name: "" if value is None else str(value) for name, value in row.items()}


def _types(figures: EpochFigures) -> list[str]:
    """The names of the F1 of each type."""
    of_types = [name for name in figures.validation if name.endswith("/f1") and name.count("/") >= 2]
    prefixes = [f"{name.partition('/')[0]}/" for name in [*figures.watched, "seqeval/", *of_types]]
    chosen = next((one for one in prefixes if any(name.startswith(one) for name in of_types)), "/")
    return sorted(name for name in of_types if name.startswith(chosen))


def to_csv(rows: Sequence[Row]) -> bytes:
    """The rows in UTF-8; a column that a row lacks is empty in it."""
    stream = io.StringIO()
    rows = [{csv_text(name): value for name, value in row.items()} for row in rows]  # names have those of types
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "backslashreplace")


def rows_before(path: "PathLike[str]", epoch: int) -> list[Row]:
    """The rows of a file that `to_csv` has written, of epochs before `epoch`; none if there is no such file."""
    path = Path(path)
    if epoch == 0 or not path.is_file():
        return []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        logger.warning("%s: the rows of earlier epochs could not be read: %r", path, error)
        return []


def column(rows: Sequence[Mapping[str, str]], name: str) -> tuple[list[int], list[float]]:
    """The epochs with a value of a column, and the values."""
    found = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name)]
    return [epoch for epoch, _ in found], [value for _, value in found]
