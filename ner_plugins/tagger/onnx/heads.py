"""Decodes what the graphs compute, for each kind of head that can be exported."""

from abc import ABC, abstractmethod
from typing import Any, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ner_plugins.decoding.chains import ChainScores
from ner_plugins.decoding.found_spans import Floats, FoundSpans, Ints
from ner_plugins.decoding.pointers import pointer_spans
from ner_plugins.decoding.spans import blocks_of, candidates, cells_of, choose, joined
from ner_plugins.decoding.tags import TagDecoder
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.tagger.onnx.graphs import Graphs
from ner_plugins.tagger.onnx.layout import INDEPENDENT_SPANS, SPANS

_CELLS_AT_ONCE = 1 << 15  # spans that a graph scores together

Tagging = tuple[list[tuple[int, int, int]], float]
"""Entities as (first token, last token + 1, type id), and the probability of all of them together."""


class ExportedHead(ABC):
    """The part of an exported model after its graph of tokens."""

    @abstractmethod
    def decode(self, results: Sequence[Floats], lengths: Ints, thresholds: Floats) -> FoundSpans:
        """
        The entities of a batch.

        # Parameters

        results : `Sequence[Floats]`
            Those of the graph of tokens.
        lengths : `Ints`
            The number of tokens of each text. Shape: (batch,)
        thresholds : `Floats`
            The lowest probability of each type. Shape: (types,)
        """

    def n_best(self, results: Sequence[Floats], number: int) -> list[Tagging]:
        """
        The most probable taggings of a text, from the results of a batch of one.

        # Raises

        `ConfigError` if the head has no distribution over taggings.
        """
        raise ConfigError("this model has no n-best list: only a CRF has a probability for each tagging of a text")


class ExportedTags(ExportedHead):
    """The head `tags`. Its graph returns emissions."""

    def __init__(self, details: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        scores = ChainScores(arrays["transitions"], arrays["start"], arrays["end"])
        self._decoder = TagDecoder(scores, arrays["continues"], int(details["letters"]))

    def decode(self, results: Sequence[Floats], lengths: Ints, thresholds: Floats) -> FoundSpans:
        """`ExportedHead.decode`."""
        return self._decoder.decode(results[0], lengths, thresholds)

    def n_best(self, results: Sequence[Floats], number: int) -> list[Tagging]:
        """`ExportedHead.n_best`."""
        return self._decoder.n_best(results[0][0], number)


class ExportedSpans(ExportedHead):
    """
    The heads that score spans by their two ends: `biaffine`, `pairs` and `global_pointer`. Their graph of tokens
    returns vectors of first and of last tokens; another scores spans of them, a block of first tokens at a time, so
    that memory does not grow with the square of a text's length.
    """

    def __init__(self, details: Mapping[str, Any], graphs: Graphs) -> None:
        self._graphs = graphs
        self._max_width: int | None = details["max_span_width"]
        self._mode: str = details["decoding"]
        self._rank_by: str = details["decoding_score"]
        self._independent = details["kind"] == INDEPENDENT_SPANS

    def decode(self, results: Sequence[Floats], lengths: Ints, thresholds: Floats) -> FoundSpans:
        """`ExportedHead.decode`."""
        starts, ends = results
        batch, length, _ = starts.shape
        found = []
        for rows in blocks_of(batch, length, self._max_width, _CELLS_AT_ONCE):
            cells = cells_of(rows, length, self._max_width)
            stop = int(cells[1].max()) + 1
            feeds = {"starts": starts[:, rows.start : rows.stop], "ends": ends[:, rows.start : stop]}
            places = {"first": cells[0] - rows.start, "last": cells[1] - rows.start}
            logits = self._graphs.run(SPANS, {**feeds, **places})[0]
            found.append(candidates(logits, cells, lengths, thresholds, self._independent))
        return choose(*joined(found), self._mode, self._rank_by, batch)


class ExportedPointer(ExportedHead):
    """The head `pointer`. Its graph returns log-probabilities of the labels of first and of last tokens."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self._max_width: int | None = details["max_span_width"]
        self._mode: str = details["decoding"]
        self._rank_by: str = details["decoding_score"]

    def decode(self, results: Sequence[Floats], lengths: Ints, thresholds: Floats) -> FoundSpans:
        """`ExportedHead.decode`."""
        starts, ends = results
        return pointer_spans(starts, ends, lengths, self._max_width, thresholds, self._mode, self._rank_by)


def exported_head(details: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], graphs: Graphs) -> ExportedHead:
    """
    The head of an export.

    # Raises

    `ArchiveError` for a kind that this version does not know.
    """
    kind = details["kind"]
    if kind == "tags":
        return ExportedTags(details, arrays)
    if kind in ("spans", INDEPENDENT_SPANS):
        return ExportedSpans(details, graphs)
    if kind == "pointer":
        return ExportedPointer(details)
    raise ArchiveError(f"the export has a head of the kind {kind!r}, which this ner_plugins does not know")


def read_arrays(path: Any) -> dict[str, NDArray[Any]]:
    """
    The arrays of a head.

    # Raises

    `ArchiveError` if the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{path}: damaged ({error}). Copy the folder again, or export the archive again") from error
