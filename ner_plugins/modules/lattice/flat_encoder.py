"""The lattice encoder `flat`: characters and words in one flat sequence under self-attention."""

import itertools
from typing import NamedTuple, Optional

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
        As `RelativePositions` returns them. Shape: (kinds, 2 * tokens - 1, dim)
    of_queries : `dict[int, list[int]]`
        By the length of a query, which tables are those of the layout's lengths.
    """

    tables: Tensor
    of_queries: dict[int, list[int]]


def position_tables(layout: SpanLayout, positions: RelativePositions) -> PositionTables:
    """The tables of a layout's groups (as queries) and lengths (as keys); those that are alike are there once."""
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
        The vectors have heads × head_dim numbers.
    key_projection : `bool`
        Whether k is a projection of the vectors, rather than these.
    output_projection : `bool`
        Whether there is a linear layer on the heads' results.
    scale : `bool`
        Whether scores are divided by √head_dim.
    dropout : `float`
        Of attention's weights.
    block_size : `Optional[int]`
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
            The spans. If `of_words`, its words are grouped.
        tables : `PositionTables`
            Their relative positions.
        of_words : `bool`
            Whether words attend too, or tokens only.

        # Returns

        `torch.Tensor`
            Shape: (batch, spans or tokens, dim)
        """
        groups = layout.groups if of_words else layout.groups[:1]
        keys, values = self._split(self.key(vectors)), self._split(self.value(vectors))
        queries = self._split(self.query(vectors[:, : groups[-1].end]))
        by_content = (queries + self.content_bias[:, None, None]) * self.factor
        by_position = (queries + self.position_bias[:, None, None]) * self.factor
        # By kind. Shape of each: (heads, head_dim, 2 * tokens - 1)
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
        merged: Tensor = self.output(torch.cat(attended, 2).permute(1, 2, 0, 3).flatten(2))
        return merged

    def _split(self, vectors: Tensor) -> Tensor:
        """(batch, spans, dim) to (heads, batch, spans, head_dim), and the same of (kinds, distances, dim)."""
        return vectors.view(*vectors.shape[:2], self.heads, -1).permute(2, 0, 1, 3)


class FlatLayer(nn.Module):
    """
    A layer of FLAT: y = norm(x + attention(x)), then norm(y + feedforward(y)).

    # Parameters

    attention : `FlatAttention`
    dim, feedforward_dim : `int`
        Size of the vectors, and of the feed-forward network's inner layer.
    dropout : `float`
        After either layer of the network.
    shared_norm : `bool`
        Whether the two norms are one, as published.
    legacy_no_residual : `bool`
        What was released instead: y = norm(2 attention(x)), then norm(2 feedforward(y)).
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
    FLAT (Li et al. 2020, "FLAT: Chinese NER Using Flat-Lattice Transformer"): characters and the lexicon's words stand
    in one sequence, each with the positions of its first and its last character, and attend to each other by content
    and relative position. The result is that of the characters; so in the last layer only they attend.

    It is the published computation, but for rounding, in time and memory that are small: see `RelativePositions` and
    `relative_attention`. What was released lacks the residual connections of the paper, by mistake; they are there,
    unless `legacy_no_residual` is set. The published dropout of 0.3 on the result is the model's (`model.dropout`).

    # Parameters

    vocab : `Vocabulary`
        For `words`.
    input_dim : `int`
        Size of the characters' vectors; a model says it.
    words : `Lazy[WordEmbedding]`
        The words' vectors.
    layers, heads, head_dim : `int`
        Vectors are of heads × head_dim numbers in every layer.
    feedforward_dim : `Optional[int]`
        Three times the size of the vectors, if it is not given.
    distances : `Optional[str]`
        Of two spans: `two`, from head to head and from tail to tail, or `four`, also from head to tail and from tail to
        head. By default two with one layer, four with more, by the authors' advice: characters, which alone attend in
        the last layer, have one position.
    fusion : `str`
        What the distances' sum goes through: `relu` or `linear`.
    legacy_no_residual, shared_norm
        See `FlatLayer`.
    key_projection, output_projection, scale
        See `FlatAttention`; none of them as published.
    embedding_dropout : `float`
        On the characters' vectors and on the words', before the linear maps that give both one size.
    feedforward_dropout, attention_dropout : `float`
        After either layer of a feed-forward network (published: 0.15; for Weibo 0.3), and on attention's weights.
    block_size : `Optional[int]`
        Characters of a text whose scores are in memory at a time; chosen from the sizes, if it is not given. The result
        is the same.
    serialization_dir : `Optional[str]`
        For `words`.

    # Raises

    `ConfigError` if a number of these is not positive, for a dropout that is none, and as `RelativePositions` does.
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
        distances: Optional[str] = None,
        fusion: str = "relu",
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
                raise ConfigError(f"lattice_encoder.{name} is {size}, but must be at least 1")
        dropouts = {"embedding": embedding_dropout, "feedforward": feedforward_dropout, "attention": attention_dropout}
        for name, dropout in dropouts.items():
            if not 0.0 <= dropout < 1.0:
                raise ConfigError(f"lattice_encoder.{name}_dropout is {dropout}; it is 0 or more, and less than 1")
        self.words = words.construct(vocab=vocab, serialization_dir=serialization_dir)
        self.dropout = nn.Dropout(embedding_dropout)
        self.token_projection = nn.Linear(input_dim, dim)
        self.word_projection = nn.Linear(self.words.get_output_dim(), dim)
        self.positions = RelativePositions(dim, distances or ("two" if layers == 1 else "four"), fusion)
        self.layers = nn.ModuleList()
        for _ in range(layers):
            attention = FlatAttention(
                heads, head_dim, key_projection, output_projection, scale, attention_dropout, block_size
            )
            layer = FlatLayer(attention, dim, feedforward_dim, feedforward_dropout, shared_norm, legacy_no_residual)
            self.layers.append(layer)
        # As published: all matrices but the embeddings' and the relative positions', which keep PyTorch's.
        for module in (self.token_projection, self.word_projection, self.layers):
            for parameter in module.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)

    def get_output_dim(self) -> int:
        """The size of the vectors that `forward` gives: heads × head_dim."""
        return self.positions.dim

    def forward(self, encoded: Tensor, mask: Tensor, lattice: Lattice) -> Tensor:
        """`LatticeEncoder.forward`."""
        self.words.check_lexicon(lattice.get("lexicon"))
        several = len(self.layers) > 1
        layout = lay_out(mask, lattice, group_words=several)
        tables = position_tables(layout, self.positions)
        vectors = self._vectors(encoded, mask, lattice["words"], layout.words)
        for number, layer in enumerate(self.layers, start=1):
            vectors = layer(vectors, layout, tables, of_words=number < len(self.layers))
        return vectors

    def _vectors(self, encoded: Tensor, mask: Tensor, words: Tensor, order: Tensor) -> Tensor:
        """Characters, then words in their `order`. Shape: (batch, spans, dim)."""
        # Whatever stands at padding, even what is not a number, is of no consequence.
        tokens = self.token_projection(self.dropout(encoded.masked_fill(~mask.unsqueeze(2), 0.0)))
        chosen = nn.functional.pad(words, (0, 1)).gather(1, order)
        return torch.cat((tokens, self.word_projection(self.dropout(self.words(chosen)))), 1)
