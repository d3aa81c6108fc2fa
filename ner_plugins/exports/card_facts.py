"""The facts of a model card: from a model's archive, from the run that trained it, and from its export."""

import os
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

from ner_plugins.errors import ConfigError
from ner_plugins.exports.languages import language_of, reader_name
from ner_plugins.exports.target import ExportSource
from ner_plugins.files.json_files import parsed_json
from ner_plugins.files.run_record import read_record
from ner_plugins.heads.head import Head
from ner_plugins.heads.tags import TagsHead
from ner_plugins.models.ensemble import NerEnsemble
from ner_plugins.models.ner_model import NerModel
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.tokenizers.ner_characters import NerCharacterTokenizer
from ner_plugins.tokenizers.ner_words import NerWordTokenizer

_ARCHIVE = "model.tar.gz"
_METRICS = ("seqeval", "typed_span_f1", "cluener")
_RATES = ("precision", "recall", "f1")


class Scores(NamedTuple):
    """
    A model's figures on labelled data.

    # Parameters

    split : `str`
        `test` or `validation`.
    data : `str`
        The name of the data.
    metric : `str`
        The metric of this package that they are of.
    micro, macro : `Mapping[str, float]`
        `precision`, `recall`, `f1`, as far as known.
    types : `Mapping[str, Mapping[str, float]]`
        The same for each type, and `support`.
    """

    split: str
    data: str
    metric: str
    micro: Mapping[str, float]
    macro: Mapping[str, float]
    types: Mapping[str, Mapping[str, float]]


def run_folder(path: str) -> Optional[Path]:
    """The folder of the run whose archive a path is; `None` if it is none, as for an archive that was copied away."""
    place = Path(path)
    if place.is_dir():
        return place
    return place.parent if place.name == _ARCHIVE and (place.parent / "config.json").is_file() else None


