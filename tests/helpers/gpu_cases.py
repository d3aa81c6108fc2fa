"""Models of every kind with a small batch: for tests of what a GPU would do."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from allennlp.common import Params
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model
from tiny_encoders import make_encoder
from toy_models import batch_of

from ner_plugins.entities import Entity

TEXTS = ["张三在北京大学读书", "我在上海", "abc"]
GOLD = [
    [Entity(0, 2, "name"), Entity(3, 7, "organization"), Entity(3, 5, "address")],
    [Entity(2, 4, "address")],
    [],
]

SPAN_LOSSES: dict[str, dict[str, Any]] = {
    "cross_entropy": {"type": "cross_entropy", "label_smoothing": 0.1, "reduction": "cells"},
    "focal": {"type": "focal", "reduction": "positives"},
    "dice": {"type": "dice"},
    "boundary_smoothing": {"type": "boundary_smoothing", "distance": 2, "loss": "focal"},
    "multi_label": {"type": "multi_label"},
    "smoothed_multi_label": {"type": "boundary_smoothing", "loss": "multi_label"},
    "smoothed_dice": {"type": "boundary_smoothing", "loss": "dice"},
}
SAMPLINGS: dict[str, dict[str, Any]] = {
    "ratio": {"type": "ratio", "probability": 0.5},
    "per_sentence": {"type": "per_positive"},
    "per_batch": {"type": "per_positive", "scope": "batch"},
}
_BIAFFINE = {"type": "biaffine", "projection": {"dim": 6, "dropout": 0.1, "variational": True}, "init": "xavier"}
_PAIRS = {"type": "pairs", "width_dim": 4, "max_span_width": 5}

DECODERS: dict[str, dict[str, Any]] = {
    "crf": {"type": "tags", "scheme": "BIOES"},
    "crf-constrained": {"type": "tags", "scheme": "BIO", "constrain_training": True, "reduction": "token_mean"},
    "crf-without-edges": {"type": "tags", "scheme": "IOB1", "use_start_end": False, "constrain": False},
    "crf-factored": {"type": "tags", "scheme": "BMES", "tag_head": "factored", "reduction": "sum"},
    "softmax": {"type": "tags", "decoder": "softmax"},
    "softmax-sampled": {"type": "tags", "decoder": "softmax", "loss": "focal", "negative_sampling": SAMPLINGS["ratio"]},
    "biaffine": {**_BIAFFINE, "decoding": "nested"},
    "biaffine-narrow": {**_BIAFFINE, "max_span_width": 3, "decoding": "flat_optimal"},
    "biaffine-pair-ffn": {"type": "biaffine", "scorer": "pair_ffn", "projection": {"depth": 0}, "init": "xavier"},
    "biaffine-width-features": {**_BIAFFINE, "scorer": {"type": "biaffine", "width_features": "bucketed"}},
    "pairs": _PAIRS,
    "pairs-nested": {**_PAIRS, "decoding": "nested", "decoding_score": "probability"},
    "global-pointer": {"type": "global_pointer", "inner_dim": 4, "decoding": "flat_optimal", "rope": False},
    "efficient-global-pointer": {"type": "efficient_global_pointer", "inner_dim": 6, "decoding": "nested"},
    "pointer": {"type": "pointer"},
    "pointer-hard": {"type": "pointer", "conditioning": "hard", "decoding": "flat_greedy"},
    "pointer-published": {"type": "pointer", "decoding": "published", "max_span_width": 4},
}
HEADS: dict[str, dict[str, Any]] = {
    **DECODERS,
    **{f"biaffine-{name}": {**_BIAFFINE, "loss": loss} for name, loss in SPAN_LOSSES.items()},
    **{f"pairs-{name}": {**_PAIRS, "negative_sampling": sampling} for name, sampling in SAMPLINGS.items()},
}
"""Every head, with each option that changes what it computes; `DECODERS` are those that differ in decoding too."""

ENCODERS = ("embedding", "transformer", "unpadded", "long_texts", "flat", "flat_of_two_layers", "bilstm")
_LSTM = {"type": "lstm", "hidden_size": 6, "bidirectional": True}
_FLAT = {"heads": 2, "head_dim": 4, "words": {"dim": 5}}


@cache
def _transformer(folder: Path, family: str, positions: int) -> str:
    return make_encoder(folder / f"{family}-{positions}", family=family, positions=positions)


def _lexicon(folder: Path) -> str:
    path = folder / "words.txt"
    path.write_text("北京\n北京大学\n大学\n读书\n上海\n", encoding="utf-8")
    return str(path)


def _parts(encoder: str, folder: Path, family: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The reader's and the model's part of an experiment."""
    if encoder in ("transformer", "unpadded", "long_texts"):
        name = _transformer(folder, family, 8 if encoder == "long_texts" else 24)
        part: dict[str, Any] = {"type": "ner_transformer", "model_name": name}
        options = {"padding": "unpadded", "attention_dropout": 0.0} if encoder == "unpadded" else {}
        embedders = {"token_embedders": {"tokens": {**part, **options}}}
        return {"token_indexers": {"tokens": part}}, {"text_field_embedder": embedders}
    embedder = {"token_embedders": {"tokens": {"type": "ner_embedding", "embedding_dim": 8, "token_dropout": 0.1}}}
    reader: dict[str, Any] = {"token_indexers": {"tokens": {"type": "single_id"}}}
    model: dict[str, Any] = {"text_field_embedder": embedder}
    if encoder == "bilstm":
        model["encoder"] = _LSTM
    if encoder.startswith("flat"):
        reader["lexicon"] = {"path": _lexicon(folder)}
        model["lattice_encoder"] = {**_FLAT, "layers": 2 if encoder == "flat_of_two_layers" else 1}
    return reader, model


def build(
    head: str, encoder: str, folder: Path, family: str = "bert", change: Callable[[dict[str, Any]], None] | None = None
) -> tuple[Any, dict[str, Any]]:
    """A model with a head of `HEADS` over one of `ENCODERS`, and the arguments of its `forward`."""
    model, _, batch = build_with_reader(head, encoder, folder, family, change)
    return model, batch


def build_with_reader(
    head: str, encoder: str, folder: Path, family: str = "bert", change: Callable[[dict[str, Any]], None] | None = None
) -> tuple[Any, Any, dict[str, Any]]:
    """The model of `build`, its dataset reader, and the arguments of its `forward`."""
    of_reader, of_model = _parts(encoder, folder, family)
    reader = DatasetReader.from_params(Params(deepcopy({"type": "cluener", **of_reader})))
    instances = [reader.text_to_instance(*pair, id=i) for i, pair in enumerate(zip(TEXTS, GOLD, strict=True))]
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    dropout = {"dropout": 0.1, "token_dropout": 0.1, "dimension_dropout": 0.1}
    params = deepcopy({"type": "ner", "head": HEADS[head], "thresholds": 0.1, **dropout, **of_model})
    if change is not None:
        change(params)
    torch.manual_seed(0)
    return Model.from_params(Params(params), vocab=vocab), reader, batch_of(instances, vocab)


STEPS = [f"{head}/embedding" for head in HEADS]
STEPS += [
    f"{head}/{encoder}"
    for encoder in ("transformer", "unpadded", "long_texts", "flat", "flat_of_two_layers")
    for head in ("crf", "biaffine", "pairs", "pointer")
]
"""HEAD/ENCODER of the training steps that wait for nothing."""
