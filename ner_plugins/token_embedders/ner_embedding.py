"""Embeddings of characters and bigrams, with pretrained vectors as in FLAT."""

import os
from typing import Optional, Union

import torch
import torch.nn.functional as F
from allennlp.data import Vocabulary
from allennlp.modules.token_embedders import Embedding, TokenEmbedder
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.lexicon.word_layout import WordFormat
from ner_plugins.lexicon.word_vectors import initial_table, log_coverage, read_vectors, vector_width
from ner_plugins.modules.token_dropout import drop_tokens


@TokenEmbedder.register("ner_embedding")
class NerEmbedding(Embedding):
    """
    AllenNLP's `embedding` with vectors in every format of `WordFile`, scaled to length 1 before training, and with
    dropout of whole tokens (FLAT, Li et al. 2020, as released).

    A token of the vocabulary that is not in the file takes the vector of its half-width form, then of that form in
    lower case; otherwise it starts at random (see `initial_table`).

    Only tokens of the vocabulary have vectors. To include all characters of a vector file in text format, also those
    outside the training data, extend the vocabulary:

    ```jsonnet
    dataset_reader+: { token_indexers: { characters: { type: 'single_id', namespace: 'characters' } } },
    vocabulary: {
      pretrained_files: { characters: 'characters.vec.gz' },
      min_pretrained_embeddings: { characters: -1 },  // all
    },
    model+: { text_field_embedder: { token_embedders: { characters: {
      type: 'ner_embedding', vocab_namespace: 'characters', pretrained_file: 'characters.vec.gz',
    } } } },
    ```

    Registered as a `TokenEmbedder` with name "ner_embedding". Use it with the indexers "single_id" and "ner_bigrams".

    # Parameters

    vocab : `Vocabulary`
        Supplied by AllenNLP.
    embedding_dim : `Optional[int]`, optional (default=`None`)
        Size of the vectors; by default as in the `pretrained_file`, or 50 as published.
    vocab_namespace : `str`, optional (default=`"tokens"`)
        The indexer's namespace.
    pretrained_file : `Optional[str]`, optional (default=`None`)
        Vectors in word2vec's format, text or binary, compressed or not. AllenNLP drops the key when it loads a
        trained model, whose weights include them.
    pretrained_format : `Optional[str]`, optional (default=`None`)
        `word2vec_text` or `word2vec_binary`; detected by default.
    normalize : `bool`, optional (default=`True`)
        Whether to scale each vector to length 1 before training.
    token_dropout : `float`, optional (default=`0.01`)
        The probability of replacing a token by the unknown token in training; the default as published.
    trainable : `bool`, optional (default=`True`)
        Whether the vectors are trained.
    projection_dim : `Optional[int]`, optional (default=`None`)
        If given, the vectors are projected to this size.
    serialization_dir : `Optional[str]`
        Supplied by AllenNLP.

    # Raises

    `ConfigError` if the file's vectors are not of size `embedding_dim`, or `token_dropout` is outside [0, 1).
    `DataError` for a file that cannot be read.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        embedding_dim: Optional[int] = None,
        vocab_namespace: str = "tokens",
        pretrained_file: Optional[str] = None,
        pretrained_format: Optional[WordFormat] = None,
        normalize: bool = True,
        token_dropout: float = 0.01,
        trainable: bool = True,
        projection_dim: Optional[int] = None,
        serialization_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
    ) -> None:
        if not 0.0 <= token_dropout < 1.0:
            raise ConfigError(f"ner_embedding.token_dropout must be in [0, 1), got {token_dropout}")
        width = vector_width(embedding_dim, pretrained_file, pretrained_format, vocab_namespace, serialization_dir)
        tokens = vocab.get_index_to_token_vocabulary(vocab_namespace)
        names = [tokens[index] for index in range(len(tokens))]
        if pretrained_file is None:
            vectors, found = torch.zeros(len(names), width), torch.zeros(len(names), dtype=torch.bool)
        else:
            vectors, found = read_vectors(
                pretrained_file, names, width, "ner_embedding.embedding_dim", pretrained_format
            )
            special = 2 if vocab.is_padded(vocab_namespace) else 0  # padding and the unknown token
            log_coverage(pretrained_file, f"tokens ({vocab_namespace})", found[special:])
        super().__init__(
            width,
            projection_dim=projection_dim,
            weight=initial_table(vectors, found, normalize),
            padding_index=0 if vocab.is_padded(vocab_namespace) else None,
            trainable=trainable,
            vocab_namespace=vocab_namespace,
            vocab=vocab,
        )
        self.normalize = normalize
        self.token_dropout = token_dropout
        self._unknown = vocab.get_token_to_index_vocabulary(vocab_namespace).get(vocab._oov_token)

    def forward(self, tokens: Tensor) -> Tensor:
        """The vectors of token ids. Shape: (batch, tokens) to (batch, tokens, dim)"""
        if self.training and self._unknown is not None:
            tokens = drop_tokens(tokens, self.token_dropout, self._unknown)
        vectors: Tensor = super().forward(tokens)
        return vectors

    def extend_vocab(
        self,
        extended_vocab: Vocabulary,
        vocab_namespace: Optional[str] = None,
        extension_pretrained_file: Optional[str] = None,
        model_path: Optional[str] = None,
    ) -> None:
        """Add rows for a larger vocabulary, as AllenNLP's `Embedding` does, and normalise them too."""
        number = self.weight.size(0)
        super().extend_vocab(extended_vocab, vocab_namespace, extension_pretrained_file, model_path)
        if self.normalize:
            with torch.no_grad():
                self.weight[number:] = F.normalize(self.weight[number:], dim=1)
