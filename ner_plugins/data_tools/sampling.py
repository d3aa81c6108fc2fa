"""Random splits and samples of corpora."""

import heapq
import os
import random
from collections import defaultdict
from contextlib import ExitStack
from typing import Any, Iterable, Union

from ner_plugins.data_tools.formats import (
    DEFAULT_FORMAT,
    CorpusWriter,
    WriteSummary,
    open_corpus_writer,
    split_file,
)
from ner_plugins.dataset_readers.text_split import split_of
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.files.data_paths import SPLITS


def split_corpus(
    sentences: Iterable[Sentence],
    folder: Union[str, "os.PathLike[str]"],
    dev: float = 0.1,
    test: float = 0.0,
    seed: int = 0,
    format: str = DEFAULT_FORMAT,
    suffix: str = "",
    **options: Any,
) -> dict[str, WriteSummary]:
    """
    Split a corpus into files that the format's reader finds as `FOLDER#train` and so on, in one pass.

    # Parameters

    sentences : `Iterable[Sentence]`
    folder : `Union[str, os.PathLike]`
        Created if it does not exist.
    dev : `float`, optional (default=`0.1`)
        Approximate share of the texts; 0 writes no such file.
    test : `float`, optional (default=`0.0`)
        See `dev`.
    seed : `int`, optional (default=`0`)
    format : `str`, optional (default=`"cluener"`)
    suffix : `str`, optional (default=`""`)
        `.gz`, `.bz2` or `.xz`, to compress.
    options : `Any`
        See `open_corpus_writer`.

    # Returns

    `dict[str, WriteSummary]`
        By split.

    # Raises

    `ConfigError` if the shares are out of range, or `folder` is a file. `NerError` if a split would be empty; no file
    is left then. Also what `open_corpus_writer` raises.
    """
    for name, fraction in (("dev", dev), ("test", test)):
        if not 0 <= fraction < 1:
            raise ConfigError(f"--{name} must be in [0, 1), got {fraction}")
    if not 0 < dev + test < 1:
        raise ConfigError(f"the sum of --dev and --test must be in (0, 1), got {dev} + {test}")
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{folder} is a file: name a folder for the splits")
    wanted = [split for split in SPLITS if split == "train" or (dev if split == "dev" else test)]
    made = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        with ExitStack() as stack:
            writers: dict[str, CorpusWriter] = {}
            for split in wanted:
                path = os.path.join(folder, split_file(format, split) + suffix)
                writers[split] = stack.enter_context(open_corpus_writer(path, format, **options))
            for sentence in sentences:
                writers[split_of(sentence.text, dev, test, seed)].write(sentence)
            _check_filled({split: writer.summary for split, writer in writers.items()}, seed)
    except BaseException:
        if made and not os.listdir(folder):
            os.rmdir(folder)
        raise
    return {split: writer.summary for split, writer in writers.items()}


def _check_filled(summaries: dict[str, WriteSummary], seed: int) -> None:
    empty = [split for split, summary in summaries.items() if not summary.sentences]
    total = sum(summary.sentences for summary in summaries.values())
    if empty:
        raise NerError(
            f"none of {total} sentences falls into {' and '.join(empty)}, so nothing is written. Use larger shares or "
            f"another --seed than {seed} (a corpus that was itself drawn with this seed needs another one)"
        )


def sample_sentences(sentences: Iterable[Sentence], size: int, seed: int = 0, each_type: int = 0) -> list[Sentence]:
    """
    A random sample in the order of the corpus, drawn in one pass.

    # Parameters

    sentences : `Iterable[Sentence]`
    size : `int`
        Number of sentences; a smaller corpus is returned whole.
    seed : `int`, optional (default=`0`)
        Determines the sample of a corpus, on every machine.
    each_type : `int`, optional (default=`0`)
        Minimum number of sentences with an entity of each type, as far as there are any. They count towards `size`,
        but may exceed it.

    # Raises

    `ConfigError` if `size` is below 1 or `each_type` below 0.
    """
    if size < 1 or each_type < 0:
        raise ConfigError(f"-n must be >= 1 and --each-type >= 0, got {size} and {each_type}")
    # Each sentence draws one number. The lowest numbers overall are a uniform sample, and so are the lowest of each
    # type. With one number for all types, a sentence with several types is likely to be chosen for several.
    draw = random.Random(seed).random
    overall = _Lowest(size)
    by_type: dict[str, _Lowest] = defaultdict(lambda: _Lowest(each_type))
    for index, sentence in enumerate(sentences):
        number = draw()
        overall.offer(number, index, sentence)
        if each_type:
            for type_ in {entity.type for entity in sentence.entities or ()}:
                by_type[type_].offer(number, index, sentence)
    chosen = {index: sentence for lowest in by_type.values() for _, index, sentence in lowest.items()}
    for _, index, sentence in overall.items():
        if len(chosen) >= size:
            break
        chosen[index] = sentence
    return [chosen[index] for index in sorted(chosen)]


class _Lowest:
    """The sentences with the lowest numbers among those offered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Sentence]] = []  # with negated numbers, so that the highest is on top

    def offer(self, number: float, index: int, sentence: Sentence) -> None:
        """Keep the sentence if its number is low enough. Indices are unique."""
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (-number, -index, sentence))
        elif -number > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-number, -index, sentence))

    def items(self) -> list[tuple[float, int, Sentence]]:
        """(number, index, sentence), by ascending number."""
        return [(-number, -index, sentence) for number, index, sentence in sorted(self._heap, reverse=True)]
