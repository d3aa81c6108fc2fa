"""Vectors of a lexicon's words: trained vectors for words in the training data, frozen ones for all others."""

import logging
import os
from typing import Any, ClassVar, Optional, Sequence, Union

import torch
import torch.nn.functional as F
from allennlp.common import FromParams
from allennlp.data import Vocabulary
from allennlp.modules.token_embedders import Embedding
from torch import Tensor, nn

from ner_plugins.archives.assets import is_loading
from ner_plugins.distributed import is_first_rank, wait_for_ranks
from ner_plugins.errors import ConfigError
from ner_plugins.fields.lattice_field import LATTICE_NAMESPACE
from ner_plugins.lexicon.lexicon import Lexicon, digest_of
from ner_plugins.lexicon.normalisation import Normalisation
from ner_plugins.lexicon.word_layout import WordFormat
from ner_plugins.lexicon.word_lexicon import SavedLexicon, saved_lexicon
from ner_plugins.lexicon.word_vectors import initial_table, log_coverage, read_vectors, vector_width
from ner_plugins.modules.token_dropout import drop_tokens

logger = logging.getLogger(__name__)

_NO_ROW = -1
_BUFFERS = ("lexicon_rows", "lexicon_vectors")
_ANY = 0  # stands for the digest if the vectors go with any lexicon
_SPECIAL = 2  # padding and the unknown word


class WordEmbedding(nn.Module, FromParams):
    """
    Embeds the word ids of `LatticeField`.

    The V words of the vocabulary, which occur in the data that it was built from, have the ids 0 to V - 1 and trained
    vectors. Any other word of the lexicon has the id V + its index in the lexicon, and its pretrained vector, which is
    not trained; without one it gets the vector of the unknown word. So words that occur only in new texts have vectors
    too, as published.

    All vectors are saved with the model's weights: a trained model needs neither the file nor the lexicon for them. In
    training the lexicon is the one that the dataset reader saved in the run's directory.

    # Parameters

    vocab : `Vocabulary`
        Supplied by AllenNLP.
    dim : `Optional[int]`, optional (default=`None`)
        Size of the vectors; by default as in the `pretrained_file`, or 50 as published.
    pretrained_file : `Optional[str]`, optional (default=`None`)
        Vectors in word2vec's format, text or binary, compressed or not: see `WordFile`. AllenNLP drops the key when it
        loads a trained model. Without a file all words start with random vectors, and words outside the vocabulary are
        unknown.
    pretrained_format : `Optional[str]`, optional (default=`None`)
        `word2vec_text` or `word2vec_binary`; detected by default.
    normalize : `bool`, optional (default=`True`)
        Whether to scale each vector to length 1 before training, as published.
    word_dropout : `float`, optional (default=`0.01`)
        The probability of replacing a word by the unknown word in training; the default as published.
    trainable : `bool`, optional (default=`True`)
        Whether the vectors of the vocabulary are trained.
    lexicon : `Optional[Lexicon]`, optional (default=`None`)
        The reader's lexicon, if it is not in the run's directory.
    namespace : `str`
        The vocabulary namespace of `LatticeField`.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP.

    # Raises

    `ConfigError` if the file's vectors are not of size `dim`, or `word_dropout` is outside [0, 1). `DataError` for a
    file that cannot be read.
    """

    ids_follow_vocabulary: ClassVar[bool] = True  # the ids of the lexicon's words follow those of the vocabulary
    embedding: Embedding
    lexicon_rows: Tensor
    lexicon_vectors: Tensor
    lexicon_digest: Tensor

    def __init__(
        self,
        vocab: Vocabulary,
        dim: Optional[int] = None,
        pretrained_file: Optional[str] = None,
        pretrained_format: Optional[WordFormat] = None,
        normalize: bool = True,
        word_dropout: float = 0.01,
        trainable: bool = True,
        lexicon: Optional[Lexicon] = None,
        namespace: str = LATTICE_NAMESPACE,
        serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
    ) -> None:
        super().__init__()
        if not 0.0 <= word_dropout < 1.0:
            raise ConfigError(f"lattice_encoder.words.word_dropout must be in [0, 1), got {word_dropout}")
        dim = vector_width(dim, pretrained_file, pretrained_format, namespace, serialization_dir)
        self.word_dropout = word_dropout
        self._unknown = int(vocab.get_token_index(vocab._oov_token, namespace))
        known = _words_of(vocab, namespace)
        others: list[str] = []
        if pretrained_file is None:
            vectors, found = torch.zeros(len(known), dim), torch.zeros(len(known), dtype=torch.bool)
        else:
            saved = _lexicon_of(lexicon, serialization_dir)
            others = [] if saved.only_seen else saved.words
            vectors, found = read_vectors(
                pretrained_file, [*known, *others], dim, "the words' dim", pretrained_format, saved.normalize
            )
            log_coverage(pretrained_file, "words", found[_SPECIAL : len(known)], _of_others(found, known, others))
        _warn_if_no_word(known)
        table = initial_table(vectors[: len(known)], found[: len(known)], normalize)
        # AllenNLP's `Embedding` grows with the vocabulary in transfer learning.
        self.embedding = Embedding(
            dim, weight=table, padding_index=0, trainable=trainable, vocab_namespace=namespace, vocab=vocab
        )
        rows, frozen = _frozen(set(known), others, vectors[len(known) :], found[len(known) :])
        # Shape: (words of the lexicon,)
        self.register_buffer("lexicon_rows", rows)
        # Words of the lexicon outside the vocabulary that have a vector. Shape: (rows, dim)
        self.register_buffer("lexicon_vectors", F.normalize(frozen, dim=1) if normalize else frozen)
        # Identifies the lexicon that the rows belong to. A scalar
        self.register_buffer("lexicon_digest", torch.tensor(digest_of(others) if len(frozen) else _ANY))
        self._checked = False

    def get_output_dim(self) -> int:
        """Size of the vectors."""
        return int(self.embedding.get_output_dim())

    def check_lexicon(self, digests: Optional[Tensor]) -> None:
        """
        Check that texts were read with the lexicon that the vectors belong to: ids beyond the vocabulary are indices of
        the lexicon, so another lexicon would give words wrong vectors. Only the first texts are checked, since a run
        has one lexicon.

        # Parameters

        digests : `Optional[torch.LongTensor]`
            `Lexicon.digest` of each text; `None` if unknown. Shape: (batch,)

        # Raises

        `ConfigError` if the lexicon is another.
        """
        if self._checked or digests is None:
            return
        expected = int(self.lexicon_digest)
        if expected != _ANY and bool((digests != expected).any()):
            raise ConfigError(
                "dataset_reader.lexicon is not the lexicon that the model was trained with, so words would get wrong "
                "vectors: use the same file, with the same min_length, max_length and normalize"
            )
        self._checked = True

    def forward(self, words: Tensor) -> Tensor:
        """
        # Parameters

        words : `torch.LongTensor`
            Ids from `LatticeField`. Shape: (batch, words)

        # Returns

        `torch.Tensor`
            Shape: (batch, words, dim)
        """
        if self.training:
            words = drop_tokens(words, self.word_dropout, self._unknown)
        size = self.embedding.weight.size(0)
        # Shape: (batch, words, dim)
        trained: Tensor = self.embedding(torch.where(words < size, words, self._unknown))
        if self.lexicon_vectors.size(0) == 0:
            return trained
        place = words - size  # Shape of this and the next two: (batch, words)
        inside = (place >= 0) & (place < self.lexicon_rows.size(0))
        rows = self.lexicon_rows[torch.where(inside, place, 0)]
        frozen = F.embedding(rows.clamp(min=0), self.lexicon_vectors)  # Shape: (batch, words, dim)
        return torch.where((inside & (rows != _NO_ROW)).unsqueeze(-1), frozen, trained)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        # The size of the saved lexicon is only known here.
        for name in _BUFFERS:
            saved, buffer = state_dict.get(prefix + name), getattr(self, name)
            if saved is not None and saved.shape[1:] == buffer.shape[1:]:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _of_others(found: Tensor, known: Sequence[str], others: Sequence[str]) -> Tensor:
    """`found` of the lexicon's words that are not known. Shape: (words,)"""
    met = set(known)
    return found[len(known) :][torch.tensor([word not in met for word in others], dtype=torch.bool)]


