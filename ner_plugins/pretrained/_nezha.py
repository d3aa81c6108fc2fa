"""
NEZHA (Wei et al. 2019): BERT with functional relative positions in attention, and no absolute ones.

Transformers had it up to version 4. Its parts have the names of the published weights.
"""

import math
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.bert.modeling_bert import BertIntermediate, BertOutput, BertPooler, BertSelfOutput

from ner_plugins.pretrained._nezha_config import NezhaConfig


def relative_positions(length: int, dim: int, furthest: int, like: Tensor) -> Tensor:
    """
    The vectors of the positions of pieces as seen from one another.

    That of piece j, seen from piece i, is row `furthest` + clip(j - i, -`furthest`, `furthest`) of the table of sines
    and cosines of Vaswani et al. (2017). The paper writes them as functions of j - i itself; the published weights were
    trained with those of the row.

    # Parameters

    length : `int`
        The number of pieces.
    dim : `int`
        The size of an attention head.
    furthest : `int`
        The distance from which on all positions are equally far.
    like : `Tensor`
        Of the result's device and type.

    # Returns

    `Tensor`
        Shape: (length, length, dim)
    """
    device = like.device
    rows = torch.arange(2 * furthest + 1, dtype=torch.float32, device=device).unsqueeze(1)  # Shape: (rows, 1)
    rates = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32, device=device) * (-math.log(10000.0) / dim))
    table = torch.zeros(2 * furthest + 1, dim, device=device)
    table[:, 0::2] = torch.sin(rows * rates)
    table[:, 1::2] = torch.cos(rows * rates[: dim // 2])
    place = torch.arange(length, device=device)
    distances = (place.unsqueeze(0) - place.unsqueeze(1)).clamp(-furthest, furthest)  # Shape: (length, length)
    return table.to(like.dtype)[distances + furthest]


class NezhaEmbeddings(nn.Module):
    """
    The embeddings of pieces and of their segments.

    # Parameters

    config : `NezhaConfig`
    """

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, words: Tensor, token_type_ids: Optional[Tensor]) -> Tensor:
        """
        # Parameters

        words : `Tensor`
            The embeddings of the pieces themselves. Shape: (batch, pieces, dim)
        token_type_ids : `Optional[Tensor]`
            Their segments; `None` if all are of the first. Shape: (batch, pieces)

        # Returns

        `Tensor`
            Shape: (batch, pieces, dim)
        """
        types = self.token_type_embeddings
        embedded = words + (types.weight[0] if token_type_ids is None else types(token_type_ids))
        normed: Tensor = self.dropout(self.LayerNorm(embedded))
        return normed


class NezhaSelfAttention(nn.Module):
    """
    Attention to contents and to relative positions: equations 1 to 3 of the paper.

    # Parameters

    config : `NezhaConfig`
    """

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.num_attention_heads
        self.query, self.key, self.value = nn.Linear(size, size), nn.Linear(size, size), nn.Linear(size, size)
        self.dropout = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(self, hidden: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """
        # Parameters

        hidden : `Tensor`
            Shape: (batch, pieces, dim)
        mask : `Tensor`
            What is added to the scores of pieces. Shape: (batch, 1, 1, pieces)
        positions : `Tensor`
            See `relative_positions`. Shape: (pieces, pieces, dim of a head)

        # Returns

        `Tensor`
            Shape: (batch, pieces, dim)
        """
        layers = (self.query, self.key, self.value)
        # Shape of each: (batch, heads, pieces, dim of a head)
        query, key, value = (layer(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in layers)
        # Shape: (batch, heads, pieces, pieces)
        scores = query @ key.transpose(2, 3) + torch.einsum("bhid,ijd->bhij", query, positions)
        weights = self.dropout(F.softmax(scores / math.sqrt(query.size(-1)) + mask, dim=-1))
        attended: Tensor = weights @ value + torch.einsum("bhij,ijd->bhid", weights, positions)
        return attended.transpose(1, 2).flatten(2)


class NezhaAttention(nn.Module):
    """
    Attention with its output layer.

    # Parameters

    config : `NezhaConfig`
    """

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__()
        self.self = NezhaSelfAttention(config)
        self.output = BertSelfOutput(config)

    def forward(self, hidden: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """As `NezhaSelfAttention.forward`."""
        attended: Tensor = self.output(self.self(hidden, mask, positions), hidden)
        return attended


class NezhaLayer(GradientCheckpointingLayer):
    """
    A layer of the encoder.

    # Parameters

    config : `NezhaConfig`
    """

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__()
        self.attention = NezhaAttention(config)
        self.intermediate = BertIntermediate(config)
        self.output = BertOutput(config)

    def forward(self, hidden: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """As `NezhaSelfAttention.forward`."""
        attended = self.attention(hidden, mask, positions)
        transformed: Tensor = self.output(self.intermediate(attended), attended)
        return transformed


class NezhaEncoder(nn.Module):
    """
    The layers.

    # Parameters

    config : `NezhaConfig`
    """

    def __init__(self, config: NezhaConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(NezhaLayer(config) for _ in range(config.num_hidden_layers))


class NezhaModel(PreTrainedModel):
    """
    The encoder, with the interface of Transformers' `BertModel`.

    # Parameters

    config : `NezhaConfig`
    add_pooling_layer : `bool`, optional (default=`True`)
        Whether it has the layer over the first piece that the published models were trained with.
    """

    config_class = NezhaConfig
    base_model_prefix = "nezha"
    supports_gradient_checkpointing = True
    _keys_to_ignore_on_load_unexpected = (r"relative_positions_encoding\.positions_encoding$",)  # computed here

    def __init__(self, config: NezhaConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embeddings = NezhaEmbeddings(config)
        self.encoder = NezhaEncoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """The embeddings of pieces."""
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the embeddings of pieces."""
        self.embeddings.word_embeddings = value

    def forward(
        self,
        input_ids: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None,
        token_type_ids: Optional[Tensor] = None,
        inputs_embeds: Optional[Tensor] = None,
        output_hidden_states: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """
        # Parameters

        input_ids : `Optional[Tensor]`
            Shape: (batch, pieces)
        attention_mask : `Optional[Tensor]`
            Which pieces to attend to; all by default. Shape: (batch, pieces)
        token_type_ids : `Optional[Tensor]`
            The segments of pieces; all the first by default. Shape: (batch, pieces)
        inputs_embeds : `Optional[Tensor]`
            Embeddings of pieces instead of `input_ids`. Shape: (batch, pieces, dim)
        output_hidden_states : `Optional[bool]`
            Whether to return the embeddings and the output of every layer too.
        return_dict : `Optional[bool]`
            Accepted for the interface; the result is always an object.

        # Returns

        `transformers.modeling_outputs.BaseModelOutputWithPooling`
        """
        words = self.embeddings.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        hidden = self.embeddings(words, token_type_ids)  # Shape: (batch, pieces, dim)
        mask = _added_mask(attention_mask, hidden)
        head_size = self.config.hidden_size // self.config.num_attention_heads
        positions = relative_positions(hidden.size(1), head_size, self.config.max_relative_position, like=hidden)
        states = [hidden]
        for layer in self.encoder.layer:
            hidden = layer(hidden, mask, positions)
            states.append(hidden)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden,
            pooler_output=None if self.pooler is None else self.pooler(hidden),
            hidden_states=tuple(states) if output_hidden_states else None,
        )


def _added_mask(attended: Optional[Tensor], hidden: Tensor) -> Tensor:
    """What is added to the scores of pieces, from those to attend to, (batch, pieces). (batch, 1, 1, pieces)"""
    if attended is None:
        return hidden.new_zeros(hidden.size(0), 1, 1, hidden.size(1))
    ignored = (attended == 0)[:, None, None, :]
    return hidden.new_zeros(ignored.shape).masked_fill(ignored, torch.finfo(hidden.dtype).min)
