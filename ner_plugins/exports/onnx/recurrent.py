"""Recurrent encoders as single operators of ONNX, which read texts of different lengths in both directions."""

from typing import Any

import torch
from torch import Tensor, nn

# PyTorch's gates are input, forget, cell, output and reset, update, new; ONNX's are i, o, f, c and z, r, h.
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}


class RecurrentGraph(nn.Module):
    """
    An `nn.LSTM` or `nn.GRU` for the export. Exported by itself it would be unrolled to the length of the example, and
    read the padding of shorter texts backwards.

    # Parameters

    module : `nn.RNNBase`
        With `batch_first`, and without projections.
    """

    def __init__(self, module: nn.RNNBase) -> None:
        super().__init__()
        self.operator = "LSTM" if isinstance(module, nn.LSTM) else "GRU"
        self.directions = 2 if module.bidirectional else 1
        self.hidden_size, self.layers = module.hidden_size, module.num_layers
        for layer in range(self.layers):
            for name in ("weight_ih", "weight_hh", "bias"):
                self.register_buffer(f"{name}_{layer}", self._stacked(module, name, layer))

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """
        # Parameters

        inputs : `torch.Tensor`
            Shape: (batch, length, input_size)
        lengths : `torch.LongTensor`
            The number of tokens of each text. Shape: (batch,)

        # Returns

        `torch.Tensor`
            Shape: (batch, length, directions * hidden_size)
        """
        batch, length, _ = inputs.shape
        states = inputs.transpose(0, 1)  # Shape: (length, batch, input_size)
        attributes: dict[str, Any] = {
            "hidden_size": self.hidden_size,
            "direction": "bidirectional" if self.directions == 2 else "forward",
        }
        if self.operator == "GRU":
            attributes["linear_before_reset"] = 1  # as PyTorch computes the new gate
        shape = (length, self.directions, batch, self.hidden_size)
        for layer in range(self.layers):
            weights = [getattr(self, f"{name}_{layer}") for name in ("weight_ih", "weight_hh", "bias")]
            found: Tensor = torch.onnx.ops.symbolic(
                self.operator, (states, *weights, lengths.int()), attributes, dtype=inputs.dtype, shape=shape
            )
            states = found.transpose(1, 2).flatten(2)  # Shape: (length, batch, directions * hidden_size)
        return states.transpose(0, 1)

    def _stacked(self, module: nn.RNNBase, name: str, layer: int) -> Tensor:
        """The weights of a layer's directions, with the gates in the order of ONNX."""
        found = []
        for suffix in ("", "_reverse")[: self.directions]:
            if name == "bias":
                sizes = len(_GATES[self.operator]) * self.hidden_size
                parts = [getattr(module, f"bias_{kind}_l{layer}{suffix}", torch.zeros(sizes)) for kind in ("ih", "hh")]
                found.append(torch.cat([self._reordered(part) for part in parts]))
            else:
                found.append(self._reordered(getattr(module, f"{name}_l{layer}{suffix}")))
        return torch.stack(found).detach().clone()

    def _reordered(self, weights: Tensor) -> Tensor:
        gates = weights.chunk(len(_GATES[self.operator]))
        return torch.cat([gates[place] for place in _GATES[self.operator]])
