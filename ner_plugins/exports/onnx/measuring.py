"""Micro F1 of an exported model on labelled data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError
from ner_plugins.exports.target import ExportSource
from ner_plugins.metrics import TypedSpanF1
from ner_plugins.metrics.entity_metric import LABELLED_DATA
from ner_plugins.tagger.onnx.backend import OnnxBackend
from ner_plugins.tagger.tagger import Tagger


@dataclass(frozen=True)
class DevelopmentData:
    """
    Labelled texts.

    # Parameters

    name : `str`
        The data path.
    texts : `list[str]`
    gold : `list[list[Entity]]`
    """

    name: str
    texts: list[str]
    gold: list[list[Entity]]

    @classmethod
    def read(cls, source: ExportSource, path: str) -> "DevelopmentData":
        """
        The texts that the archive's reader finds at a data path, all of them whatever its `max_instances`.

        # Raises

        `DataError` if a text has no label, and what reading raises.
        """
        texts, gold = [], []
        for sentence in source.reader.sentences(path):
            if sentence.entities is None:
                raise DataError("this sentence has no label", path=sentence.source or path, remedy=LABELLED_DATA)
            texts.append(sentence.text)
            gold.append(list(sentence.entities))
        return cls(path, texts, gold)

    def micro_f1(self, folder: Path) -> float:
        """That of the exported model in a folder."""
        metric: Any = TypedSpanF1()
        predicted = [
            [Entity(entity.start, entity.end, entity.type) for entity in tagged.entities]
            for tagged in Tagger(OnnxBackend(folder)).tag(self.texts)
        ]
        metric(predicted, self.gold, self.texts)
        return float(metric.get_metric(reset=True)["micro_f1"])
