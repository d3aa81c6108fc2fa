"""The backend of a `Tagger` that runs an exported model in onnxruntime."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from ner_plugins.decoding.not_numbers import not_numbers
from ner_plugins.entities import Entity
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.segmentation.blanks import without_blank_edges
from ner_plugins.tagger.backend import Alternative, Backend, EncodedText, GivenText, shown_alternatives
from ner_plugins.tagger.onnx.features import PieceIndexer, Segmentation, VocabularyIndexer
from ner_plugins.tagger.onnx.graphs import Graphs, PieceEncoder, threads_of
from ner_plugins.tagger.onnx.heads import exported_head, read_arrays
from ner_plugins.tagger.onnx.layout import ARRAYS, ENCODER, SPANS, TOKENS, read_layout

BUDGET = 1_024
"""Tokens of a batch. More make a CPU slower, since what a layer computes no longer fits its caches."""


@dataclass(frozen=True)
class ReadText:
    """
    A text as the graphs read it.

    # Parameters

    name : `str`
        In messages.
    offsets : `list[tuple[int, int]]`
        The half-open characters of each token.
    features : `list[Any]`
        What each indexer made of the tokens.
    """

    name: str
    offsets: list[tuple[int, int]]
    features: list[Any]


class OnnxBackend(Backend):
    """
    An exported model.

    # Parameters

    folder : `str`
        What `allennlp ner-export --to onnx` wrote.
    threads : `Optional[int]`, optional (default=`None`)
        Of a batch; `None` for `OMP_NUM_THREADS`, or one for each core.

    # Raises

    `ArchiveError` if it is not such a folder, is damaged, or is of a newer format; `ConfigError` if a package is
    missing.
    """

    def __init__(self, folder: Union[str, "os.PathLike[str]"], threads: Optional[int] = None) -> None:
        place = Path(folder).resolve()
        manifest = read_layout(place)
        details = manifest.details
        self._place = (str(place), threads)
        self.types = list(manifest.types)
        self.budget = BUDGET
        try:
            self._segmentation = Segmentation(details["segmentation"], place)
            # Graphs of tokens take their inputs in this order.
            self._indexers = [
                (PieceIndexer if one["kind"] == "pieces" else VocabularyIndexer)(one, place)
                for one in details["indexers"]
            ]
            names = [name for name in (ENCODER, TOKENS, SPANS) if name in details["files"]]
            self._graphs = Graphs(place, names, threads_of(threads))
            self._encoders = [
                PieceEncoder(self._graphs, one) if one["kind"] == "pieces" else None for one in details["indexers"]
            ]
            arrays = read_arrays(place / ARRAYS)
            self._thresholds = arrays["thresholds"]
            self._head = exported_head(details["head"], arrays, self._graphs)
        except (KeyError, TypeError, OSError) as error:
            raise ArchiveError(f"{folder}: its manifest is damaged ({error!r}). Export the archive again") from error

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return OnnxBackend, self._place

    def encode(self, texts: Sequence[GivenText], names: Sequence[str]) -> list[EncodedText]:
        """`Backend.encode`."""
        encoded = []
        alone = [text for text in texts if isinstance(text, str)]
        if len(alone) < len(texts):
            raise ConfigError("an exported model reads each text alone: give texts, not sentences with neighbours")
        for text, name, tokenized in zip(alone, names, self._segmentation(alone), strict=True):
            features = [index(tokenized) for index in self._indexers]
            pieces = [len(feature[0]) for feature in features if isinstance(feature, tuple)]
            length = max(len(tokenized.offsets), *pieces, 1)
            encoded.append(EncodedText(text, length, ReadText(name, tokenized.offsets, features)))
        return encoded

    def find(self, batch: Sequence[EncodedText], thresholds: Optional[Sequence[float]] = None) -> list[list[Entity]]:
        """`Backend.find`."""
        texts: list[ReadText] = [encoded.content for encoded in batch]
        lowest = self._thresholds if thresholds is None else np.asarray(thresholds, np.float32)
        lengths = np.array([len(text.offsets) for text in texts])
        spans = self._head.decode(self._results(texts, lengths), lengths, lowest)
        if len(spans.invalid) > 0:
            raise not_numbers(spans.invalid, [text.name for text in texts])
        entities = []
        for encoded, text, rows in zip(batch, texts, spans.rows(len(texts)), strict=True):
            found = [
                Entity(text.offsets[first][0], text.offsets[end - 1][1], self.types[type_id], round(probability, 6))
                for first, end, type_id, probability in rows
            ]
            # An empty text has one token, which has no characters.
            found = [entity for entity in found if entity.width > 0]
            entities.append(without_blank_edges(found, encoded.text))
        return entities

    def tokens(self, text: str) -> list[tuple[int, int]]:
        """`Backend.tokens`."""
        [tokenized] = self._segmentation([text])
        return [(start, end) for start, end in tokenized.offsets if end > start]

    def n_best(self, encoded: EncodedText, number: int) -> list[Alternative]:
        """`Backend.n_best`."""
        text: ReadText = encoded.content
        results = self._results([text], np.array([len(text.offsets)]))
        found = []
        for spans, share in self._head.n_best(results, number):
            entities = [
                Entity(text.offsets[start][0], text.offsets[end - 1][1], self.types[kind]) for start, end, kind in spans
            ]
            found.append(Alternative(entities, share))
        return shown_alternatives(found, encoded.text)

    def _results(self, texts: Sequence[ReadText], lengths: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """What the graph of tokens returns for a batch."""
        width = int(lengths.max())
        feeds: dict[str, NDArray[Any]] = {"lengths": lengths}
        for place, encoder in enumerate(self._encoders):
            features = [text.features[place] for text in texts]
            if encoder is not None:
                feeds[f"input_{place}"] = encoder(features, width)
                continue
            ids = np.zeros((len(texts), width), np.int64)
            for row, of_text in zip(ids, features, strict=True):
                row[: len(of_text)] = of_text
            feeds[f"input_{place}"] = ids
        return self._graphs.run(TOKENS, feeds)
