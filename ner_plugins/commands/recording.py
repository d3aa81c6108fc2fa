"""The part of `run.json` that only the command `allennlp train` can write."""

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Optional

from allennlp.training import util as training_util

from ner_plugins.files.run_record import FINISHED, RunRecord
from ner_plugins.training.watching.run_facts import versions
from ner_plugins.training.watching.run_recorder import exit_of

GIT_SECONDS = 10


@contextmanager
def recorded(config: str, folder: Path) -> Iterator[None]:
    """
    Begin the run's record as soon as AllenNLP has made its folder, and end it with what the block ends with.

    # Parameters

    config : `str`
        The config's file, as the user named it.
    folder : `Path`
        The serialization directory.
    """
    original = training_util.create_serialization_dir
    begun = False

    def create_serialization_dir(*args: Any, **kwargs: Any) -> None:
        nonlocal begun
        original(*args, **kwargs)
        record = RunRecord(folder)
        record.start()
        record.update({"command": shlex.join(["allennlp", *sys.argv[1:]])})
        record.update({"config": {"file": config, **commit_of(Path(config))}, "versions": versions()})
        begun = True

    training_util.create_serialization_dir = create_serialization_dir
    try:
        yield
    except BaseException as error:
        if begun:
            RunRecord(folder).end(_exit(error))
        raise
    else:
        if begun:
            RunRecord(folder).end(FINISHED)
    finally:
        training_util.create_serialization_dir = original


def _exit(error: BaseException) -> str:
    from ner_plugins.commands.command_line import describe

    message = describe(error)
    return exit_of(error) if message is None else f"failed: {message}"


def commit_of(config: Path) -> dict[str, Any]:
    """
    The `commit` of the git repository that a config is in, and whether it has `uncommitted_changes`; empty if it is in
    none, or git is missing.
    """
    commit = _git(config.parent, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(config.parent, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "uncommitted_changes": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> Optional[str]:
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # leave the index of the user's repository alone
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
