"""`allennlp train --recover` with another number of epochs, or another patience."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from allennlp.common import Params

from ner_plugins.errors import ConfigError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.json_files import parsed_json
from ner_plugins.options import written

logger = logging.getLogger(__name__)

EPOCHS = "trainer.num_epochs"
MAY_CHANGE = (EPOCHS, "trainer.patience")
SCHEDULES = ("learning_rate_scheduler", "momentum_scheduler")

_ABSENT = object()


def accept_changes(folder: Path, params: Params, write: bool = True) -> None:
    """
    Let a run continue with more, or fewer, epochs, and with another patience: write them into the run's `config.json`.

    AllenNLP 2.10.1 refuses to recover with a config that differs anywhere from that of the run.

    # Parameters

    folder : `Path`
        The run's folder.
    params : `Params`
        The config given now.
    write : `bool`, optional (default=`True`)
        Whether to write what is new, rather than only compare the configs.

    # Raises

    `ConfigError` if the folder has no `config.json`, or if the configs differ elsewhere.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError(f"{folder}: there is no config.json in it, so there is no run to recover: check -s")
    try:
        earlier = parsed_json(path.read_bytes())
    except ValueError as error:  # UnicodeDecodeError is one
        remedy = "the run cannot be recovered: start again with --force"
        raise ConfigError(f"{path}: damaged ({error}), so {remedy}") from None
    changes = differences(earlier, params.as_dict(quiet=True))
    others = [f"{key} was {before} and is {now}" for key, before, now in changes if key not in MAY_CHANGE]
    if others:
        listed = "".join(f"\n  {one}" for one in others[:20]) + ("\n  …" if len(others) > 20 else "")
        raise ConfigError(
            f"{folder}: --recover continues a run with its own config, in which only {' and '.join(MAY_CHANGE)} may "
            f"change, but there are other differences. Undo them, or train in another folder:{listed}"
        )
    if changes and write:
        with atomic_path(path) as partial:
            params.to_file(partial)
        for key, old, new in changes:
            logger.info("recovering with %s %s instead of %s", key, new, old)
        if any(key == EPOCHS for key, _, _ in changes):
            _warn_of_a_fixed_schedule(earlier.get("trainer"))


def _warn_of_a_fixed_schedule(trainer: Any) -> None:
    """AllenNLP's trainer restores its schedule with the number of epochs that it was made for."""
    if isinstance(trainer, dict) and trainer.get("type") != "ner" and any(trainer.get(name) for name in SCHEDULES):
        logger.warning(
            "AllenNLP's trainer keeps the schedule that was made for the earlier number of epochs: further epochs have "
            'the rate of its end. The trainer "ner" recomputes it'
        )


def differences(before: Any, now: Any, key: str = "") -> list[tuple[str, str, str]]:
    """The keys at which two configs differ, each with both values as a config has them; "absent" where it lacks one."""
    return [(place, _shown(old), _shown(new)) for place, old, new in _differences(before, now, key)]


def _differences(before: Any, now: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted(before.keys() | now.keys()):
            place = f"{key}.{name}" if key else name
            yield from _differences(before.get(name, _ABSENT), now.get(name, _ABSENT), place)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(old, new, f"{key}.{number}")
    elif before != now:
        yield key, before, now


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else written(value)
