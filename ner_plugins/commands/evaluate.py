"""`allennlp evaluate`: on the GPU if there is one, with a table per type."""

import argparse
import contextlib
import json
from pathlib import Path
from typing import Any, Iterator, MutableMapping, Optional

from allennlp.commands import evaluate as stock
from allennlp.models.archival import Archive, load_archive

from ner_plugins.archives.config import parsed_overrides
from ner_plugins.archives.reading import naming_archive
from ner_plugins.archives.trust import is_trusting, strings_in, untrusted
from ner_plugins.commands.devices import choose_device, has_ner_model, offer_default_device
from ner_plugins.commands.loading import mention_max_instances
from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.trust_option import offer_trust
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.files.data_paths import listed_paths
from ner_plugins.metrics.report import format_table
from ner_plugins.options import written

MOST_WORKERS = 64
"""Processes that read data at the request of an archive's configuration."""


class EvaluateCommand(stock.Evaluate):
    """The stock command, with a table on stdout for a model of this package."""

    def add_subparser(self, parser: Any) -> argparse.ArgumentParser:
        """The stock arguments, with a default for the device."""
        subparser: argparse.ArgumentParser = super().add_subparser(parser)
        offer_default_device(subparser)
        for action in subparser._actions:
            if action.dest in ("output_file", "predictions_output_file"):
                action.type = output_name
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        offer_trust(subparser, evaluate_from_args)
        return subparser


def evaluate_from_args(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate, print the tables, and return the metrics that are written to `--output-file` as JSON."""
    archive = load_archive(args.archive_file, weights_file=args.weights_file, overrides=args.overrides)
    args.cuda_device = choose_device(archive, args.cuda_device)
    _check_sections(archive, args.archive_file)
    # The evaluator and the data loader are built of the archive's configuration, too.
    named = strings_in(parsed_overrides(args.overrides))
    with _already_loaded(archive), untrusted(named), naming_archive(args.archive_file):
        if not has_ner_model(archive):
            metrics: dict[str, Any] = stock.evaluate_from_args(args)
            return metrics
        archive.config.params.setdefault("evaluation", {}).setdefault("type", "ner")
        _set_batch_size(archive, args)
        mention_max_instances(archive, "-o")
        return _evaluate_each(args)


def _check_sections(archive: Archive, name: str) -> None:
    """Check the parts of the configuration that only evaluation reads."""
    config = archive.config.params
    if "data_loader" not in config and "validation_data_loader" not in config:
        raise ArchiveError(f"{name}: its configuration has no data_loader")
    for key in ("data_loader", "validation_data_loader", "evaluation"):
        if not isinstance(config.get(key, {}), dict):
            raise ArchiveError(f"{name}: {key} of its configuration is {written(config[key])}, but has to be an object")
        workers = config.get(key, {}).get("num_workers", 0)
        if isinstance(workers, (int, float)) and not 0 <= workers <= MOST_WORKERS and not is_trusting():
            raise ArchiveError(
                f"{name}: {key}.num_workers of its configuration is {written(workers)}, but at most {MOST_WORKERS} "
                f"processes are started for an archive. Set it with -o '{{\"{key}.num_workers\": 0}}'"
            )


def _evaluate_each(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate file by file: the stock command distinguishes files by their stems, which may be equal."""
    files = listed_paths(args.input_file)
    outputs, predictions = (_names(args, key, len(files)) for key in ("output_file", "predictions_output_file"))
    metrics = {}
    for file, output, predicted in zip(files, outputs, predictions, strict=True):
        one = argparse.Namespace(**{**vars(args), "input_file": json.dumps(file)})
        one.output_file, one.predictions_output_file = map(_whole, (output, predicted))
        metrics[file] = stock.evaluate_from_args(one)
        print(f"{file}\n{format_table(metrics[file])}")
    return metrics[files[0]] if len(files) == 1 else metrics


class _OneName(str):
    """A name that the stock command, which splits lists of names at commas, takes as a whole."""

    def split(self, *_: Any) -> list[str]:  # type: ignore[override]
        return [str(self)]


def _whole(name: Optional[str]) -> Optional[str]:
    return None if name is None else _OneName(name)


def _names(args: argparse.Namespace, key: str, number: int) -> list[Optional[str]]:
    """The output files of an argument, one for each of `number` input files; their folders have to exist."""
    given = getattr(args, key)
    if given is None:
        return [None] * number
    # One name can have commas in its folder.
    whole = number == 1 and "," not in Path(given).name and Path(given).absolute().parent.is_dir()
    names: list[Optional[str]] = [given] if whole else given.split(",")
    option = "--" + key.replace("_", "-")
    if len(names) != number:
        files = f"{number} input files: put commas between them"
        if number == 1:
            files = "1 input file: the name of a file, unlike its folder's, cannot have commas here"
        raise ConfigError(f"{option} names {len(names)} files for {files}")
    for name in names:
        if not name:
            raise ConfigError(f"{option} {given}: a name between commas is empty")
        if not Path(str(name)).absolute().parent.is_dir():
            raise ConfigError(f"{option}: there is no folder {Path(str(name)).absolute().parent}")
    return names


def _set_batch_size(archive: Archive, args: argparse.Namespace) -> None:
    """Apply `--batch-size`, also to batch samplers."""
    if args.batch_size is None:
        return
    if args.batch_size < 1:
        raise ConfigError(f"--batch-size is {args.batch_size}; it must be at least 1")
    for key in ("data_loader", "validation_data_loader"):
        loader = archive.config.params.get(key)
        if loader is not None and "batch_sampler" in loader:
            sampler = loader["batch_sampler"]
            if isinstance(sampler, MutableMapping) and "batch_size" in sampler:
                sampler["batch_size"] = args.batch_size
            else:  # a sampler by tokens: one by sentences instead, which also sorts by length
                loader["batch_sampler"] = {"type": "bucket", "batch_size": args.batch_size}
    # The stock command would set it on the loader, which takes either a sampler or a size.
    loaders = archive.config.params
    if "batch_sampler" in loaders.get("validation_data_loader", loaders.get("data_loader")):
        args.batch_size = None


@contextlib.contextmanager
def _already_loaded(archive: Archive) -> Iterator[None]:
    """Pass the stock command a loaded archive: by itself it would choose the device before it has the model."""
    original = stock.load_archive
    stock.load_archive = lambda *args, **kwargs: archive
    try:
        yield
    finally:
        stock.load_archive = original
