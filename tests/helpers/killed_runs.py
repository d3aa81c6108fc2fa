"""Runs of the trainer `ner` that die by SIGKILL before a chosen write, link, rename, deletion or update."""

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import torch
from forked import context
from staged_runs import WITHOUT_PICTURE, experiment, train

from ner_plugins.errors import NerError

EVENTS = ("replace", "link", "unlink")

MOVING_AVERAGE = {"moving_average": {"type": "exponential", "decay": 0.5}}
SCHEDULE = {"learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": 3}}


def settings(**trainer: Any) -> dict[str, Any]:
    """The small experiment with the trainer `ner`, a checkpoint after every second update, and dropout."""
    options = {"type": "ner", "num_epochs": 3, "checkpointer": {"save_every_num_batches": 2}, **SCHEDULE, **trainer}
    options["callbacks"] = [*options.get("callbacks", []), WITHOUT_PICTURE]
    return experiment(**options)


def _count(folder: Path, kill: int) -> list[int]:
    """Count what happens to files of `folder`, and updates; die at number `kill`."""
    from ner_plugins.training.engine.updates import Updates

    seen = [0]

    def counting(function: Any, counts: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if counts(args):
                seen[0] += 1
                if seen[0] == kill:
                    os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in EVENTS:
        setattr(os, name, counting(getattr(os, name), lambda args: str(folder) in str(args[0])))
    Updates.step = counting(Updates.step, lambda args: True)  # type: ignore[method-assign]
    return seen


def _run(options: dict[str, Any], folder: Path, recover: bool, kill: int) -> None:
    seen = _count(folder, kill)
    train(options, folder, recover)
    folder.with_suffix(".events").write_text(str(seen[0]))


def _run_limited(options: dict[str, Any], folder: Path, limit: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # files that could not grow either
        os.dup2(quiet, stream)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    message = ""
    try:
        train(options, folder, recover=True)
    except NerError as error:
        message = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    folder.with_suffix(".error").write_text(message)


def error_with_limit(options: dict[str, Any], folder: Path, limit: int) -> str:
    """The message of a recovered run whose files may have `limit` bytes at most."""
    process = context().Process(target=_run_limited, args=(options, folder, limit))
    process.start()
    process.join(120)
    return folder.with_suffix(".error").read_text()


def run(options: dict[str, Any], folder: Path, recover: bool = False, kill: int = 0) -> bool:
    """Train in another process, which dies at event `kill` (from 1; 0: not at all); returns whether it finished."""
    process = context().Process(target=_run, args=(options, folder, recover, kill))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == 0


def events(folder: Path) -> int:
    """The number of events of a run that finished."""
    return int(folder.with_suffix(".events").read_text())


def result(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The archived weights and the metrics, without durations and memory."""
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = {name: value for name, value in metrics.items() if "duration" not in name and "_MB" not in name}
    return torch.load(folder / "best.th", weights_only=True), kept


def assert_same(folder: Path, other: Path) -> None:
    """The same weights to the last bit, and the same metrics."""
    (weights, metrics), (other_weights, other_metrics) = result(folder), result(other)
    assert metrics == other_metrics
    assert weights.keys() == other_weights.keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, other_weights[name]), name
