"""Runs the graphs of an export: sessions of onnxruntime, windows of long texts, vectors of tokens."""

import ctypes
import os
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np
from numpy.typing import NDArray

from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.segmentation.windows import IntArray, lay_out, plan_windows
from ner_plugins.tagger.onnx.layout import ENCODER

Array = NDArray[Any]


class Graphs:
    """
    The sessions of the graphs in a folder. Threads may share them; a forked process makes its own, and computes with
    one thread.

    # Parameters

    folder : `Path`
    names : `Sequence[str]`
        The files of the graphs.
    threads : `int`
        Of each session; 0 for one for each core.

    # Raises

    `ConfigError` if onnxruntime is missing; `ArchiveError` if it cannot read a graph.
    """

    def __init__(self, folder: Path, names: Sequence[str], threads: int) -> None:
        self._folder, self._names, self._threads = folder, names, threads
        self._process = os.getpid()
        self._sessions = self._start()

    def run(self, name: str, feeds: Mapping[str, Array]) -> list[Array]:
        """The results of a graph. Arrays that it does not take are left out."""
        if os.getpid() != self._process:
            self._start_in_fork()
        session, taken = self._sessions[name]
        results: list[Array] = session.run(None, {key: feeds[key] for key in taken})
        return results

    def _start_in_fork(self) -> None:
        """Make sessions of a process forked from the one that made the others, with one thread each."""
        # The threads of the others do not exist here, and deleting these sessions would wait for them: never do.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._sessions))
        self._threads = 1
        self._sessions, self._process = self._start(), os.getpid()

    def _start(self) -> dict[str, tuple[Any, list[str]]]:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(
                f"an exported model needs the package onnxruntime ({error}): pip install onnxruntime tokenizers"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        # A thread that spins while it waits slows the others where cores are threads of one core, as rented ones are.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # it would remember each shape that a batch ever had
        options.log_severity_level = 3
        sessions = {}
        for name in self._names:
            path = self._folder / name
            try:
                session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # onnxruntime's exceptions have no common base
                raise ArchiveError(
                    f"{path}: onnxruntime {onnxruntime.__version__} cannot read it ({str(error).splitlines()[0]}). "
                    "Install a newer onnxruntime, or export the archive again"
                ) from error
            sessions[name] = (session, [taken.name for taken in session.get_inputs()])
        return sessions


class PieceEncoder:
    """
    Vectors of tokens from their pieces, as `TransformerEmbedder` computes them.

    # Parameters

    graphs : `Graphs`
    details : `Mapping[str, Any]`
        `dim`, `prefix` and `suffix` (ids of special pieces), `padding` (an id), `window_size`, `window_overlap`,
        `max_windows_per_pass`, `pooling`.
    """

    def __init__(self, graphs: Graphs, details: Mapping[str, Any]) -> None:
        self._graphs = graphs
        self._dim: int = details["dim"]
        self._prefix, self._suffix = (np.asarray(details[key], np.int64) for key in ("prefix", "suffix"))
        self._padding: int = details["padding"]
        self._window: tuple[int, int] = details["window_size"], details["window_overlap"]
        self._most: int = details["max_windows_per_pass"]
        self._pooling: str = details["pooling"]

    def __call__(self, texts: Sequence[tuple[list[int], list[int]]], width: int) -> Array:
        """
        # Parameters

        texts : `Sequence[tuple[list[int], list[int]]]`
            The piece ids of each text, and the number of pieces of each of its tokens.
        width : `int`
            The number of tokens of the longest text.

        # Returns

        `NDArray`
            Zero for tokens without pieces; any numbers after the end of a text. Shape: (batch, width, dim)
        """
        lengths = [len(ids) for ids, _ in texts]
        pieces = np.full((len(texts), max(lengths)), self._padding, np.int64)
        for row, (ids, _) in zip(pieces, texts, strict=True):
            row[: len(ids)] = ids
        if pieces.shape[1] == 0:
            return np.zeros((len(texts), width, self._dim), np.float32)
        vectors = self._windows(pieces, lengths) if pieces.shape[1] > self._window[0] else self._encode(pieces, lengths)
        if all(len(counts) == length and max(counts) == 1 for (_, counts), length in zip(texts, lengths, strict=True)):
            return vectors  # one piece for each token
        return self._pool(vectors, lengths, [counts for _, counts in texts], width)

    def _windows(self, pieces: IntArray, lengths: Sequence[int]) -> Array:
        """The vectors of texts that may not fit into one window. Shape: (batch, pieces, dim)"""
        layout = lay_out(plan_windows(lengths, *self._window), lengths, pieces.shape, self._most)
        flat = pieces.reshape(-1)
        passes = zip(layout.passes, layout.lengths, strict=True)
        encoded = [self._encode(flat[places], of_pass).reshape(-1, self._dim) for places, of_pass in passes]
        vectors: Array = np.concatenate(encoded)[layout.sources]
        return vectors

    def _encode(self, pieces: IntArray, lengths: Sequence[int] | IntArray) -> Array:
        """The vectors of pieces that each fit into one window, with special pieces around them while it runs."""
        batch, width = pieces.shape
        before, after = len(self._prefix), len(self._suffix)
        position = np.arange(before + width + after)
        end = before + np.asarray(lengths, np.int64)[:, None]  # Shape: (batch, 1)
        ids = np.full((batch, len(position)), self._padding, np.int64)
        ids[:, before : before + width] = pieces
        ids = np.where(position < end, ids, self._padding)
        ids[:, :before] = self._prefix
        np.put_along_axis(ids, end + np.arange(after), np.broadcast_to(self._suffix, (batch, after)), 1)
        attended = position < np.maximum(end + after, 1)
        feeds = {"input_ids": ids, "attention_mask": attended.astype(np.int64)}
        vectors = self._graphs.run(ENCODER, feeds)[0]
        return vectors[:, before : before + width]

    def _pool(
        self, vectors: Array, lengths: Sequence[int], counts: Sequence[Sequence[int]], width: int
    ) -> Array:
        pooled = np.zeros((len(counts), width, self._dim), np.float32)
        for row, of_pieces, length, of_tokens in zip(pooled, vectors, lengths, counts, strict=True):
            number = np.asarray(of_tokens)
            [tokens] = np.nonzero(number)
            if len(tokens) == 0:
                continue
            number = number[tokens]
            starts = np.cumsum(number) - number
            if self._pooling == "first":
                row[tokens] = of_pieces[starts]
            else:
                row[tokens] = np.add.reduceat(of_pieces[:length], starts) / number[:, None].astype(np.float32)
        return pooled


def threads_of(given: Optional[int]) -> int:
    """
    The number of threads: as given, or that of `OMP_NUM_THREADS` as torch takes it, or 0 for one for each core.

    # Raises

    `ConfigError` if a number below 1 was given.
    """
    if given is not None:
        if given < 1:
            raise ConfigError(f"threads is {given}; it must be at least 1")
        return given
    found = os.environ.get("OMP_NUM_THREADS", "")
    return int(found) if found.isdigit() else 0
