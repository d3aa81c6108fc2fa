"""Projections of token vectors to their role as the first, or the last, token of a span."""

import math
from typing import ClassVar, Optional

import torch.nn.functional as F
from allennlp.common import FromParams
from torch import Tensor, nn

from ner_plugins.errors import ConfigError
from ner_plugins.heads.activations import ACTIVATIONS, ActivationName


class SpanProjection(nn.Module, FromParams):
    """
    A feed-forward projection of token vectors to their role as the first, or the last, token of a span.

    Each layer is linear, then the activation, then dropout. The defaults are the published system's: one linear layer
    of 150 units without activation (Yu et al. 2020, "Named Entity Recognition as Dependency Parsing", as released).

    # Parameters

    input_dim : `int`
        Size of the token vectors.
    dim : `int`, optional (default=`150`)
        Size of every layer's output.
    depth : `int`, optional (default=`1`)
        Number of layers. With 0 the vectors pass unchanged, and the other parameters have no effect.
    activation : `Optional[str]`, optional (default=`None`)
        `elu`, `gelu`, `leaky_relu`, `relu`, `silu` or `tanh`; `None` leaves the layers linear.
    dropout : `float`, optional (default=`0.0`)
        Probability of zeroing a unit after each layer.
    variational : `bool`, optional (default=`False`)
        Draw one dropout mask per sentence, shared by its positions (Gal & Ghahramani 2016).

    # Raises

    `ConfigError` if `depth`, `dim` or `dropout` is out of range.
    """

    fixed_options: ClassVar[frozenset[str]] = frozenset({"input_dim"})
    """What the head gives; a config that gives it is refused."""

    def __init__(
        self,
        input_dim: int,
        dim: int = 150,
        depth: int = 1,
        activation: Optional[ActivationName] = None,
        dropout: float = 0.0,
        variational: bool = False,
    ) -> None:
        super().__init__()
        if depth < 0:
            raise ConfigError(f"projection.depth must be >= 0, got {depth}")
        if dim < 1:
            raise ConfigError(f"projection.dim must be >= 1, got {dim}")
        if not 0.0 <= dropout < 1.0:
            raise ConfigError(f"projection.dropout must be in [0, 1), got {dropout}")
        self.input_dim, self.output_dim = input_dim, dim if depth > 0 else input_dim
        self.activation, self.dropout, self.variational = activation, dropout, variational
        layers = [nn.Linear(input_dim if i == 0 else dim, dim) for i in range(depth)]
        for layer in layers:
            # Glorot's deviation keeps the signal in a deep stack; a single layer starts as published.
            std = 0.02 if depth == 1 else math.sqrt(2.0 / (layer.in_features + layer.out_features))
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(layer.bias)
        self.layers = nn.ModuleList(layers)

    def get_input_dim(self) -> int:
        """Size of the vectors it takes."""
        return self.input_dim

    def get_output_dim(self) -> int:
        """Size of the vectors it returns."""
        return self.output_dim

    def forward(self, tokens: Tensor) -> Tensor:
        """
        # Parameters

        tokens : `torch.Tensor`
            Shape: (batch, length, input_dim)

        # Returns

        `torch.Tensor`
            Shape: (batch, length, get_output_dim())
        """
        for layer in self.layers:
            tokens = layer(tokens)
            if self.activation is not None:
                tokens = ACTIVATIONS[self.activation](tokens)
            tokens = self._drop(tokens)
        return tokens

    def _drop(self, tokens: Tensor) -> Tensor:
        if not self.training or self.dropout == 0.0:
            return tokens
        if self.variational:
            # Dropping a whole channel is dropping a unit at every position.
            return F.dropout1d(tokens.transpose(1, 2), self.dropout).transpose(1, 2)
        return F.dropout(tokens, self.dropout)
