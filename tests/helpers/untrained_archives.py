"""Archives of small models with random weights that predict a good many entities, made without training."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model

from ner_plugins.archives.weights import save
from ner_plugins.ensembles.packing import pack_archive

EMBEDDINGS = {
    "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 12}}},
    "encoder": {"type": "lstm", "hidden_size": 6, "bidirectional": True},
}
HEADS: dict[str, dict[str, Any]] = {
    "crf": {"type": "tags", "scheme": "BIOES"},
    "softmax": {"type": "tags", "decoder": "softmax", "scheme": "BIO"},
    "biaffine": {"type": "biaffine", "init": "xavier", "max_span_width": 6},
    "nested": {"type": "biaffine", "init": "xavier", "decoding": "nested"},
    "pairs": {"type": "pairs", "max_span_width": 4},
    "pointer": {"type": "pointer", "max_span_width": 5},
    "published": {"type": "pointer", "decoding": "published"},
    "global_pointer": {"type": "global_pointer", "inner_dim": 4},
    "efficient_global_pointer": {"type": "efficient_global_pointer", "inner_dim": 4},
}
SIZE = 40  # sentences of the sample that the vocabulary is of


def untrained_archive(
    repository: Path,
    target: Path,
    head: dict[str, Any],
    seed: int = 1,
    reader: dict[str, Any] | None = None,
    first: int = 0,
    **model: Any,
) -> Path:
    """An archive of the model `ner` with a head, its vocabulary from sentences of the sample from `first` on."""
    config = {
        "dataset_reader": reader or {"type": "cluener"},
        "model": {"type": "ner", **EMBEDDINGS, "head": head, **model},
        "data_loader": {"batch_size": 4},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        of_params = Params(json.loads(json.dumps(config)))
        made: Any = DatasetReader.from_params(of_params.pop("dataset_reader"), serialization_dir=name)
        instances = list(made.read(str(repository / "fixtures/sample#train")))[first : first + SIZE]
        for instance in instances:
            made.apply_token_indexers(instance)
        vocab = Vocabulary.from_instances(instances)
        vocab.save_to_files(str(folder / "vocabulary"))
        torch.manual_seed(seed)
        built = Model.from_params(of_params.pop("model"), vocab=vocab, serialization_dir=name)
        for parameter in built.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
        save(built.state_dict(), folder / "weights.th")
        (folder / "config.json").write_text(json.dumps(config))
        pack_archive(folder, str(target))
    return target
