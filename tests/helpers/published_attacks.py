"""`fgm`, `pgd` and `awp` as their authors' loops compute the gradient of one batch."""

from typing import Any

import torch
from recorded_runs import EMBEDDING, parameter, weights_of


def clean(model: Any, batch: Any) -> None:
    model(**batch)["loss"].backward()


def fgm(model: Any, batch: Any, epsilon: float = 0.7) -> None:
    """The published procedure, for the gradient of one batch."""
    clean(model, batch)
    table = parameter(model, EMBEDDING)
    before = table.data.clone()
    table.data.add_(epsilon * table.grad / torch.norm(table.grad))
    clean(model, batch)
    table.data = before


def pgd(model: Any, batch: Any, epsilon: float = 0.5, alpha: float = 0.3, steps: int = 3) -> None:
    """The procedure of bert4ner.pytorch's ancestor."""
    clean(model, batch)
    table = parameter(model, EMBEDDING)
    backup = table.data.clone()
    gradients = {name: one.grad.clone() for name, one in model.named_parameters()}
    for step in range(steps):
        table.data.add_(alpha * table.grad / torch.norm(table.grad))
        move = table.data - backup
        if torch.norm(move) > epsilon:
            move = epsilon * move / torch.norm(move)
        table.data = backup + move
        if step < steps - 1:
            model.zero_grad()
        else:
            for name, one in model.named_parameters():
                one.grad = gradients[name]
        clean(model, batch)
    table.data = backup


def awp(model: Any, batch: Any, gamma: float = 0.05, add: bool = False) -> None:
    clean(model, batch)
    before = weights_of(model)
    for one in model.parameters():
        if one.dim() > 1:
            one.data += gamma * one.data.norm() * one.grad / one.grad.norm()
        if not add:
            one.grad = torch.zeros_like(one)
    clean(model, batch)
    for name, one in model.named_parameters():
        one.data = before[name]


CASES: dict[str, Any] = {
    "fgm": ({"type": "fgm", "epsilon": 0.7}, fgm),
    "pgd": ({"type": "pgd", "epsilon": 0.5, "alpha": 0.3, "steps": 3}, pgd),
    "awp": ({"type": "awp", "gamma": 0.05}, awp),
    "awp_added": ({"type": "awp", "gamma": 0.05, "add_to_gradient": True}, lambda m, b: awp(m, b, add=True)),
}
