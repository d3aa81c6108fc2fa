"""The sides that `prediction.py` measures: functions of a list of texts, all with the same encoder and weights."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import spacy_side
import torch

import ner_plugins  # noqa: F401  (before allennlp)

Side = Callable[[list[str]], Any]
ONE = ", one at a time"
"""What ends the name of a side that answers each sentence before it gets the next."""


def exports_of(archive: str, folder: Path, dev: str, quantize: bool) -> dict[str, dict[str, Any]]:
    """The details of the archive's exports into a folder, by name: `float32`, and `int8` if that is wanted."""
    from ner_plugins.commands.loading import load_ours
    from ner_plugins.exports import ExportOptions, ExportSource
    from ner_plugins.exports.run import export

    loaded = load_ours(archive, -1)
    source = ExportSource(archive, loaded.model.eval(), loaded.validation_dataset_reader, {})
    options = {"float32": ExportOptions(dev=dev)}
    if quantize:
        options["int8"] = ExportOptions(dev=dev, quantize="int8", max_loss=100.0)
    return {name: export(source, str(folder / name), "onnx", given).details for name, given in options.items()}


def sides_of(archive: str, folder: Path, threads: int, exported: list[str]) -> dict[str, Side]:
    """
    What is measured.

    # Parameters

    archive : `str`
        Of a tagger over an encoder, without a CRF.
    folder : `Path`
        With the exports; the pipeline's model is written there too.
    threads : `int`
    exported : `list[str]`
        The names of the exports.
    """
    from ner_plugins.tagger import Tagger
    from ner_plugins.tagger.onnx.backend import OnnxBackend

    torch.set_num_threads(threads)
    tagger = Tagger.from_path(archive, device=-1)
    backend: Any = tagger.backend
    [indexer] = backend.reader.token_indexers.values()
    sides = pipeline_sides(backend.model, indexer, str(folder / "pipeline"))
    if spacy_side.available():
        pieces = indexer.tokenizer.get_vocab()
        ranked = sorted(pieces, key=pieces.__getitem__)
        sides["spaCy, batch 32"] = spacy_side.spacy_side(encoder_of(backend.model).config, ranked, folder)
    taggers = {"Tagger": tagger}
    taggers |= {f"ONNX {name}": Tagger(OnnxBackend(folder / name, threads)) for name in exported}
    for name, one in taggers.items():
        sides[name] = one
        sides[f"{name}{ONE}"] = one.with_options(window=1)
    return sides


def encoder_of(model: Any) -> Any:
    """The encoder of a model whose only embedder is one of Transformers."""
    [embedder] = model.text_field_embedder._token_embedders.values()
    return embedder.encoder


def pipeline_sides(model: Any, indexer: Any, folder: str) -> dict[str, Side]:
    """The pipeline of Transformers with the weights of a tagger, read from `folder` like any model."""
    from transformers import pipeline

    token_classifier(model).save_pretrained(folder)
    pipe = pipeline(
        "token-classification", model=folder, tokenizer=indexer.tokenizer, aggregation_strategy="simple", device=-1
    )

    def cased(texts: list[str]) -> list[str]:  # the indexer does so too
        return [text.lower() for text in texts] if indexer.lowercase else texts

    return {
        "pipeline, batch 1": lambda texts: pipe(cased(texts), batch_size=1),
        "pipeline, batch 32": lambda texts: pipe(cased(texts), batch_size=32),
        f"pipeline{ONE}": lambda texts: [pipe(text) for text in cased(texts)],
    }


def token_classifier(model: Any) -> Any:
    """An `AutoModelForTokenClassification` with the encoder and the linear layer of a tagger."""
    from transformers import AutoModelForTokenClassification

    encoder = encoder_of(model)
    config = encoder.config
    config.num_labels = len(model.head.tag_set)
    config.id2label = dict(enumerate(model.head.tag_set.tags))
    config.label2id = {tag: place for place, tag in config.id2label.items()}
    whole = AutoModelForTokenClassification.from_config(config).float()
    base = getattr(whole, whole.base_model_prefix)
    missing, unexpected = base.load_state_dict(encoder.state_dict(), strict=False)
    if missing or unexpected:
        raise SystemExit(f"the encoder's weights do not fit: {missing} {unexpected}")
    whole.classifier.load_state_dict(model.head.tag_projection.state_dict())
    return whole


def measure(sides: dict[str, Side], texts: list[str], repeats: int) -> dict[str, list[float]]:
    """Sentences per second of each side, in turns, after an uncounted run of each."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(texts[:40])
    for _ in range(repeats):
        for name, side in sides.items():
            gc.collect()
            began = time.perf_counter()
            side(texts)
            rates[name].append(len(texts) / (time.perf_counter() - began))
    return rates
