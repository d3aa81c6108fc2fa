"""The training data of a config: sentences, files, and what makes them unfit for folds."""

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Mapping

from allennlp.common import Params
from allennlp.data import DatasetReader

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError, shown
from ner_plugins.metrics.entity_metric import LABELLED_DATA
from ner_plugins.training.watching.run_facts import digests


@dataclass(frozen=True)
class TrainingData:
    """
    What a config trains with.

    # Parameters

    path : `str`
        The config's `train_data_path`.
    reader : `NerDatasetReader`
    files : `tuple[Mapping[str, Any], ...]`
        `file`, `bytes` and `sha256` of each file.
    """

    path: str
    reader: NerDatasetReader
    files: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "TrainingData":
        """
        The training data of a config, which are not read yet.

        # Raises

        `ConfigError` if they are not those of a reader of this package, or not all of a corpus.
        """
        path = config.get("train_data_path")
        if not isinstance(path, str):
            raise ConfigError(f"train_data_path is {shown(path)}, but folds need one data path")
        reader = DatasetReader.from_params(Params(deepcopy(reader_options(config))))
        if not isinstance(reader, NerDatasetReader):
            name = type(reader).__name__
            raise ConfigError(f"dataset_reader is a {name}, but folds need a reader of ner_plugins")
        if reader.max_instances is not None:
            raise ConfigError(
                f"dataset_reader.max_instances is {reader.max_instances}, but folds are of all training data: leave it "
                "out, and take a part of a corpus with `allennlp ner-data sample`"
            )
        if reader.fold is not None:
            raise ConfigError("dataset_reader.fold is what ner-folds sets: leave it out of the config")
        return cls(path, reader, tuple(digests(path, reader)))

    def sentences(self) -> list[Sentence]:
        """
        The sentences, in order.

        # Raises

        `DataError` if one has no label, or if none has an entity.
        """
        found = []
        for sentence in self.reader.sentences(self.path):
            if sentence.entities is None:
                raise DataError("this sentence has no label", path=sentence.source or self.path, remedy=LABELLED_DATA)
            found.append(sentence)
        if not any(sentence.entities for sentence in found):
            raise DataError("the training data have no entity", path=self.path)
        return found


def reader_options(config: Mapping[str, Any], key: str = "dataset_reader") -> dict[str, Any]:
    """The options of a config's reader, which may be given by its name alone."""
    found = config.get(key)
    return {"type": found} if isinstance(found, str) else dict(found or {})


def config_digest(config: Mapping[str, Any]) -> str:
    """The SHA-256 of a config, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode("utf-8")).hexdigest()
