"""The option `--gpus` of the commands that do several trainings."""

import argparse
from typing import Optional, Sequence

from ner_plugins.errors import ConfigError


def offer_gpus(subparser: argparse.ArgumentParser, what: str) -> None:
    """Add `--gpus` to a command; `what` is the name of one training, for its help."""
    subparser.add_argument(
        "--gpus",
        type=int,
        nargs="+",
        metavar="N",
        help=f"train a {what} on each of these GPUs at a time (default: one {what} at a time, on the config's device)",
    )


def check_gpus(gpus: Optional[Sequence[int]]) -> None:
    """
    # Raises

    `ConfigError` if one of the GPUs of `--gpus` is not there, or is given twice.
    """
    if gpus is None:
        return
    import torch

    number = torch.cuda.device_count()
    for gpu in gpus:
        if gpu < 0 or gpu >= number:
            raise ConfigError(f"--gpus {gpu}: there is no such GPU; there are {number}, counted from 0")
    if len(set(gpus)) < len(gpus):
        raise ConfigError(f"--gpus {' '.join(map(str, gpus))}: one of them is given twice")
