"""Checkpoints of a run: after each epoch and within long ones, whole or not there at all."""

import logging
import os
import re
import time
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Optional

from allennlp.training.checkpointer import Checkpointer
from torch import Tensor

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ArchiveError, ConfigError, NerError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.training.trainer_access import parts

logger = logging.getLogger(__name__)

FORMAT_VERSION = 2
BEST = "best.th"
SECONDS = 300.0
_STATE = re.compile(r"training_state_e(\d+)_b(\d+)\.th")
_OWN = re.compile(r"((training|model)_state_e\d+_b\d+|best_e\d+|best)\.th(\.partial-.*)?|\.partial-\d+-\d+")
_KEYS = {
    "epochs_completed", "batches_in_epoch_completed", "is_best", "best_file", "model_file", "seed", "num_epochs",
    "updates_per_epoch", "updates", "moving_average", "callbacks", "records", "ranks",
}  # fmt: skip

State = dict[str, Any]
Clock = Callable[[], float]


class Saved(NamedTuple):
    """A checkpoint as it was read: the model's weights and everything else."""

    model: dict[str, Tensor]
    state: State


class Due:
    """
    When to save within an epoch.

    # Parameters

    seconds : `Optional[float]`
        When the last checkpoint is this old.
    updates : `Optional[int]`
        After this many updates.
    """

    def __init__(self, seconds: Optional[float], updates: Optional[int]) -> None:
        self.seconds, self.updates = seconds, updates
        self.clock: Clock = time.monotonic  # unlike the time of day, it does not jump
        self._last_time = self.clock()
        self._last_update = 0

    def start_epoch(self, update: int) -> None:
        """Count updates from update `update` of an epoch on."""
        self._last_update = update

    def saved(self, update: int) -> None:
        """A checkpoint has been saved after update `update` of the epoch."""
        self._last_time, self._last_update = self.clock(), update

    def __call__(self, update: int) -> bool:
        """Whether to save after update `update` of the epoch."""
        late = self.seconds is not None and self.clock() - self._last_time >= self.seconds
        return late or (self.updates is not None and update - self._last_update >= self.updates)


def due_of(trainer: Any) -> Due:
    """When a stage before training saves within an epoch: as often as the trainer, or every five minutes."""
    checkpointer = parts(trainer).checkpointer
    if isinstance(checkpointer, NerCheckpointer):
        return Due(checkpointer.due.seconds, checkpointer.due.updates)
    return Due(SECONDS, None)


