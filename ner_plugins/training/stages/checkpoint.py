"""Checkpoints of the stages before ordinary training."""

import logging
import os
import re
from pathlib import Path
from typing import Any, Collection, Mapping, Optional

from torch import Tensor

from ner_plugins.archives import weights as safe_load
from ner_plugins.distributed import gather_objects, is_first_rank, rank, wait_for_ranks
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.training.engine.random_states import random_states, restore_random_states

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
PROGRESS = "checkpoint.th"
FINISHED = "finished.th"

State = dict[str, Any]

# Other files in the folder belong to the user.
_OWN = re.compile(r"(checkpoint|finished|\w+_constant|\w+_after_\d+(_\d+)?)\.th(\.partial-.*)?|\.partial-\d+-\d+")


class StageCheckpoints:
    """
    The files from which stages resume after a kill at any moment.

    `checkpoint.th` holds the name of the current stage, its state without the model, and the names of the files with
    the model: frozen parameters are written once per stage, the others once per epoch, and the best epoch's are kept.
    `finished.th` holds the model after the last stage. Each file is written under a temporary name, synced and
    renamed, and `checkpoint.th` after the files that it names, so the files are always complete and consistent. In
    distributed training rank 0 writes and all ranks read.

    # Parameters

    folder : `Path`
        A folder that only this callback writes to; it is created if needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_progress(self) -> Optional[State]:
        """The last state given to `write_progress`; `None` if no stage has started."""
        return self._read(PROGRESS)

    def read_finished(self) -> Optional[State]:
        """The state that `finish` wrote; `None` if the stages are not finished."""
        return self._read(FINISHED)

    def write_constant(self, stage: str, model: Mapping[str, Tensor], before: State) -> str:
        """Save the part of the model that `stage` keeps, and `Objective.before`; returns the file name."""
        return self._write(f"{stage}_constant.th", {"model": dict(model), "before": before})

    def write_model(self, stage: str, epochs: int, model: Mapping[str, Tensor], updates: int = 0) -> str:
        """Save the part of the model that `stage` changes, after some epochs and updates; returns the file name."""
        name = f"{stage}_after_{epochs}_{updates}.th" if updates else f"{stage}_after_{epochs}.th"
        return self._write(name, {"model": dict(model)})

    def read(self, name: str) -> State:
        """The content of a file written by `write_constant` or `write_model`, on the CPU."""
        found = self._read(name)
        if found is None:
            raise ArchiveError(
                f"{self.folder / name}: not found, but {PROGRESS} refers to it. Start the run again with --force"
            )
        return found

    def write_progress(self, progress: State, files: Collection[str]) -> None:
        """
        Save the progress of the stages, and delete model files that are no longer needed.

        # Parameters

        progress : `State`
            Tensors and plain containers. The random states of all ranks are added.
        files : `Collection[str]`
            The names of the model files that `progress` refers to.
        """
        self._write(PROGRESS, {**progress, "random": gather_objects(random_states())})
        self._keep({PROGRESS, *files})

    def finish(self, model: Mapping[str, Tensor], random: list[State]) -> None:
        """Save the model after the last stage and the random states for ordinary training; delete all other files."""
        self._write(FINISHED, {"model": dict(model), "random": random})
        self._keep({FINISHED})

    def remove(self) -> None:
        """Delete all files; the trainer has checkpoints of its own."""
        self._keep(set())

    def _read(self, name: str) -> Optional[State]:
        path = self.folder / name
        if not path.is_file():
            return None
        found: State = safe_load.load_dict(path, "the state of a stage", map_location="cpu")
        if found.get("version") != FORMAT_VERSION:
            raise ArchiveError(
                f"{path} has format {found.get('version')}, but this version of ner_plugins reads {FORMAT_VERSION}. "
                "Resume with the version that wrote it, or start the run again with --force"
            )
        return found

    def _write(self, name: str, value: State) -> str:
        if is_first_rank():
            self.folder.mkdir(parents=True, exist_ok=True)
            safe_load.save({"version": FORMAT_VERSION, **value}, self.folder / name)
        wait_for_ranks()
        return name

    def _keep(self, names: Collection[str]) -> None:
        """Delete other weights, and incomplete files of a killed run."""
        if not is_first_rank() or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.name not in names and _OWN.fullmatch(path.name):
                path.unlink()


def save_weights(model: Mapping[str, Tensor], path: str) -> None:
    """Save a model's weights atomically to a file that the user named."""
    if is_first_rank():
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        safe_load.save(dict(model), path)
    wait_for_ranks()


def check_writable(path: str, key: str) -> None:
    """
    Create the folder of a file that will be written later.

    # Raises

    `ConfigError` if the file cannot be written; the message names the config key `key`.
    """
    target = Path(path)
    try:
        if not path or (target.exists() and not target.is_file()):
            raise OSError(0, "it is not a regular file")
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.absolute().parent, os.W_OK):
            raise OSError(0, "its folder is not writable")
    except OSError as error:
        raise ConfigError(f"{key}: {path!r} cannot be written ({error.strerror}). Choose another file") from error


def restore_rank(states: list[State]) -> None:
    """Restore this rank's random states, if the run that saved them had this rank."""
    if rank() < len(states):
        restore_random_states(states[rank()])
    else:
        logger.warning("the stages were started with %d processes, so this one has new random states", len(states))
