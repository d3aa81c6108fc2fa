"""`allennlp train`: a default serialization directory, early checks, a table at the end."""

import argparse
import json
import os
import shlex
import shutil
import sys
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, ContextManager, Iterator

from allennlp.commands.train import Train, train_model
from allennlp.common import Params
from allennlp.common.util import SigTermReceived

from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.recovery import accept_changes
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.files.locking import locked
from ner_plugins.files.run_record import LEFT_BY_A_FAILED_START
from ner_plugins.metrics.report import format_table
from ner_plugins.settings import SETTINGS

BEST = "best_validation_"


class TrainCommand(Train):
    """The stock command, with checks before training; `-s` may be left out."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The stock arguments, with `-s` optional."""
        subparser: argparse.ArgumentParser = super().add_subparser(parser)
        for action in subparser._actions:
            if action.dest == "serialization_dir":
                action.required, action.type = False, output_name
                action.help = "directory in which to save the model and its logs (default: a fresh one under runs/)"
            elif action.dest == "dry_run":
                action.help = (
                    "do not train: check the config and the data, try one training step and one validation batch, and "
                    "report sizes, and estimates of time and memory; nothing is written"
                )
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, train_from_args)
        return subparser


def train_from_args(args: argparse.Namespace) -> None:
    """
    Train, and print the archive's path and the best epoch's scores.

    # Raises

    `ConfigError` if the config does not exist, if it has mistakes, or if the serialization directory is in use.
    """
    path = Path(args.param_path)
    if "://" not in args.param_path and not path.is_file():
        raise ConfigError(f"{path}: there is no such config{_configs_beside(path)}")
    folder = Path(args.serialization_dir or fresh_directory(path.stem))
    with nullcontext() if args.dry_run or args.node_rank else _alone_in(folder, args.recover):
        _train_in(folder, args)


@contextmanager
def _alone_in(folder: Path, recover: bool) -> Iterator[None]:
    """Keep other trainings out of a run's folder, which is made if there is none, and removed if it stays empty."""

    def refusal() -> NerError:
        return ConfigError(f"{folder}: another training is at work in it: wait for it, end it, or choose another -s")

    made: list[Path] = []
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        is_there = not (recover and made)
        if is_there:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # the checks of the config say so, beside its mistakes
        is_there = False
    guard: ContextManager[Any] = locked(folder, refusal) if is_there else nullcontext()
    try:
        with guard:
            yield
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


def _train_in(folder: Path, args: argparse.Namespace) -> None:
    """The command, with its folder locked unless nothing is written."""
    from ner_plugins.commands.checks.config import check_config

    _check_directory(folder, args)
    params = Params.from_file(args.param_path, args.overrides)
    config = params.duplicate().as_dict(quiet=True)  # building objects empties `params`
    check_config(config, folder)
    if args.recover:
        accept_changes(folder, params, write=not args.dry_run)
    elif not args.dry_run:
        _clear_failed_start(folder)
    try:
        if args.dry_run:
            _try(params)
        else:
            _train(params, folder, args)
    except NerError as error:
        from ner_plugins.commands.checks.readers import with_fitting_reader

        explained = with_fitting_reader(error, config)
        if explained is error:
            raise
        raise explained from error


def _try(params: Params) -> None:
    from ner_plugins.commands.dry_run.run import dry_run

    print(dry_run(params))


def _train(params: Params, folder: Path, args: argparse.Namespace) -> None:
    from ner_plugins.commands.processes import own_processes
    from ner_plugins.commands.recording import recorded

    print(f"serialization directory: {folder}", flush=True)
    if args.force and args.node_rank == 0:  # AllenNLP would delete the folder, and its lock with it
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    try:
        with recorded(args.param_path, folder) if args.node_rank == 0 else nullcontext(), own_processes():
            train_model(
                params=params,
                serialization_dir=str(folder),
                recover=args.recover,
                force=args.force and args.node_rank != 0,
                node_rank=args.node_rank,
                include_package=args.include_package,
                file_friendly_logging=args.file_friendly_logging,
            )
    except (KeyboardInterrupt, SigTermReceived):
        _print_recover_command(args, folder)
        raise
    _print_results(folder)


def fresh_directory(name: str) -> Path:
    """`runs/NAME-YYYYmmdd-HHMMSS`, with a number appended if that folder exists."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path("runs", f"{name}-{stamp}")
    number = 1
    while folder.exists():
        number += 1
        folder = Path("runs", f"{name}-{stamp}-{number}")
    return folder


def _check_directory(folder: Path, args: argparse.Namespace) -> None:
    if folder.is_file():
        raise ConfigError(f"{folder}: the serialization directory is a file: choose another -s")
    if args.recover and args.force:
        raise ConfigError("--recover continues the run that --force deletes: choose one of them")
    if args.recover and not folder.is_dir():
        raise ConfigError(f"{folder}: there is no run to recover: leave out --recover, or name its directory")
    left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if args.force and left and "config.json" not in left:
        raise ConfigError(f"{folder}: --force would delete it, but it is not the directory of a run: choose another -s")
    if left - LEFT_BY_A_FAILED_START and not (args.recover or args.force):
        raise ConfigError(
            f"{folder}: the serialization directory exists and is not empty. Choose another -s, add --recover to "
            "continue that run, or --force to delete it"
        )


def _clear_failed_start(folder: Path) -> None:
    """Empty a directory in which an earlier start failed before any checkpoint."""
    if not folder.is_dir():
        return
    left = list(folder.iterdir())
    if all(path.name in LEFT_BY_A_FAILED_START for path in left):
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _configs_beside(config: Path) -> str:
    configs = sorted(str(path) for path in config.parent.glob("*.jsonnet")) if config.parent.is_dir() else []
    return f"; in that folder are: {', '.join(configs)}" if configs else ""


def _print_recover_command(args: argparse.Namespace, folder: Path) -> None:
    words = [word for word in sys.argv[1:] if word not in ("-f", "--force", "-r", "--recover")]
    if args.serialization_dir is None:
        words += ["-s", str(folder)]
    settings = [f"{name}={shlex.quote(os.environ[name])} " for name in SETTINGS if os.environ.get(name)]
    command = f"{''.join(settings)}allennlp {shlex.join(words)} --recover"
    print(f"\nstopped; to continue:  {command}", file=sys.stderr)


def _print_results(folder: Path) -> None:
    print(f"archive: {folder / 'model.tar.gz'}")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    best = {name[len(BEST) :]: value for name, value in metrics.items() if name.startswith(BEST)}
    if any("/" in name for name in best):
        print(f"best epoch on the validation data: {metrics['best_epoch']}\n{format_table(best)}")
