"""One run of a model over labelled data: its predictions against the gold."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Union

from allennlp.data import DatasetReader

from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.metrics import CluenerMetric, SeqevalMetric, TypedSpanF1
from ner_plugins.metrics.confusion import Pair, assign
from ner_plugins.metrics.entity_metric import LABELLED_DATA
from ner_plugins.models.entity_model import EntityModel
from ner_plugins.models.offsets import in_tokens
from ner_plugins.segmentation.blanks import has_blank_edge
from ner_plugins.tagger.archive import ArchiveBackend
from ner_plugins.tagger.tagger import Tagger

UNSEEN_TYPE = "its type is not in the training data"
BLANK_EDGE = "it begins or ends with white space"
CUT_BY_A_TOKEN = "it begins or ends inside a token"
TOO_WIDE = "it is wider than the model's widest span, or has no form that the head could predict"
OVERLAPPING = "it overlaps a gold entity that the head could predict, and the head predicts one of them"


@dataclass(frozen=True)
class SentenceResult:
    """
    A sentence with its gold entities and the predictions of a model.

    # Parameters

    text : `str`
    id : `Optional[Union[int, str]]`
        The corpus's own identifier, if it has one.
    source : `str`
        `file:line`, or empty if the reader does not provide it.
    predicted, gold : `list[Entity]`
        Distinct, sorted, in characters; `gold` is the raw gold of the data.
    pairs : `list[Pair]`
        The assignment of predictions to gold: see `ner_plugins.metrics.confusion.assign`.
    unreachable : `list[tuple[Entity, str]]`
        Gold entities that the model cannot predict, each with the reason.
    """

    text: str
    id: Optional[Union[int, str]]
    source: str
    predicted: list[Entity]
    gold: list[Entity]
    pairs: list[Pair]
    unreachable: list[tuple[Entity, str]]


@dataclass(frozen=True)
class Run:
    """
    The results of a model on a corpus.

    # Parameters

    sentences : `list[SentenceResult]`
        In the order of the data.
    metrics : `dict[str, float]`
        The model's metrics as in `allennlp evaluate`, without the loss, and those of `seqeval`, `typed_span_f1` and
        `cluener` that the model lacks.
    """

    sentences: list[SentenceResult]
    metrics: dict[str, float]


def run_model(model: EntityModel, reader: DatasetReader, data: str, batch_size: int = 32) -> Run:
    """
    Run a model once over labelled data on its own device, with a progress bar if stderr is a terminal.

    # Parameters

    model : `EntityModel`
        Its metrics are reset.
    reader : `DatasetReader`
        The reader of the model's archive.
    data : `str`
        A data path for `reader`.
    batch_size : `int`, optional (default=`32`)
        Maximum number of sentences in a batch, which also has a limit of tokens (see `Tagger`).

    # Raises

    `DataError` if a sentence is unlabelled, and whatever the reader raises. `ConfigError` if `batch_size` is below 1.
    """
    from ner_plugins.progress import progress

    if batch_size < 1:
        raise ConfigError(f"--batch-size must be >= 1, got {batch_size}")
    instances = list(reader.read(data))
    for instance in instances:
        metadata = instance["metadata"].metadata
        if metadata["entities"] is None:
            raise DataError("this sentence has no label", path=metadata.get("source") or data, remedy=LABELLED_DATA)
    backend = ArchiveBackend(model, reader)
    tagger = Tagger(backend, batch_size=batch_size)
    model.get_metrics(reset=True)
    results: dict[int, SentenceResult] = {}
    with progress(total=len(instances), desc="predicting", unit=" sentences") as bar:
        for places, found in tagger.find_batches(list(map(backend.encoded, instances))):
            metadata = [instances[place]["metadata"].metadata for place in places]
            model.measure(found, metadata)
            for place, of_one, predicted in zip(places, metadata, found, strict=True):
                results[place] = _result(model, of_one, predicted)
            bar.update(len(places))
    sentences = [results[place] for place in range(len(instances))]
    return Run(sentences, {**_other_metrics(model, sentences), **model.get_metrics(reset=True)})


def _result(model: EntityModel, metadata: Mapping[str, Any], predicted: Sequence[Entity]) -> SentenceResult:
    gold = sorted({Entity.from_json(entity) for entity in metadata["entities"]})
    return SentenceResult(
        text=metadata["text"],
        id=metadata["id"],
        source=metadata.get("source") or "",
        predicted=sorted(set(predicted)),
        gold=gold,
        pairs=assign(predicted, gold),
        unreachable=_unreachable(model, gold, metadata),
    )


def _unreachable(
    model: EntityModel, gold: Sequence[Entity], metadata: Mapping[str, Any]
) -> list[tuple[Entity, str]]:
    """The gold entities that `model` cannot predict, alone or together, each with the reason."""
    offsets, text = metadata["offsets"], metadata["text"]
    reachable = set(model.reachable(gold, metadata))
    found = []
    for entity in gold:
        if entity in reachable:
            continue
        if entity.type not in model.types:
            found.append((entity, UNSEEN_TYPE))
        elif has_blank_edge(entity.start, entity.end, text):
            found.append((entity, BLANK_EDGE))
        elif not in_tokens([entity], offsets, text):
            found.append((entity, CUT_BY_A_TOKEN))
        else:
            found.append((entity, OVERLAPPING if model.reachable([entity], metadata) else TOO_WIDE))
    return found


def _other_metrics(model: EntityModel, sentences: Sequence[SentenceResult]) -> dict[str, float]:
    """The figures of this package's metrics that the model does not have."""
    own = {metric.name for metric in model.metrics}
    figures = {}
    for metric in (SeqevalMetric(), TypedSpanF1(), CluenerMetric()):
        if metric.name not in own:
            predicted, gold = [s.predicted for s in sentences], [s.gold for s in sentences]
            metric(predicted, gold, [sentence.text for sentence in sentences])
            figures.update({f"{metric.name}/{key}": value for key, value in metric.get_metric(reset=True).items()})
    return figures
