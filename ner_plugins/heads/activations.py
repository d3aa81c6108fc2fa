"""The activations that layers of heads can have."""

from typing import Callable, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Callable[[Tensor], Tensor]
ActivationName = Literal["elu", "gelu", "leaky_relu", "relu", "silu", "tanh"]

ACTIVATIONS: dict[str, Activation] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}
