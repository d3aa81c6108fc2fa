"""A small model of an experiment over a sentence or two, and its training to the point where it knows them."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from allennlp.common import Params
from allennlp.data import Instance, Vocabulary
from allennlp.data.batch import Batch
from allennlp.models import Model

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.entities import Entity

TEXTS = ["张三在北京大学读书", "abc"]
GOLD = [[Entity(0, 2, "name"), Entity(3, 7, "organization"), Entity(3, 5, "address")], []]


def instances_of(texts: list[str], entities: list[list[Entity]] | None = None) -> list[Instance]:
    """Instances, without gold or with it."""
    reader = CluenerReader()
    gold = [None] * len(texts) if entities is None else entities
    pairs = zip(texts, gold, strict=True)
    instances = [reader.text_to_instance(text, of_text, id=i) for i, (text, of_text) in enumerate(pairs)]
    for instance in instances:
        reader.apply_token_indexers(instance)
    return instances


def batch_of(instances: list[Instance], vocab: Vocabulary) -> dict[str, Any]:
    """The arguments of a model's `forward`."""
    batch = Batch(instances)
    batch.index_instances(vocab)
    return batch.as_tensor_dict()


def build(
    experiment: Path, entities: list[list[Entity]], texts: list[str], **overrides: Any
) -> tuple[Any, dict[str, Any]]:
    """The experiment's model for the given gold, and the batch of its sentences."""
    instances = instances_of(texts, entities)
    vocab = Vocabulary.from_instances(instances)
    params = Params.from_file(experiment).pop("model")
    for key, value in overrides.items():
        params[key] = deepcopy(value)  # which is taken apart
    torch.manual_seed(1)
    return Model.from_params(params, vocab=vocab), batch_of(instances, vocab)


def fit(model: Model, batch: dict[str, Any], steps: int = 120) -> None:
    """Train, and leave the model in evaluation."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    model.eval()


def found(model: Model, batch: dict[str, Any], sentence: int = 0) -> list[tuple[int, int, str]]:
    """What the model predicts for a sentence of the batch."""
    return [(entity.start, entity.end, entity.type) for entity in model(**batch)["entities"][sentence]]
