"""AllenNLP's own commands beside training and prediction, with this package and newer libraries."""

import argparse
import importlib.util
import json
import logging
import os
import tempfile
from difflib import get_close_matches
from typing import Any

from ner_plugins.compat.replace import replace
from ner_plugins.errors import ConfigError, shown

logger = logging.getLogger(__name__)


def search_rates_for_our_trainer() -> None:
    """
    AllenNLP 2.10.1 searches learning rates only for the trainer `gradient_descent`, and fails without `trainer`. The
    search makes its own steps, so the trainer `ner` needs no callbacks and no checkpoints for it.
    """
    from allennlp.commands import find_learning_rate

    def with_its_trainer(original: Any) -> Any:
        def find_learning_rate_model(params: Any, *args: Any, **kwargs: Any) -> None:
            config = _parts(params, "dataset_reader", "model", "trainer")
            trainer = config["trainer"]
            if isinstance(trainer, dict) and trainer.get("type") == "ner":
                left_out = ("type", "seed", "callbacks", "checkpointer")
                params.params["trainer"] = {key: value for key, value in trainer.items() if key not in left_out}
            if config.get("distributed"):
                raise ConfigError(
                    "distributed: find-lr works in one process. Leave it out: -o '{\"distributed\": null}'"
                )
            original(params, *args, **kwargs)

        return find_learning_rate_model

    replace(find_learning_rate, "find_learning_rate_model", with_its_trainer)


def _parts(params: Any, *needed: str) -> dict[str, Any]:
    """
    The config in `params`.

    # Raises

    `ConfigError` if it is no object, or lacks one of the parts `needed`.
    """
    config = params.params
    if not isinstance(config, dict):
        raise ConfigError(f"the config is {shown(config)}, but has to be an object")
    for part in needed:
        if not config.get(part):
            raise ConfigError(f"the config has no {part}: name that of an experiment, as `allennlp train` takes it")
    return config


def build_vocabularies_of_experiments() -> None:
    """
    AllenNLP 2.10.1's `build-vocab` ignores `--overrides`, writes an empty vocabulary of a config without data, and
    fails with a traceback for an output that it does not take.
    """
    from allennlp.commands import build_vocab
    from allennlp.common import Params

    def checking(original: Any) -> Any:
        def build_vocab_from_args(args: argparse.Namespace) -> None:
            if not args.output_path.endswith(".tar.gz"):
                raise ConfigError(f"{args.output_path}: the vocabulary is an archive: let its name end with .tar.gz")
            if os.path.exists(args.output_path) and not args.force:
                raise ConfigError(f"{args.output_path}: it exists: choose another name, or add --force to overwrite it")
            params = Params.from_file(args.param_path, args.overrides)
            _parts(params, "dataset_reader", "train_data_path")
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "config.json")
                params.to_file(path)
                original(argparse.Namespace(**{**vars(args), "param_path": path}))

        return build_vocab_from_args

    replace(build_vocab, "build_vocab_from_args", checking)


def find_figures_by_name() -> None:
    """
    AllenNLP 2.10.1's `print-results` fails without `--keys`, and takes only whole names of metrics.json. A metric's own
    name stands for its best validation figure, and without names the figures of all types together are printed.
    """
    from allennlp.commands import print_results

    def with_names(original: Any) -> Any:
        def print_results_from_args(args: argparse.Namespace) -> None:
            known = _figures(args.path, args.metrics_filename)
            args.keys = _keys(args.keys, known)
            original(args)

        return print_results_from_args

    replace(print_results, "print_results_from_args", with_names)


_PREFIXES = ("best_validation_", "validation_", "test_", "training_")


def _figures(path: str, filename: str) -> list[str]:
    """The names of all numbers in the files below `path` that have a name, in their order."""
    names: dict[str, None] = {}
    found = False
    for folder, _, files in os.walk(path):
        if filename in files:
            found = True
            with open(os.path.join(folder, filename), encoding="utf-8") as file:
                metrics = json.load(file)
            names |= dict.fromkeys(name for name, value in metrics.items() if isinstance(value, (int, float)))
    if not found:
        raise ConfigError(
            f"{shown(path)}: there is no {filename} in this folder or below it. Name the folder of training runs, or "
            "the file with --metrics-filename"
        )
    return list(names)


def _keys(wanted: Any, known: list[str]) -> list[str]:
    if wanted is None:
        best = [name for name in known if name.startswith(_PREFIXES[0])] or known
        return [name for name in best if name.count("/") < 2]  # with two: of one type
    return [_key(name, known) for name in wanted]


def _key(name: str, known: list[str]) -> str:
    for candidate in (name, *(prefix + name for prefix in _PREFIXES)):
        if candidate in known:
            return candidate
    near = get_close_matches(name, known, n=3) or [other for other in known if other.endswith(f"_{name}")][:3]
    logger.warning("no run has %r%s", name, f": did you mean {' or '.join(near)}?" if near else "")
    return name


def explain_checklist() -> None:
    """
    Without the library checklist, AllenNLP 2.10.1's command refuses every argument, and writes the reason into a log
    that is not shown.
    """
    from allennlp.commands import checklist

    if importlib.util.find_spec("checklist") is not None:
        return

    def taking_arguments(original: Any) -> Any:
        def add_subparser(self: Any, parser: Any) -> Any:
            subparser = original(self, parser)
            subparser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
            subparser.set_defaults(func=_no_checklist)
            return subparser

        return add_subparser

    replace(checklist.CheckList, "add_subparser", taking_arguments)


def _no_checklist(args: argparse.Namespace) -> None:
    raise ConfigError(
        "allennlp checklist needs the library checklist, which is not installed: pip install checklist. Its suites are "
        "for sentiment, entailment and questions; for a model's errors on entities, run allennlp ner-report"
    )


def explain_push_to_hf() -> None:
    """
    huggingface_hub 1.0 has no repositories in folders, which AllenNLP 2.10.1's `push-to-hf` writes. Say so before
    anything is sent.
    """
    import huggingface_hub

    if int(huggingface_hub.__version__.split(".")[0]) < 1:
        return
    from allennlp.commands import push_to_hf

    def refusing(original: Any) -> Any:
        def push(args: argparse.Namespace) -> None:
            name = "/".join(filter(None, (args.organization, args.repo_name)))
            source = args.serialization_dir or args.archive_path or "RUN"
            raise ConfigError(
                f"allennlp push-to-hf needs huggingface_hub < 1.0, and this is {huggingface_hub.__version__}. "
                f"Upload it with: hf upload {name} {source}"
            )

        return push

    replace(push_to_hf, "push", refusing)
