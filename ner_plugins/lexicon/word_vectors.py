"""Pretrained word vectors from files, and the initial table of an embedding."""

import logging
import math
import os
from typing import Callable, Optional, Sequence, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ner_plugins.archives.assets import Assets, asset_name, is_loading
from ner_plugins.distributed import is_first_rank
from ner_plugins.errors import ConfigError, DataError, Remark
from ner_plugins.lexicon.normalisation import Normalisation
from ner_plugins.lexicon.word_files import FloatArray, WordFile
from ner_plugins.lexicon.word_layout import WordFormat

logger = logging.getLogger(__name__)

DEFAULT_WIDTH = 50  # as published

_HALF_WIDTH = Normalisation(("full_width",))


def vector_width(
    width: Optional[int],
    path: Optional[str],
    format: Optional[WordFormat],
    namespace: str,
    serialization_dir: Optional[Union[str, "os.PathLike[str]"]],
) -> int:
    """
    The width of an embedding's vectors: the configured one, or that of the file, or `DEFAULT_WIDTH`.

    A trained model is loaded without the file, so the width read from it is saved in the run's directory.

    # Parameters

    width : `Optional[int]`
        The configured width.
    path, format : `Optional[str]`
        The file of pretrained vectors, and its format if it is known.
    namespace : `str`
        The vocabulary namespace of the embedding.
    serialization_dir : `Optional[str]`
        The run's directory, or the folder of the extracted archive.

    # Raises

    `ConfigError` if `width` is not positive, or if two embeddings of a namespace differ. `DataError` as in `WordFile`.
    """
    if width is not None:
        if width < 1:
            raise ConfigError(f"an embedding of {namespace} cannot have vectors of {width} numbers")
        return width
    assets = None if serialization_dir is None else Assets(serialization_dir)
    name = asset_name(f"width of {namespace}") + ".json"
    saved = None
    if assets is not None and assets.folder(name).is_file():
        saved = int(assets.load_json(name, f"the width of the vectors of {namespace}"))
    if is_loading() or path is None:
        return DEFAULT_WIDTH if saved is None else saved
    width = _width_of(WordFile(path, format))
    if saved not in (None, width):
        raise ConfigError(
            f"two embeddings of {namespace} have vectors of {saved} and of {width} numbers: set the embedding_dim (or "
            "dim) of each"
        )
    if assets is not None:
        assets.save_json(name, width)
    return width


def read_vectors(
    path: str,
    words: Sequence[str],
    width: int,
    key: str,
    format: Optional[WordFormat] = None,
    normalize: Callable[[str], str] = _HALF_WIDTH,
) -> tuple[Tensor, Tensor]:
    """
    Read the vectors of the given words from a file.

    A word gets the first vector of the word itself, else of the word with half-width letters and digits, else of that
    in lower case (as in Lattice LSTM).

    # Parameters

    path : `str`
        A word2vec file: see `WordFile`.
    words : `Sequence[str]`
        The words.
    width : `int`
        The expected number of components of a vector.
    key : `str`
        The config key of `width`, for messages.
    format : `Optional[str]`
        `word2vec_text` or `word2vec_binary`; detected if `None`.
    normalize : `Callable[[str], str]`
        The normalisation of `words`: a word of the file matches as it is and in this form.

    # Returns

    `tuple[Tensor, Tensor]`
        The vectors, zero for words without one, shape (words, width); and which words have one, shape (words,).

    # Raises

    `ConfigError` if the file's vectors have another width. `DataError` if the file cannot be read or has no vectors.
    """
    file = WordFile(path, format)
    if _width_of(file) != width:
        raise ConfigError(f"{key} is {width}, but the vectors of {path} have {file.width} numbers: set it to that")
    forms = [_forms(word) for word in words]
    wanted = {form for of_word in forms for form in of_word}
    # By the file's words as they are, and normalised; the former take precedence.
    exact: dict[str, FloatArray] = {}
    normal: dict[str, FloatArray] = {}
    for _, word, vector in file.entries(lambda word: word in wanted or normalize(word) in wanted):
        if vector is not None:
            exact.setdefault(word, vector)
            normal.setdefault(normalize(word), vector)
    table = np.zeros((len(words), width), dtype=np.float32)
    found = np.zeros(len(words), dtype=np.bool_)
    for place, of_word in enumerate(forms):
        for form in of_word:
            vector = exact.get(form, normal.get(form))
            if vector is not None:
                table[place], found[place] = vector, True
                break
    return torch.from_numpy(table), torch.from_numpy(found)


def log_coverage(path: str, unit: str, met: Tensor, others: Optional[Tensor] = None) -> None:
    """
    Log how many words have a vector in a file; a warning if none has.

    # Parameters

    path : `str`
        The file.
    unit : `str`
        What is counted: `words` or `tokens`.
    met : `Tensor`
        Which words of the data have a vector; padding and the unknown word may be left out. Shape: (words,)
    others : `Optional[Tensor]`
        Which other words of the lexicon have one. Shape: (words,)
    """
    if not is_first_rank():
        return
    found, more = int(met.sum()), 0 if others is None else int(others.sum())
    if not found and not more:
        logger.warning("%s", Remark(f"none of the {len(met):,} {unit} of the data has a vector in it", path=path))
        return
    further = f", and of {more:,} of the lexicon's {len(others):,} others" if others is not None else ""
    logger.info("%s", f"{path}: vectors of {found:,} of the {len(met):,} different {unit} of the data{further}")


def initial_table(vectors: Tensor, found: Tensor, normalize: bool) -> Tensor:
    """
    The initial table of an embedding: words without a vector get a random one, then all vectors are divided by their
    length. Random vectors are drawn from the normal distribution with the mean and standard deviation of the vectors
    found, in each dimension; if none was found, uniformly from ±sqrt(3 / width), which gives lengths of about 1. (FLAT,
    Li et al. 2020, as released.)

    # Parameters

    vectors : `Tensor`
        Shape: (words, width)
    found : `Tensor`
        Which rows of `vectors` are pretrained. Shape: (words,)
    normalize : `bool`
        Whether to divide by the length.

    # Returns

    `Tensor`
        Shape: (words, width)
    """
    known = vectors[found]
    if len(known):
        drawn = torch.randn_like(vectors) * known.std(0, correction=0) + known.mean(0)
    else:
        bound = math.sqrt(3 / vectors.size(1))
        drawn = torch.empty_like(vectors).uniform_(-bound, bound)
    table = torch.where(found.unsqueeze(1), vectors, drawn)
    return F.normalize(table, dim=1) if normalize else table


def _width_of(file: WordFile) -> int:
    if file.width is None:
        problem = f"the file has no vectors (it was read as {file.format})"
        raise DataError(problem, path=file.path, expected="word2vec's format, text or binary")
    return file.width


def _forms(word: str) -> list[str]:
    half = _HALF_WIDTH(word)
    return [word] if half == word == word.lower() else list(dict.fromkeys((word, half, half.lower())))
