"""Small runs of `allennlp train` with stages before training, in processes that may be killed."""

import os
import signal
from copy import deepcopy
from pathlib import Path
from typing import Any

from forked import context
from whole_package import import_package_once

import ner_plugins  # noqa: F401  (before anything imports allennlp)

ROOT = Path(__file__).resolve().parents[2]
VECTORS = str(ROOT / "fixtures/lexicon/words.vec")

SMALL: dict[str, Any] = {
    "random_seed": 5,
    "numpy_seed": 6,
    "pytorch_seed": 7,
    "dataset_reader": {"type": "cluener", "max_instances": 14},
    "train_data_path": str(ROOT / "fixtures/sample#train"),
    "validation_data_path": str(ROOT / "fixtures/sample#dev"),
    "model": {
        "type": "crf_tagger",
        "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 6}}},
        "encoder": {"type": "lstm", "hidden_size": 5, "bidirectional": True},
        "dropout": 0.3,
    },
    "data_loader": {"batch_size": 4, "shuffle": True},
    "validation_data_loader": {"batch_size": 8},
    "trainer": {
        "num_epochs": 2,
        "cuda_device": -1,
        "optimizer": {"type": "adam", "lr": 0.01},
        "validation_metric": "-loss",
        "checkpointer": {"keep_most_recent_by_count": None},
        "run_confidence_checks": False,
    },
}

NERCO: dict[str, Any] = {
    "type": "nerco",
    "epochs": 3,
    "batch_size": 6,
    "optimizer": {"type": "sgd", "lr": 0.05, "momentum": 0.9},
    "pictures": False,
}

WITHOUT_PICTURE = {"type": "ner_curves", "picture": False}
"""A callback for the trainer `ner`: drawing takes longer than these runs train."""


def experiment(*callbacks: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    """The small experiment with callbacks and trainer settings; the trainer `ner` draws no picture unless asked for."""
    settings = deepcopy(SMALL)
    settings["trainer"] |= trainer
    given = [*callbacks, *trainer.get("callbacks", ())]
    if trainer.get("type") == "ner" and all(one["type"] != "ner_curves" for one in given):
        given.append(WITHOUT_PICTURE)
    if given:
        settings["trainer"]["callbacks"] = deepcopy(given)
    return settings


def experiment_over_flat(encoder: str | None = None, **callback: Any) -> dict[str, Any]:
    """The small experiment with FLAT, a lexicon with vectors and the stages of NerCo, optionally over a transformer."""
    stages = {"type": "nerco", "epochs": 3, "batch_size": 6, "head_only_epochs": 2, "pictures": False}
    settings = experiment(
        {**stages, **callback},
        optimizer={"type": "sgd", "lr": 0.001, "momentum": 0.9},
        grad_clipping=5,
        learning_rate_scheduler={"type": "warmup_inverse_decay"},
    )
    settings["dataset_reader"]["lexicon"] = {"path": VECTORS}
    indexers: dict[str, Any] = {"characters": {"type": "single_id"}, "bigrams": {"type": "ner_bigrams"}}
    embedders: dict[str, Any] = {
        "characters": {"type": "ner_embedding", "embedding_dim": 6},
        "bigrams": {"type": "ner_embedding", "embedding_dim": 4, "vocab_namespace": "bigrams"},
    }
    if encoder is not None:
        indexers["bert"] = {"type": "ner_transformer", "model_name": encoder}
        embedders["bert"] = {"type": "ner_transformer", "model_name": encoder}
    settings["dataset_reader"]["token_indexers"] = indexers
    dim = int(Path(VECTORS).read_text(encoding="utf-8").split(maxsplit=2)[1])
    settings["model"] = {
        "type": "flat",
        "text_field_embedder": {"token_embedders": embedders},
        "lattice_encoder": {
            "heads": 2, "head_dim": 4, "feedforward_dim": 8, "words": {"dim": dim, "pretrained_file": VECTORS}
        },
    }  # fmt: skip
    return settings


def train(settings: dict[str, Any], folder: Path, recover: bool = False) -> Any:
    """Run `allennlp train` with these settings in this process; returns the model."""
    from allennlp.commands.train import train_model
    from allennlp.common import Params

    import_package_once()
    return train_model(Params(deepcopy(settings)), str(folder), recover=recover)


def _die_at(name: str, number: int = 1, after: bool = True) -> None:
    """Die by SIGKILL before or after the `number`-th file whose name begins with `name` gets its final name."""
    replace, seen = os.replace, 0

    def replace_and_die(source: Any, target: Any, **kwargs: Any) -> None:
        nonlocal seen
        seen += Path(target).name.startswith(name)
        dies = seen == number and Path(target).name.startswith(name)
        if dies and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target, **kwargs)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace_and_die