@Checkpointer.register("ner")
class NerCheckpointer(Checkpointer):
    """
    Saves checkpoints, and reads the newest whole one.

    A checkpoint is `training_state_e{epochs}_b{batches}.th`. It names the files of the model's weights and of the best
    weights so far, which are written before it. Every file is written under a temporary name, synced and renamed. So
    a run that is killed at any moment has one checkpoint from which all follows: which epoch is the best, its figures,
    and what `best.th` has to be. `publish` makes `best.th` agree with it, after a checkpoint as well as after recovery.

    # Parameters

    serialization_dir : `str`
    save_completed_epochs : `bool`, optional (default=`True`)
        Whether a checkpoint is saved after each epoch.
    save_every_num_seconds : `Optional[float]`, optional (default=`300.0`)
        Within an epoch, a checkpoint is saved when the last one is this old; `None` for none.
    save_every_num_batches : `Optional[int]`, optional (default=`None`)
        Within an epoch, a checkpoint is saved after this many updates.
    keep_most_recent_by_count : `Optional[int]`, optional (default=`2`)
        The number of checkpoints to keep; `None` for all. With at least two, a run goes on even if the disk has lost
        the newest.
    keep_most_recent_by_age : `Optional[float]`, optional (default=`None`)
        Checkpoints not older than this many seconds are kept too.

    # Raises

    `ConfigError` if a number is out of range.
    """

    def __init__(
        self,
        serialization_dir: str,
        save_completed_epochs: bool = True,
        save_every_num_seconds: Optional[float] = SECONDS,
        save_every_num_batches: Optional[int] = None,
        keep_most_recent_by_count: Optional[int] = 2,
        keep_most_recent_by_age: Optional[float] = None,
    ) -> None:
        super().__init__(serialization_dir, save_completed_epochs=save_completed_epochs)
        for name, value in {
            "save_every_num_seconds": save_every_num_seconds,
            "save_every_num_batches": save_every_num_batches,
            "keep_most_recent_by_count": keep_most_recent_by_count,
            "keep_most_recent_by_age": keep_most_recent_by_age,
        }.items():
            if value is not None and not value > 0:
                raise ConfigError(f"trainer.checkpointer.{name} is {value}, but has to be more than 0, or null")
        self.folder = Path(serialization_dir)
        self.save_completed_epochs = save_completed_epochs
        self.due = Due(save_every_num_seconds, save_every_num_batches)
        self.count = keep_most_recent_by_count
        self.age = keep_most_recent_by_age
        self._best_files: dict[str, Optional[str]] = {}
        """The best weights that each checkpoint names."""

    # Writing.

    def save(self, state: State, model: Mapping[str, Tensor], best: Optional[Mapping[str, Tensor]] = None) -> str:
        """
        Write a checkpoint.

        # Parameters

        state : `dict[str, Any]`
            Tensors and plain containers, with `epochs_completed`, `batches_in_epoch_completed`, `is_best`, and
            `best_file` of the epochs before.
        model : `Mapping[str, torch.Tensor]`
            The model's weights.
        best : `Optional[Mapping[str, torch.Tensor]]`, optional (default=`None`)
            With `is_best`, the weights that were validated, if they are not those of `model`.

        # Returns

        `str`
            The name of the file with the best weights so far, or "" if there are none.

        # Raises

        `NerError` if the disk is full or a file cannot be written. The checkpoint before stays whole.
        """
        epochs, batches = state["epochs_completed"], state["batches_in_epoch_completed"]
        place = f"e{epochs}_b{batches}"
        model_file, best_file = f"model_state_{place}.th", state["best_file"]
        if state["is_best"]:
            best_file = model_file if best is None else f"best_e{epochs}.th"
        state = {"version": FORMAT_VERSION, **state, "model_file": model_file, "best_file": best_file}
        self._write(dict(model), model_file)
        if state["is_best"] and best is not None:
            self._write(dict(best), best_file)
        self._write(state, f"training_state_{place}.th")
        self._best_files[f"training_state_{place}.th"] = best_file
        self.due.saved(batches)
        return str(best_file)

    def write_best(self, weights: Mapping[str, Tensor]) -> None:
        """Write the best weights where no checkpoint is saved."""
        self._write(dict(weights), BEST)

    def publish(self, best_file: str) -> None:
        """Make `best.th` the best weights of the newest checkpoint, and delete files that none refers to."""
        if not best_file:
            return
        target = self.folder / BEST
        if not (target.exists() and os.path.samefile(target, self.folder / best_file)):
            self._guarded(_link, self.folder / best_file, target)
        self.prune()

    def prune(self) -> None:
        """Delete checkpoints that are not kept, and incomplete files of a killed run."""
        found = self._places()
        kept = found if self.count is None else found[: self.count]
        if self.age is not None:
            kept = kept + [name for name in found[len(kept) :] if _age(self.folder / name) <= self.age]
        names = {BEST, *kept, *(_model_file(name) for name in kept), *(self._best_files.get(name) for name in kept)}
        for path in self.folder.iterdir():
            if path.name not in names and _OWN.fullmatch(path.name):
                path.unlink()

    def _write(self, value: Any, name: str) -> None:
        self._guarded(safe_load.save, value, self.folder / name)

    def _guarded(self, write: Callable[..., None], *args: Any) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write(*args)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError where a file cannot grow
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            raise NerError(
                f"{args[-1]}: this checkpoint cannot be written ({reason}). The checkpoint before it is whole: make "
                "room, then continue the run with --recover"
            ) from error

    # Reading.

    def load(self) -> Optional[Saved]:
        """
        The newest whole checkpoint, on the CPU; `None` if there is none.

        # Raises

        `ArchiveError` if there are checkpoints, but all are damaged, or the newest has another format.
        """
        newest: Optional[Saved] = None
        failure: Optional[ArchiveError] = None
        for name in self._places():
            try:
                state = safe_load.load_state(self.folder / name, map_location="cpu", mmap=True)
                if newest is None:
                    newest = self._whole(name, state)
            except (ArchiveError, OSError) as error:
                if newest is not None:
                    continue  # an older one, read for its best weights alone
                logger.warning("%s: this checkpoint is damaged, so the one before it is used (%s)", name, error)
                failure = failure or ArchiveError(f"{self.folder / name}: no checkpoint of this run is whole ({error})")
                continue
            self._best_files[name] = state.get("best_file")
        if newest is None and failure is not None:
            raise failure
        return newest

    def _whole(self, name: str, state: State) -> Saved:
        if state.get("version") != FORMAT_VERSION:
            raise ConfigError(
                f"{self.folder / name} has format {state.get('version')}, and the trainer ner reads {FORMAT_VERSION}. "
                'Continue the run with the trainer and version that wrote it ("type": "gradient_descent" for format '
                "1), or start it again with --force"
            )
        absent = _KEYS - state.keys()
        if absent:
            raise ArchiveError(f"{self.folder / name}: does not hold the state of a run: it lacks {min(absent)}")
        best_file = state["best_file"]
        if best_file and not (self.folder / best_file).is_file():
            raise ArchiveError(f"{self.folder / best_file}: the best weights are missing")
        return Saved(safe_load.load_weights(self.folder / state["model_file"], map_location="cpu"), state)

    def find_latest_checkpoint(self) -> Optional[tuple[str, str]]:
        """The paths of the newest checkpoint's weights and state, or `None`; they are not read."""
        for name in self._places():
            if (self.folder / _model_file(name)).is_file():
                return str(self.folder / _model_file(name)), str(self.folder / name)
        return None

    def _places(self) -> list[str]:
        """The names of the training states, newest first."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        found = [(tuple(map(int, match.groups())), match.group()) for match in map(_STATE.fullmatch, names) if match]
        return [name for _, name in sorted(found, reverse=True)]


NerCheckpointer.register("default")(NerCheckpointer)  # so that a config need not name the type
NerCheckpointer.default_implementation = "default"


def _model_file(state_file: str) -> str:
    return state_file.replace("training_state", "model_state", 1)


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, atomically; a copy where the file system has no links."""
    with atomic_path(target, hidden=False) as partial:
        try:
            os.link(source, partial)
        except OSError:
            with open(source, "rb") as content, open(partial, "wb") as copy:
                while block := content.read(1 << 20):
                    copy.write(block)
