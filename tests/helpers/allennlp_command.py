"""The `allennlp` command in another process, forked or from the very start."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forked import ROOT, TIMEOUT, run_forked

CommandRunner = Callable[..., subprocess.CompletedProcess]


def run_command(
    *arguments: Any, input: str | bytes | None = None, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess:
    """Run `allennlp ARGUMENTS` in a forked process; output is text unless `input` is bytes."""
    return run_forked(*arguments, input=input, cwd=cwd, environment=_surroundings(environment))


def run_command_afresh(
    *arguments: Any,
    input: str | bytes | None = None,
    program: list[str] | None = None,
    cwd: Path = ROOT,
    **environment: str,
) -> subprocess.CompletedProcess:
    """Run `allennlp ARGUMENTS` as a user does, in a process that imports everything anew; returns as `run_command`."""
    program = program or [str(Path(sys.executable).with_name("allennlp"))]
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=cwd,
        env=_surroundings(environment),
        input=input,
        capture_output=True,
        text=not isinstance(input, bytes),
        encoding=None if isinstance(input, bytes) else "utf-8",
        timeout=TIMEOUT,
    )


def _surroundings(environment: dict[str, str]) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("NER_", "ALLENNLP_"))}
    return {"OMP_NUM_THREADS": "2", **known, **environment}