def _killed(settings: dict[str, Any], folder: Path, recover: bool, name: str, number: int, after: bool) -> None:
    _die_at(name, number, after)
    train(settings, folder, recover)


def train_and_kill(
    settings: dict[str, Any], folder: Path, name: str, number: int = 1, after: bool = True, recover: bool = False
) -> bool:
    """
    Train in another process, which dies by SIGKILL just before or after the `number`-th file whose name begins with
    `name` gets its final name. Returns whether it died so.
    """
    process = context().Process(target=_killed, args=(settings, folder, recover, name, number, after))
    process.start()
    process.join(120)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode == -signal.SIGKILL


def _rank(
    settings: dict[str, Any], folder: Path, rank: int, ranks: int, port: int, kill: tuple[str, int] | None
) -> None:
    import torch
    from allennlp.commands.train import _train_worker
    from allennlp.common import Params
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    from ner_plugins.training.trainer import NerTrainer

    if kill is not None:
        _die_at(*kill, after=True)

    def noted(train: Any) -> Any:
        def note(self: Any) -> Any:
            state = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            read = [instance["metadata"].metadata["source"] for instance in self.data_loader.iter_instances()]
            done = train(self)
            torch.save({"before": state, "after": self.model.state_dict(), "read": read}, folder / f"rank{rank}.th")
            return done

        return note

    GradientDescentTrainer._try_train = noted(GradientDescentTrainer._try_train)
    NerTrainer.train = noted(NerTrainer.train)
    torch.set_num_threads(1)
    _train_worker(
        rank, Params(settings), str(folder), ["ner_plugins"], world_size=ranks, primary_port=port,
        distributed_device_ids=[-1] * ranks, distributed_params=Params({}),
    )  # fmt: skip


def train_distributed(
    settings: dict[str, Any], folder: Path, ranks: int = 2, kill: tuple[str, int] | None = None
) -> list[dict[str, Any]]:
    """
    Train on the CPU in `ranks` processes, as `allennlp train` does; `kill` holds arguments of `_die_at` for rank 0. The
    vocabulary has to be in `folder` already.

    Returns for each rank the weights before and after ordinary training and the sentences it read; nothing if killed.
    """
    import torch
    from allennlp.common.util import find_open_port

    vocabulary = {"type": "from_files", "directory": str(folder / "vocabulary")}
    settings = {**deepcopy(settings), "vocabulary": vocabulary}
    port = find_open_port()
    processes = [
        context().Process(target=_rank, args=(settings, folder, rank, ranks, port, kill if rank == 0 else None))
        for rank in range(ranks)
    ]
    for process in processes:
        process.start()
    processes[0].join(120)
    if kill is not None:
        assert processes[0].exitcode == -signal.SIGKILL
        for process in processes[1:]:
            process.kill()
    for process in processes:
        process.join(60)
        assert kill is not None or process.exitcode == 0, process.exitcode
    return [] if kill else [torch.load(folder / f"rank{rank}.th", weights_only=True) for rank in range(ranks)]
