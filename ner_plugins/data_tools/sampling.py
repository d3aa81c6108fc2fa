"""Random parts of corpora: a corpus written as its splits, and samples."""

import heapq
import os
import random
from collections import defaultdict
from contextlib import ExitStack
from typing import Any, Dict, Iterable, List, Tuple, Union

from ner_plugins.data_tools.formats.registry import DEFAULT_FORMAT, split_file
from ner_plugins.data_tools.formats.writer import CorpusWriter, WriteSummary, open_corpus_writer
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
) -> Dict[str, WriteSummary]:
    """
    Write a corpus as its splits, in one pass, to files that the format's reader finds as `FOLDER#train` and so on.

    # Parameters

    sentences : `Iterable[Sentence]`
    folder : `Union[str, os.PathLike]`
        Made, where it is missing.
    dev, test : `float`
        Shares of the texts, about; with 0 there is no such file.
    seed : `int`, optional (default=`0`)
    format : `str`, optional (default=`"cluener"`)
    suffix : `str`, optional (default=`""`)
        Of a compression: `.gz`, `.bz2` or `.xz`.
    options : `Any`
        See `open_corpus_writer`.

    # Returns

    `Dict[str, WriteSummary]`
        By split.

    # Raises

    `ConfigError` when the shares are no shares. `NerError` when a split is left without a sentence; then there are no
    files. Otherwise what `open_corpus_writer` raises.
    """
    for name, fraction in (("dev", dev), ("test", test)):
        if not 0 <= fraction < 1:
            raise ConfigError(f"--{name} is {fraction}, but must be at least 0 and less than 1")
    if not 0 < dev + test < 1:
        raise ConfigError(f"--dev {dev} and --test {test} must together be more than 0 and less than 1")
    wanted = [split for split in SPLITS if split == "train" or (dev if split == "dev" else test)]
    made = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    try:
        with ExitStack() as stack:
            writers: Dict[str, CorpusWriter] = {}
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


def _check_filled(summaries: Dict[str, WriteSummary], seed: int) -> None:
    empty = [split for split, summary in summaries.items() if not summary.sentences]
    total = sum(summary.sentences for summary in summaries.values())
    if empty:
        raise NerError(
            f"no sentence of {total} falls into {' and '.join(empty)}, and nothing is written. Take larger shares or "
            f"another --seed than {seed} (a corpus that was itself drawn with a seed needs another one)"
        )


def sample_sentences(sentences: Iterable[Sentence], size: int, seed: int = 0, each_type: int = 0) -> List[Sentence]:
    """
    A random sample, in one pass, in the order of the corpus.

    # Parameters

    sentences : `Iterable[Sentence]`
    size : `int`
        How many; all where there are not more.
    seed : `int`, optional (default=`0`)
        The same one gives the same sample of the same corpus, on every machine.
    each_type : `int`, optional (default=`0`)
        For each entity type, at least so many sentences with one, or all that there are. They count towards `size`,
        and exceed it where there are more of them.

    # Returns

    `List[Sentence]`

    # Raises

    `ConfigError` when `size` is less than 1 or `each_type` less than 0.
    """
    if size < 1 or each_type < 0:
        raise ConfigError(f"-n is {size} and --each-type {each_type}, but must be at least 1 and 0")
    # Each sentence draws a number. The lowest of all are a uniform sample, and so are the lowest of each type; since
    # it is one number for all of them, a sentence of several types is likely to serve several.
    draw = random.Random(seed).random
    overall = _Lowest(size)
    by_type: Dict[str, _Lowest] = defaultdict(lambda: _Lowest(each_type))
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
    """The sentences with the lowest numbers, of those that were offered."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: List[Tuple[float, int, Sentence]] = []  # numbers negated: the highest of them is on top

    def offer(self, number: float, index: int, sentence: Sentence) -> None:
        """Keep the sentence, if its number is low enough. No two have the same index."""
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (-number, -index, sentence))
        elif -number > self._heap[0][0]:
            heapq.heapreplace(self._heap, (-number, -index, sentence))

    def items(self) -> List[Tuple[float, int, Sentence]]:
        """(number, index, sentence), the lowest number first."""
        return [(-number, -index, sentence) for number, index, sentence in sorted(self._heap, reverse=True)]