def scores_of_run(folder: Optional[Path], config: Mapping[str, Any], types: Sequence[str]) -> list[Scores]:
    """What `metrics.json` of a run says about its validation data and, if it was evaluated on them, its test data."""
    try:
        metrics = parsed_json(Path(folder or os.devnull, "metrics.json").read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(metrics, dict):
        return []
    found = []
    for prefix, key in (("test_", "test_data_path"), ("best_validation_", "validation_data_path")):
        figures = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
        metric = next((name for name in _METRICS if f"{name}/micro_f1" in figures), None)
        if metric is None and "cluener/f1" in figures:
            metric = "cluener"
        if metric is not None:
            split = key.removesuffix("_data_path")
            found.append(_scores(figures, metric, (split, data_name(config.get(key))), types))
    return found


def _scores(figures: Mapping[str, float], metric: str, data: tuple[str, str], types: Sequence[str]) -> Scores:
    def average(name: str) -> dict[str, float]:
        keys = {rate: f"{metric}/{name}_{rate}" for rate in _RATES}
        return {rate: figures[key] for rate, key in keys.items() if key in figures}

    of_types = {
        type_: {name: figures[key] for name in (*_RATES, "support") if (key := f"{metric}/{type_}/{name}") in figures}
        for type_ in types
    }
    return Scores(*data, metric, average("micro"), average("macro"), {name: of for name, of in of_types.items() if of})


def data_name(path: Any) -> str:
    """The last part of a data path, without the folders that it was in; `unknown` if there is none."""
    if not path:
        return "unknown"
    return "; ".join(part.replace("\\", "/").rstrip("/").rpartition("/")[2] for part in str(path).split(","))


def record_of_run(folder: Optional[Path]) -> Mapping[str, Any]:
    """The `run.json` of a run, empty if there is none."""
    try:
        return {} if folder is None else read_record(folder)
    except ConfigError:
        return {}


def single_of(source: ExportSource) -> NerModel:
    """The model, or the first member of an ensemble."""
    if isinstance(source.model, NerEnsemble):
        return source.model.first
    return source.single_model


def settings_of(source: ExportSource, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings that a model was trained with, by name."""
    model, config = single_of(source), source.config
    if isinstance(source.model, NerEnsemble):
        yield "ensemble", f"{source.model.method} of {len(source.model.members)} models; the following is of the first"
        config = {"model": next(iter(config["model"]["members"].values()))}
    yield "encoder", _encoder(source)
    if model.lattice_encoder is not None:
        yield "lattice encoder", type(model.lattice_encoder).__name__
    if model.encoder is not None:
        yield "layer over the encoder", _type(config["model"].get("encoder"))
    yield "head", head_words(model.head)
    yield "tokens", tokens_words(source)
    trainer = config.get("trainer") or {}
    epochs, seeds = record.get("epochs") or {}, record.get("seeds") or {}
    if epochs:
        best = record.get("best_epoch")
        rest = "" if best is None else f"; weights of epoch {best + 1}"
        yield "epochs", f"{epochs.get('done')} of {epochs.get('planned')}{rest}"
    elif "num_epochs" in trainer:
        yield "epochs", f"up to {trainer['num_epochs']}"
    optimizer = trainer.get("optimizer")
    if isinstance(optimizer, Mapping):
        yield "optimizer", _type(optimizer) + (f", learning rate {optimizer['lr']}" if "lr" in optimizer else "")
    seed = seeds.get("pytorch_seed", config.get("pytorch_seed"))
    if seed is not None:
        yield "seed", str(seed)
    yield "parameters", f"{sum(parameter.numel() for parameter in source.model.parameters()):,}"
    if record.get("seconds"):
        yield "training time", f"{record['seconds'] / 60:.1f} minutes"
    versions = record.get("versions") or {}
    if versions:
        yield "trained with", ", ".join(f"{name} {version}" for name, version in versions.items())


def _type(config: Any) -> str:
    """The registered name in the configuration of a part."""
    return str(config.get("type", "unknown") if isinstance(config, Mapping) else config)


def _encoder(source: ExportSource) -> str:
    embedders = getattr(single_of(source).text_field_embedder, "_token_embedders", {}).values()
    names = [
        data_name(embedder.model_name) if isinstance(embedder, TransformerEmbedder) else type(embedder).__name__
        for embedder in embedders
    ]
    return ", ".join(names)


def head_words(head: Head) -> str:
    """A head by its registered name, with what matters of its options."""
    names = [name for name, (kind, _) in Head._registry[Head].items() if kind is type(head)]
    name = "tags" if "tags" in names else names[0] if names else type(head).__name__
    if isinstance(head, TagsHead):
        return f"{name}, {'a CRF' if head.decoder == 'crf' else 'each token by itself'}, scheme {head.tag_set.scheme}"
    decoding = getattr(head, "decoding", None)
    return name if decoding is None else f"{name}, decoding {decoding}"


def tokens_words(source: ExportSource) -> str:
    """What a token of the model is."""
    tokenizer = source.reader.tokenizer
    if isinstance(tokenizer, NerCharacterTokenizer):
        return "characters"
    return "words" if isinstance(tokenizer, NerWordTokenizer) else "sub-words"


def window_of(source: ExportSource) -> Optional[int]:
    """The number of pieces that the model's transformer reads at once, special pieces included."""
    for embedder in getattr(single_of(source).text_field_embedder, "_token_embedders", {}).values():
        if isinstance(embedder, TransformerEmbedder):
            special = embedder.prefix_ids.numel() + embedder.suffix_ids.numel()
            return int(embedder.window_size + special)
    return None


def data_rows(source: ExportSource, record: Mapping[str, Any]) -> Iterator[tuple[str, str, Optional[int]]]:
    """The role, the name and the number of sentences of the data that a model was trained and chosen on."""
    recorded = record.get("data", {})
    for role, key in (("train", "train_data_path"), ("validation", "validation_data_path")):
        if source.config.get(key):
            name = "training" if role == "train" else role
            yield name, data_name(source.config[key]), (recorded.get(role) or {}).get("sentences")


def card_facts(source: ExportSource, language: Optional[str] = None) -> dict[str, Any]:
    """
    The facts that the cards of all targets have.

    # Parameters

    source : `ExportSource`
    language : `Optional[str]`, optional (default=`None`)
        The code of the language of the texts, for data whose reader does not say it.
    """
    folder = run_folder(source.path)
    record = record_of_run(folder)
    model = source.model
    thresholds = zip(model.types, model.thresholds.tolist(), strict=True)
    return {
        "types": list(model.types),
        "language": language or language_of(source.config),
        "reader": reader_name(source.config),
        "data": list(data_rows(source, record)),
        "scores": scores_of_run(folder, source.config, model.types),
        "settings": list(settings_of(source, record)),
        "nested": model.nested,
        "max_span_width": getattr(single_of(source).head, "max_span_width", None),
        "window": window_of(source),
        "tokens": tokens_words(source),
        "thresholds": {type_: round(lowest, 6) for type_, lowest in thresholds if lowest > 0},
    }
