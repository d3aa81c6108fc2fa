"""The sentences to mask: of the training data, of another corpus, or the lines of a text."""

import itertools
from collections import Counter
from contextlib import closing
from typing import Any, Iterable, Iterator, Literal, NamedTuple, Optional

import numpy as np
import torch
from allennlp.data import Instance, Vocabulary

from ner_plugins.data_tools.guess import ner_readers, recognisers
from ner_plugins.dataset_readers.ner_reader import NerDatasetReader
from ner_plugins.dataset_readers.recognition import START_SIZE, FileStart
from ner_plugins.distributed import rank, world_size
from ner_plugins.errors import ConfigError
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.opening import open_streams, readable
from ner_plugins.files.text_lines import read_lines
from ner_plugins.lexicon.lexicon import Lexicon
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.token_indexers.transformer_indexer import TransformerIndexer
from ner_plugins.training.masked_lm.masking import NEVER, MaskableSentence
from ner_plugins.training.masked_lm.words import owners, token_words

DataFormat = Literal["text", "corpus"]

_EMBEDDER = "token_embedder_"


class Encoding(NamedTuple):
    """
    The transformer of a model.

    # Parameters

    key : `str`
        Its name in the config, below `token_embedders` and `token_indexers`.
    embedder : `TransformerEmbedder`
    """

    key: str
    embedder: TransformerEmbedder


def encoding_of(model: torch.nn.Module) -> Encoding:
    """
    The transformer in a model.

    # Raises

    `ConfigError` if there is none, or several, or if it does not learn.
    """
    found = [
        Encoding(name.rpartition(".")[2].removeprefix(_EMBEDDER), module)
        for name, module in model.named_modules()
        if isinstance(module, TransformerEmbedder) and name.rpartition(".")[2].startswith(_EMBEDDER)
    ]
    if len(found) != 1:
        what = "has no transformer" if not found else f"has {len(found)} transformers"
        raise ConfigError(
            f"the callback ner_mlm trains the transformer of a model, but this model {what}. Give it one token "
            'embedder "ner_transformer", or leave the callback out'
        )
    if not any(parameter.requires_grad for parameter in found[0].embedder.encoder.parameters()):
        raise ConfigError(
            "the callback ner_mlm trains the transformer, but all its parameters are frozen. Set train_parameters of "
            "its token embedder to true (and no no_grad that matches it), or leave the callback out"
        )
    return found[0]


class SentenceMaker:
    """
    Makes maskable sentences from instances.

    # Parameters

    key : `str`
        The name of the transformer's indexer.
    vocab : `Vocabulary`
    lexicon : `Optional[Lexicon]`
        The words that are masked as wholes; see `owners`.
    """

    def __init__(self, key: str, vocab: Vocabulary, lexicon: Optional[Lexicon]) -> None:
        self._key = key
        self._vocab = vocab
        self._lexicon = lexicon
        self._seen: Counter[bytes] = Counter()

    def __call__(self, instances: Iterable[Instance]) -> Iterator[MaskableSentence]:
        """The sentences that have a word to mask. Without special pieces, such as unknown ones, in their words."""
        for instance in instances:
            field = instance["tokens"]
            indexer = indexer_of(instance, self._key)
            indexed = indexer.tokens_to_indices(field.tokens, self._vocab)
            ids = np.array(indexed["piece_ids"], dtype=np.int32)
            words = np.repeat(self._words(instance, len(field.tokens)), indexed["piece_counts"])
            ordinary = ~np.isin(ids, indexer.tokenizer.all_special_ids)
            if not ordinary.any():
                continue
            numbers = np.full(len(ids), NEVER, dtype=np.int32)
            numbers[ordinary] = np.unique(words[ordinary], return_inverse=True)[1]
            repeat = self._seen[ids.tobytes()]
            self._seen[ids.tobytes()] += 1
            yield MaskableSentence(ids, numbers, _source(instance), repeat)

    def _words(self, instance: Instance, tokens: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """The word of each token; a token of a reader that keeps neither text nor offsets is a word. (tokens,)"""
        metadata = instance["metadata"].metadata if "metadata" in instance else {}
        if "text" not in metadata or "offsets" not in metadata:
            return np.arange(tokens)
        return np.array(token_words(owners(metadata["text"], self._lexicon), metadata["offsets"]), dtype=np.int64)


def indexer_of(instance: Instance, key: str) -> TransformerIndexer:
    """
    The transformer's indexer in an instance.

    # Raises

    `ConfigError` if there is none.
    """
    indexers = getattr(instance.fields.get("tokens"), "token_indexers", {})
    indexer = indexers.get(key)
    if not isinstance(indexer, TransformerIndexer):
        raise ConfigError(
            f"the callback ner_mlm needs the token indexer {key!r} of the type ner_transformer, in the instances' "
            "field tokens. Use a reader of ner_plugins"
        )
    return indexer


def read_instances(path: str, data_format: Optional[DataFormat], reader: Any) -> Iterator[Instance]:
    """
    The instances of a corpus, or of a text with a sentence a line; this rank's share of them.

    # Parameters

    path : `str`
        `PATH[!MEMBER][#SPLIT]`.
    data_format : `Optional[DataFormat]`
        `None`: see `format_of`.
    reader : `DatasetReader`
        It reads a corpus, and makes instances of texts; its `max_instances` holds for both.

    # Raises

    `DataError` for files that cannot be read; `ConfigError` as in `format_of`.
    """
    if (data_format or format_of(path, reader)) == "corpus":
        yield from reader.read(path)
        return
    lines = itertools.islice(_lines(path), rank(), None, world_size())
    for source, text in itertools.islice(lines, reader.max_instances):
        instance = reader.text_to_instance(text, source=source)
        reader.apply_token_indexers(instance)
        yield instance


def format_of(path: str, reader: Any) -> DataFormat:
    """
    Whether a path is of a corpus that the reader reads, or of a plain text: a corpus has a split (`#train`), or a
    beginning that the reader recognises.

    # Raises

    `DataError` if there is no such file. `ConfigError` if it looks like a file of another reader.
    """
    place = DataPath.parse(path)
    if place.split is not None or not isinstance(reader, NerDatasetReader):
        return "corpus"
    with closing(open_streams(place)) as streams:  # type: ignore[type-var]
        name, stream = next(streams)
        with readable(name):
            start = FileStart(name.rpartition("/")[2], stream.read(START_SIZE), reader.encoding)
    if type(reader).sniff(start) is not None:
        return "corpus"
    others = recognisers(start, ner_readers())
    if others:
        raise ConfigError(
            f"ner_mlm.data_path: {path} looks like a corpus of the reader {' or '.join(sorted(others))}, not like one "
            'of the dataset_reader. Give a plain text with a sentence a line, or set data_format to "text" if it is one'
        )
    return "text"


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Place and text of each line that is not blank."""
    for name, stream in open_streams(DataPath.parse(path)):
        for number, line in read_lines(stream, name):
            if line and not line.isspace():
                yield f"{name}:{number}", line


def _source(instance: Instance) -> str:
    metadata = instance["metadata"].metadata if "metadata" in instance else {}
    return str(metadata.get("source") or metadata.get("id") or "")
