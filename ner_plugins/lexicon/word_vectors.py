"""Pretrained vectors of some words, as they come in files, and the table that training begins with."""

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
    How many numbers the vectors of an embedding have: as said, or as in its file, or else `DEFAULT_WIDTH`.

    A trained model is loaded without its file, so what was read from there is kept in the run's directory.

    # Parameters

    width : `Optional[int]`
        What the configuration says.
    path, format : `Optional[str]`
        The file of pretrained vectors, and its format where it is known.
    namespace : `str`
        The vocabulary namespace of the embedding.
    serialization_dir : `Optional[str]`
        The run's directory, or that of the extracted archive.

    # Raises

    `ConfigError` if `width` is not positive, or if two embeddings of a namespace differ. `DataError` as `WordFile`.
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
            f"two embeddings of {namespace} have vectors of {saved} and of {width} numbers: say so for each of them, "
            "as its embedding_dim (or dim)"
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
    The vectors that a file has of some words.

    A word gets the first vector of its own form, else of its form with half-width letters and digits, else of that in
    lower case (the last as Lattice LSTM has it).

    # Parameters

    path : `str`
        A word2vec file: see `WordFile`.
    words : `Sequence[str]`
        The words.
    width : `int`
        How many numbers a vector is to have.
    key : `str`
        The setting that says `width`, for messages.
    format : `Optional[str]`
        `word2vec_text` or `word2vec_binary`, where it is not to be found out.
    normalize : `Callable[[str], str]`
        What `words` have gone through: a word of the file serves as it stands and in this form.

    # Returns

    `tuple[Tensor, Tensor]`
        The vectors, 0 where there is none, shape (words, width); and for which words there is one, shape (words,).

    # Raises

    `ConfigError` if the file's vectors have another width. `DataError` for a file that cannot be read or that has no
    vectors.
    """
    file = WordFile(path, format)
    if _width_of(file) != width:
        raise ConfigError(f"{key} is {width}, but the vectors of {path} have {file.width} numbers: set it to that")
    forms = [_forms(word) for word in words]
    wanted = {form for of_word in forms for form in of_word}
    # By form of a word of the file; its own form goes before what it is normalised to.
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


def say_found(path: str, unit: str, met: Tensor, others: Optional[Tensor] = None) -> None:
    """
    Tell for how many words a file has a vector; if for none, as a warning.

    # Parameters

    path : `str`
        The file.
    unit : `str`
        What `met` are: `words` or `tokens`.
    met : `Tensor`
        Which words of the data have one; padding and the unknown word may be left out. Shape: (words,)
    others : `Optional[Tensor]`
        Which of the lexicon's other words have one. Shape: (words,)
    """
    if not is_first_rank():
        return
    found, more = int(met.sum()), 0 if others is None else int(others.sum())
    if not found and not more:
        logger.warning("%s", Remark(f"a vector of none of the {len(met):,} {unit} of the data", path=path))
        return
    further = f", and of {more:,} of the lexicon's {len(others):,} others" if others is not None else ""
    logger.info("%s", f"{path}: vectors of {found:,} of the {len(met):,} different {unit} of the data{further}")


def initial_table(vectors: Tensor, found: Tensor, normalize: bool) -> Tensor:
    """
    The table that training begins with: words without a vector get a random one, and then all are divided by their
    length. They are drawn from the normal distribution that has the mean and standard deviation of the vectors found,
    in each dimension; where none was found, uniformly from ±sqrt(3 / width), which makes lengths of about 1. (FLAT,
    Li et al. 2020, as released.)

    # Parameters

    vectors : `Tensor`
        Shape: (words, width)
    found : `Tensor`
        Which rows of `vectors` count. Shape: (words,)
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
        problem = f"no vectors in it (it was read as {file.format})"
        raise DataError(problem, path=file.path, expected="word2vec's format, text or binary")
    return file.width


def _forms(word: str) -> list[str]:
    half = _HALF_WIDTH(word)
    return [word] if half == word == word.lower() else list(dict.fromkeys((word, half, half.lower())))
