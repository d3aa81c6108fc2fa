"""The lattice encoder `flat`: characters and words in one flat sequence under self-attention."""

import itertools
from typing import Literal, NamedTuple, Optional

import torch
from allennlp.common import Lazy
from allennlp.data import Vocabulary
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.modules.lattice.attention import Pairs, relative_attention
from ner_plugins.modules.lattice.lattice_encoder import Lattice, LatticeEncoder
from ner_plugins.modules.lattice.layout import SpanLayout, lay_out
from ner_plugins.modules.lattice.positions import RelativePositions
from ner_plugins.modules.lattice.word_embedding import WordEmbedding


class PositionTables(NamedTuple):
    """
    The relative positions of a batch's spans.

    # Parameters

    tables : `torch.Tensor`
        From `RelativePositions`. Shape: (kinds, 2 * tokens - 1, dim)
    of_queries : `dict[int, list[int]]`
        For each length of queries, the indices of the tables of the layout's lengths of keys.
    """

    tables: Tensor
    of_queries: dict[int, list[int]]


def position_tables(layout: SpanLayout, positions: RelativePositions) -> PositionTables:
    """The tables of a layout's groups (queries) and lengths (keys), without duplicates."""
    kinds = {group.length: [positions.offsets(group.length, key) for key in layout.lengths] for group in layout.groups}
    places = {kind: place for place, kind in enumerate(dict.fromkeys(itertools.chain(*kinds.values())))}
    of_queries = {length: [places[kind] for kind in of_query] for length, of_query in kinds.items()}
    return PositionTables(positions(layout.tokens, list(places)), of_queries)


class FlatAttention(nn.Module):
    """
    Self-attention of a flat lattice (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer", equation 11;
    Dai et al. 2019, "Transformer-XL"): A_ij = (q_i + u)ᵀ k_j + (q_i + v)ᵀ W_R R_ij for each head.

    # Parameters

    heads, head_dim : `int`
        The vectors have size heads × head_dim.
    key_projection : `bool`, optional (default=`False`)
        Whether keys are a projection of the vectors instead of the vectors themselves.
    output_projection : `bool`, optional (default=`False`)
        Whether a linear layer follows the heads.
    scale : `bool`, optional (default=`False`)
        Whether to divide scores by √head_dim.
    dropout : `float`, optional (default=`0.0`)
        Dropout of the attention weights.
    block_size : `Optional[int]`, optional (default=`None`)
        See `relative_attention`.
    """

    def __init__(
        self,
        heads: int,
        head_dim: int,
        key_projection: bool = False,
        output_projection: bool = False,
        scale: bool = False,
        dropout: float = 0.0,
        block_size: Optional[int] = None,
    ) -> None:
        super().__init__()
        dim = heads * head_dim
        self.heads = heads
        self.query, self.value, self.position = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim) if key_projection else nn.Identity()
        self.output = nn.Linear(dim, dim) if output_projection else nn.Identity()
        self.content_bias = nn.Parameter(torch.empty(heads, head_dim))  # u
        self.position_bias = nn.Parameter(torch.empty(heads, head_dim))  # v
        self.factor = head_dim**-0.5 if scale else 1.0
        self.dropout = dropout
        self.block_size = block_size

    def forward(self, vectors: Tensor, layout: SpanLayout, tables: PositionTables, of_words: bool) -> Tensor:
        """
        # Parameters

        vectors : `torch.Tensor`
            Shape: (batch, spans, dim)
        layout : `SpanLayout`
            The spans. Words must be grouped if `of_words`.
        tables : `PositionTables`
            Their relative positions.
        of_words : `bool`
            Whether words attend too, or only tokens.

        # Returns

        `torch.Tensor`
            Shape: (batch, spans or tokens, dim)
        """
        groups = layout.groups if of_words else layout.groups[:1]
        # Shape of each: (heads, batch, spans, head_dim)
        keys, values = self._split(self.key(vectors)), self._split(self.value(vectors))
        queries = self._split(self.query(vectors[:, : groups[-1].end]))
        by_content = (queries + self.content_bias[:, None, None]) * self.factor
        by_position = (queries + self.position_bias[:, None, None]) * self.factor
        # One per kind. Shape of each: (heads, head_dim, 2 * tokens - 1)
        positions = self._split(self.position(tables.tables)).transpose(2, 3).unbind(1)
        of_tokens = Pairs(layout.tokens, layout.kinds, layout.heads, layout.mask)
        attended = []
        for group in groups:
            spans = slice(group.first, group.end)
            attended.append(
                relative_attention(
                    by_content[:, :, spans],
                    by_position[:, :, spans],
                    keys,
                    values,
                    torch.stack([positions[table] for table in tables.of_queries[group.length]], 2),
                    of_tokens if group is groups[0] else of_tokens._replace(query_heads=layout.heads[:, spans]),
                    self.dropout if self.training else 0.0,
                    self.block_size,
                )
            )
        # Shape: (batch, queries, dim)
        merged: Tensor = self.output(torch.cat(attended, 2).permute(1, 2, 0, 3).flatten(2))
        return merged

    def _split(self, vectors: Tensor) -> Tensor:
        """Shape: (batch, spans, dim) to (heads, batch, spans, head_dim), or the same for (kinds, distances, dim)."""
        return vectors.view(*vectors.shape[:2], self.heads, -1).permute(2, 0, 1, 3)