def _warn_if_no_word(known: Sequence[str]) -> None:
    """Warn if the data contain no word of the lexicon."""
    if len(known) <= _SPECIAL and not is_loading() and is_first_rank():
        logger.warning(
            "the training data contain no word of the lexicon, so the model learns from characters alone: check "
            "dataset_reader.lexicon (NER_LEXICON)"
        )


def _words_of(vocab: Vocabulary, namespace: str) -> list[str]:
    words = vocab.get_index_to_token_vocabulary(namespace)
    return [words[index] for index in range(len(words))]


def _lexicon_of(
    lexicon: Optional[Lexicon], serialization_dir: Optional[Union[str, "os.PathLike[str]"]]
) -> SavedLexicon:
    """The run's lexicon; an empty one if there is none."""
    if lexicon is not None:
        return SavedLexicon(list(lexicon.words), lexicon.normalize, lexicon.only_seen)
    saved = None
    if serialization_dir is not None and not is_loading():
        wait_for_ranks()  # until rank 0 has saved its reader's lexicon
        saved = saved_lexicon(serialization_dir)
    if saved is None:
        logger.warning("no lexicon in the run's directory: words outside the vocabulary have no vectors")
        return SavedLexicon([], Normalisation(("full_width",)), only_seen=True)
    return saved


def _frozen(known: set[str], words: Sequence[str], vectors: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """
    The vectors that are not trained.

    # Parameters

    known : `set[str]`
        The words with trained vectors.
    words : `Sequence[str]`
        The lexicon's words.
    vectors, found : `Tensor`
        Their vectors, and whether they have one. Shape: (words, dim) and (words,)

    # Returns

    `tuple[Tensor, Tensor]`
        Each word's row, or -1, shape (words,); and the rows, shape (rows, dim).
    """
    wanted = found & torch.tensor([word not in known for word in words], dtype=torch.bool)  # Shape: (words,)
    rows = torch.where(wanted, wanted.cumsum(0) - 1, _NO_ROW)
    return rows, vectors[wanted]
