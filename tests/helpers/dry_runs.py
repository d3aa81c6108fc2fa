"""A small experiment for dry runs, and a trial with given figures."""

import json
from pathlib import Path
from typing import Any

import torch
from allennlp.commands.train import TrainModel
from allennlp.common import Params

from ner_plugins.commands.dry_run.batches import BatchSizes
from ner_plugins.commands.dry_run.trial import Memory, Trial

CPU = torch.device("cpu")
EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
CONFIG: dict[str, Any] = {
    "dataset_reader": {"type": "cluener", "max_instances": 30},
    "train_data_path": "fixtures/sample#train",
    "validation_data_path": "fixtures/sample#dev",
    "model": {"type": "crf_tagger", "text_field_embedder": EMBEDDER},
    "data_loader": {"batch_size": 8},
    "trainer": {"num_epochs": 3, "cuda_device": -1, "optimizer": {"type": "adam"}},
}


def config(**parts: Any) -> Any:
    """The experiment, with options of its parts changed."""
    given = {**CONFIG, **{name: {**CONFIG.get(name, {}), **part} for name, part in parts.items()}}
    return json.loads(json.dumps(given))


def built(folder: Path, **parts: Any) -> Any:
    """The trainer of that experiment."""
    return TrainModel.from_params(Params(config(**parts)), serialization_dir=str(folder), local_rank=0).trainer


def sizes(batches: int = 10, padded: int = 1000) -> BatchSizes:
    return BatchSizes(batches, sentences=40, tokens=900, padded=padded, largest=200, whole=True)


def trial(validation: Any = None) -> Trial:
    seconds = {"step_seconds": 0.5, "update_seconds": 0.1, "validation_seconds": 0.25}
    tokens = {"step_tokens": 100, "validation_tokens": 50 if validation else 0}
    held = Memory(parameters=100, gradients=100, optimizer=200, activations=1000, step=1050)
    return Trial(device=CPU, training=sizes(), validation=validation, loss=1.0, memory=held, **seconds, **tokens)