class FlatLayer(nn.Module):
    """
    A layer of FLAT: y = norm(x + attention(x)), then norm(y + feedforward(y)).

    # Parameters

    attention : `FlatAttention`
    dim, feedforward_dim : `int`
        Sizes of the vectors and of the feed-forward network's inner layer.
    dropout : `float`
        Dropout after each layer of the feed-forward network.
    shared_norm : `bool`, optional (default=`True`)
        Whether both norms share their weights, as published.
    legacy_no_residual : `bool`, optional (default=`False`)
        Compute what the released code does: y = norm(2 attention(x)), then norm(2 feedforward(y)).
    """

    def __init__(
        self,
        attention: FlatAttention,
        dim: int,
        feedforward_dim: int,
        dropout: float,
        shared_norm: bool = True,
        legacy_no_residual: bool = False,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.feedforward = nn.Sequential(
            nn.Linear(dim, feedforward_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(feedforward_dim, dim),
            nn.Dropout(dropout),
        )
        self.norm = nn.LayerNorm(dim)
        self.second_norm = None if shared_norm else nn.LayerNorm(dim)
        self.legacy_no_residual = legacy_no_residual

    def forward(self, vectors: Tensor, layout: SpanLayout, tables: PositionTables, of_words: bool) -> Tensor:
        """As `FlatAttention.forward`."""
        # Shape of all: (batch, queries, dim)
        attended = self.attention(vectors, layout, tables, of_words)
        queries = attended if self.legacy_no_residual else vectors[:, : attended.size(1)]
        middle = self.norm(queries + attended)
        fed = self.feedforward(middle)
        norm = self.norm if self.second_norm is None else self.second_norm
        result: Tensor = norm((fed if self.legacy_no_residual else middle) + fed)
        return result


@LatticeEncoder.register("flat")
class FlatEncoder(LatticeEncoder):
    """
    FLAT (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer"): characters and the lexicon's words form
    one sequence, each with the positions of its first and last character, and attend to each other by content and
    relative position. Only the characters' vectors are returned, so in the last layer only characters attend.

    It computes what the paper defines, up to rounding, in less time and memory: see `RelativePositions` and
    `relative_attention`. The released code lacks the paper's residual connections, by mistake; set
    `legacy_no_residual` to reproduce it. The published dropout of 0.3 on the output is `model.dropout`.

    # Parameters

    vocab : `Vocabulary`
        For `words`.
    input_dim : `int`
        Size of the characters' vectors; the model passes it.
    words : `Lazy[WordEmbedding]`, optional (default=`WordEmbedding`)
        The words' vectors.
    layers, heads, head_dim : `int`, optional (default=`1`, `8`, `16`)
        Vectors have size heads × head_dim in every layer.
    feedforward_dim : `Optional[int]`, optional (default=`3 * heads * head_dim`)
    distances : `Optional[str]`, optional (default=`None`)
        Distances of two spans: `two`, head to head and tail to tail, or `four`, also head to tail and tail to head. By
        default `two` with one layer and `four` with more, as the authors advise: characters, the only queries of the
        last layer, have just one position.
    fusion : `str`, optional (default=`"relu"`)
        Applied to the sum over the distances: `relu`, or `linear` for nothing.
    legacy_no_residual, shared_norm
        See `FlatLayer`.
    key_projection, output_projection, scale
        See `FlatAttention`; all off as published.
    embedding_dropout : `float`, optional (default=`0.5`)
        Dropout of the characters' and the words' vectors, before the linear maps that bring both to one size.
    feedforward_dropout : `float`, optional (default=`0.15`)
        Dropout after each layer of a feed-forward network (published: 0.15; for Weibo 0.3).
    attention_dropout : `float`, optional (default=`0.0`)
        Dropout of the attention weights.
    block_size : `Optional[int]`, optional (default=`None`)
        Characters of a text whose scores are in memory at a time; by default chosen from the sizes. It does not change
        the result.
    serialization_dir : `Optional[str]`, optional (default=`None`)
        For `words`.

    # Raises

    `ConfigError` if a size is not positive or a dropout is outside [0, 1), and as `RelativePositions` does.
    """

    def __init__(
        self,
        vocab: Vocabulary,
        input_dim: int,
        words: Lazy[WordEmbedding] = Lazy(WordEmbedding),  # noqa: B008 (AllenNLP's idiom; it holds no state)
        layers: int = 1,
        heads: int = 8,
        head_dim: int = 16,
        feedforward_dim: Optional[int] = None,
        distances: Optional[Literal["two", "four"]] = None,
        fusion: Literal["relu", "linear"] = "relu",
        legacy_no_residual: bool = False,
        key_projection: bool = False,
        output_projection: bool = False,
        scale: bool = False,
        shared_norm: bool = True,
        embedding_dropout: float = 0.5,
        feedforward_dropout: float = 0.15,
        attention_dropout: float = 0.0,
        block_size: Optional[int] = None,
        serialization_dir: Optional[str] = None,
    ) -> None:
        super().__init__()
        dim = heads * head_dim
        feedforward_dim = 3 * dim if feedforward_dim is None else feedforward_dim
        sizes = {"layers": layers, "heads": heads, "head_dim": head_dim, "feedforward_dim": feedforward_dim}
        sizes["block_size"] = 1 if block_size is None else block_size
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError(f"lattice_encoder.{name} must be >= 1, got {size}")
        dropouts = {"embedding": embedding_dropout, "feedforward": feedforward_dropout, "attention": attention_dropout}
        for name, dropout in dropouts.items():
            if not 0.0 <= dropout < 1.0:
                raise ConfigError(f"lattice_encoder.{name}_dropout must be in [0, 1), got {dropout}")
        self.words = words.construct(vocab=vocab, serialization_dir=serialization_dir)
        self.dropout = nn.Dropout(embedding_dropout)
        self.token_projection = nn.Linear(input_dim, dim)
        self.word_projection = nn.Linear(self.words.get_output_dim(), dim)
        by_layers: Literal["two", "four"] = "two" if layers == 1 else "four"
        self.positions = RelativePositions(dim, distances or by_layers, fusion)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            attention = FlatAttention(
                heads, head_dim, key_projection, output_projection, scale, attention_dropout, block_size
            )
            layer = FlatLayer(attention, dim, feedforward_dim, feedforward_dropout, shared_norm, legacy_no_residual)
            self.layers.append(layer)
        # As published: Xavier for all matrices but embeddings and relative positions, which keep PyTorch's default.
        for module in (self.token_projection, self.word_projection, self.layers):
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    def get_output_dim(self) -> int:
        """The size of the output vectors: heads × head_dim."""
        return self.positions.dim

    def forward(self, encoded: Tensor, mask: Tensor, lattice: Lattice) -> Tensor:
        """`LatticeEncoder.forward`."""
        self.words.check_lexicon(lattice.get("lexicon"))
        several = len(self.layers) > 1
        layout = lay_out(mask, lattice, group_words=several)
        tables = position_tables(layout, self.positions)
        vectors = self._vectors(encoded, mask, lattice["words"], layout.words)  # Shape: (batch, spans, dim)
        for number, layer in enumerate(self.layers, start=1):
            vectors = layer(vectors, layout, tables, of_words=number < len(self.layers))
        return vectors

    def _vectors(self, encoded: Tensor, mask: Tensor, words: Tensor, order: Tensor) -> Tensor:
        """Characters, then words in `order`. Shape: (batch, spans, dim)"""
        # Zero the padding so that NaNs there cannot reach the scores.
        tokens = self.token_projection(self.dropout(encoded.masked_fill(~mask.unsqueeze(2), 0.0)))
        chosen = nn.functional.pad(words, (0, 1)).gather(1, order)  # Shape: (batch, spans - tokens)
        return torch.cat((tokens, self.word_projection(self.dropout(self.words(chosen)))), 1)
