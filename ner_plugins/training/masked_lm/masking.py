"""Which words of a sentence are masked, as a function of the seed, the epoch and the sentence."""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ner_plugins.errors import ConfigError

MASKED = 0.8
RANDOM = 0.1
NEVER = -1
"""The word of a piece that is never masked."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MaskableSentence:
    """
    The pieces of a sentence, without the special pieces around it.

    # Parameters

    ids : `npt.NDArray[np.int32]`
        Shape: (pieces,)
    words : `npt.NDArray[np.int32]`
        The word of each piece, from 0, and `NEVER` for pieces that are never masked. Shape: (pieces,)
    source : `str`
        Its place in the data, for messages.
    repeat : `int`, optional (default=`0`)
        How many sentences before it have the same pieces.
    """

    ids: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    source: str
    repeat: int = 0

    @property
    def number_of_words(self) -> int:
        """The number of words that may be masked."""
        return int(self.words.max(initial=NEVER)) + 1


class MaskedSentence(NamedTuple):
    """
    A sentence with masked words.

    # Parameters

    ids : `Ints`
        What the encoder reads. Shape: (pieces,)
    places : `Ints`
        The pieces to predict, ascending. Shape: (predicted pieces,)
    """

    ids: Ints
    places: Ints


class Masking:
    """
    Masks words as BERT does (Devlin et al. 2019, section 3.1; whole words as in its later release): a share of a
    sentence's words is chosen, at least one. Of these, 80 % are replaced by mask pieces, 10 % by random pieces, and
    10 % stay as they are; all their pieces are predicted. What happens to a word happens to all its pieces.

    # Parameters

    tokenizer : `transformers.PreTrainedTokenizerFast`
    vocabulary_size : `int`
        The number of the encoder's embeddings.
    probability : `float`, optional (default=`0.15`)
        The share of the words. A fraction of a word is rounded up or down at random, so that the mean is exact.

    # Raises

    `ConfigError` if the tokenizer has no mask piece, and for a share outside (0, 1).
    """

    def __init__(self, tokenizer: Any, vocabulary_size: int, probability: float = 0.15) -> None:
        if not 0.0 < probability < 1.0:
            raise ConfigError(f"ner_mlm.mlm_probability is {probability}, but has to be between 0 and 1")
        mask = tokenizer.mask_token_id
        if mask is None or mask >= vocabulary_size:
            raise ConfigError(
                f"ner_mlm: the tokenizer of {tokenizer.name_or_path!r} has no mask token that the encoder knows, so "
                "nothing can be masked. Use an encoder that was pretrained as a masked language model"
            )
        self.probability = probability
        self.mask_id = int(mask)
        self.special = frozenset(tokenizer.all_special_ids)
        ids = range(min(vocabulary_size, len(tokenizer)))
        self.ordinary: Ints = np.array([id_ for id_ in ids if id_ not in self.special], dtype=np.int64)

    def __call__(self, sentence: MaskableSentence, seed: int, epoch: int) -> MaskedSentence:
        """The sentence with words masked, by nothing but the arguments: pieces and `repeat`, seed and epoch."""
        ids = sentence.ids.astype(np.int64)
        words = sentence.number_of_words
        if words == 0:
            return MaskedSentence(ids, np.zeros(0, np.int64))
        key = f"{seed} {epoch} {sentence.repeat} ".encode() + sentence.ids.astype("<i4").tobytes()
        draws = draws_of(key).random_sample(1 + 2 * words + len(ids))
        number = max(1, int(self.probability * words + draws[0]))
        chosen = np.zeros(words + 1, dtype=bool)  # the last is that of `NEVER`
        chosen[np.argsort(draws[1 : 1 + words], kind="stable")[:number]] = True
        places = np.flatnonzero(chosen[sentence.words])
        fate = draws[1 + words : 1 + 2 * words][sentence.words[places]]  # Shape: (predicted pieces,)
        drawn = (draws[1 + 2 * words :][places] * len(self.ordinary)).astype(np.int64)
        replaced = np.where(fate < MASKED, self.mask_id, self.ordinary[drawn])
        ids[places] = np.where(fate < MASKED + RANDOM, replaced, ids[places])
        return MaskedSentence(ids, places)


def draws_of(key: bytes) -> "np.random.RandomState":
    """Random numbers that depend on `key` alone; NumPy keeps the stream of this generator the same for ever."""
    return np.random.RandomState(np.frombuffer(hashlib.sha256(key).digest()[:16], dtype="<u4").astype(np.uint32))
