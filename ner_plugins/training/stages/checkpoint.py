"""Checkpoints of the stages that a callback runs before ordinary training."""

import logging
import os
import re
from pathlib import Path
from typing import Any, Collection, Mapping, Optional

from torch import Tensor

from ner_plugins.archives import weights as safe_load
from ner_plugins.distributed import gather_objects, is_first_rank, rank, wait_for_ranks
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.training.stages.random_states import random_states, restore_random_states

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
PROGRESS = "checkpoint.th"
FINISHED = "finished.th"

State = dict[str, Any]

# Other files in the folder are the user's.
_OWN = re.compile(r"(checkpoint|finished|\w+_constant|\w+_after_\d+)\.th(\.partial-.*)?|\.partial-\d+-\d+")


class StageCheckpoints:
    """
    The files from which stages go on after a kill at any moment.

    `checkpoint.th` says which stage is under way and holds all of its state but the model's, whose files it names:
    what is frozen is written once per stage, the rest once per epoch, and the best epoch's stays until it is beaten.
    `finished.th` holds the model after the last stage. Each file is written under a temporary name, synced and
    renamed, and the file that names others is written after them, so that what is found is always whole. In
    distributed training rank 0 writes, and all ranks read.

    # Parameters

    folder : `Path`
        A folder of this callback alone; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_progress(self) -> Optional[State]:
        """What `write_progress` wrote last; `None` if no stage has begun."""
        return self._read(PROGRESS)

    def read_finished(self) -> Optional[State]:
        """What `finish` wrote; `None` if the stages are not over."""
        return self._read(FINISHED)

    def write_constant(self, stage: str, model: Mapping[str, Tensor], before: State) -> str:
        """
        Save the part of the model that `stage` is not to change, and what was found before it; returns the file's name.
        """
        return self._write(f"{stage}_constant.th", {"model": dict(model), "before": before})

    def write_model(self, stage: str, epochs: int, model: Mapping[str, Tensor]) -> str:
        """Save the part of the model that `stage` changes, after so many epochs; returns the name of the file."""
        return self._write(f"{stage}_after_{epochs}.th", {"model": dict(model)})

    def read(self, name: str) -> State:
        """What is in a file that `write_constant` or `write_model` named, on the CPU."""
        found = self._read(name)
        if found is None:
            raise ArchiveError(
                f"{self.folder / name}: not found, though {PROGRESS} names it. Start the run afresh, with --force"
            )
        return found

    def write_progress(self, progress: State, files: Collection[str]) -> None:
        """
        Save how far the stages are, and delete the models that are no longer needed.

        # Parameters

        progress : `State`
            Tensors and plain containers. The random states of every rank are added to it.
        files : `Collection[str]`
            The names of the models' files that `progress` needs.
        """
        self._write(PROGRESS, {**progress, "random": gather_objects(random_states())})
        self._keep({PROGRESS, *files})

    def finish(self, model: Mapping[str, Tensor], random: list[State]) -> None:
        """
        Save the model after the last stage, and with what random states training goes on; delete all else.
        """
        self._write(FINISHED, {"model": dict(model), "random": random})
        self._keep({FINISHED})

    def remove(self) -> None:
        """Delete all files, when the trainer has checkpoints of its own."""
        self._keep(set())

    def _read(self, name: str) -> Optional[State]:
        path = self.folder / name
        if not path.is_file():
            return None
        found: State = safe_load.load(path, map_location="cpu")
        if found.get("version") != FORMAT_VERSION:
            raise ArchiveError(
                f"{path}: of format {found.get('version')}, but this ner_plugins reads {FORMAT_VERSION}. "
                "Go on with the version that wrote it, or start the run afresh, with --force"
            )
        return found

    def _write(self, name: str, value: State) -> str:
        if is_first_rank():
            self.folder.mkdir(parents=True, exist_ok=True)
            safe_load.save({"version": FORMAT_VERSION, **value}, self.folder / name)
        wait_for_ranks()
        return name

    def _keep(self, names: Collection[str]) -> None:
        """Delete the other weights, and what a killed run left half written."""
        if not is_first_rank() or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.name not in names and _OWN.fullmatch(path.name):
                path.unlink()


def save_weights(model: Mapping[str, Tensor], path: str) -> None:
    """Save a model's weights to a file of the user's, atomically."""
    if is_first_rank():
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        safe_load.save(dict(model), path)
    wait_for_ranks()


def check_writable(path: str, key: str) -> None:
    """
    Make the folder of a file that is to be written later.

    # Raises

    `ConfigError` if the file could not be written.
    """
    target = Path(path)
    try:
        if not path or (target.exists() and not target.is_file()):
            raise OSError(0, "it is no regular file")
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.absolute().parent, os.W_OK):
            raise OSError(0, "its folder cannot be written to")
    except OSError as error:
        raise ConfigError(f"{key}: {path!r} cannot be written ({error.strerror}): name another file") from error


def restore_rank(states: list[State]) -> None:
    """Restore this rank's of the random states of all ranks; others draw as a run of as many ranks would."""
    if rank() < len(states):
        restore_random_states(states[rank()])
    else:
        logger.warning("the stages were begun with %d processes: this one's random numbers are new", len(states))
