"""Which parameters of a head depend on the entity types, and taking over what was learnt for other types."""

from typing import Hashable, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn

Axes = tuple[Optional[Sequence[Hashable]], ...]
"""
For each axis of a parameter, what its entries stand for, such as the types or the tags; `None` for an axis that has
nothing to do with the types.
"""


@torch.no_grad()
def copy_known_entries(
    trained: nn.Module, target: nn.Module, before: Mapping[str, Axes], now: Mapping[str, Axes]
) -> None:
    """
    Copy the parameters of a module into another that was built with the same options for other types. An entry is
    copied if what it stands for is known to both; the others of `target` stay as they are.

    # Parameters

    trained, target : `torch.nn.Module`
    before, now : `Mapping[str, Axes]`
        The parameters of each that depend on the types. All others have the same shape in both, and are copied whole.
    """
    learnt = trained.state_dict(keep_vars=True)
    for name, parameter in target.state_dict(keep_vars=True).items():
        if name not in now:
            parameter.copy_(learnt[name])
        else:
            _copy_entries(learnt[name], parameter, before[name], now[name])


def _copy_entries(source: Tensor, target: Tensor, before: Axes, now: Axes) -> None:
    """Copy the entries that both have along every axis. `source` is one of `target`'s shape, but for those axes."""
    places = [
        _common(old, new) if old is not None and new is not None else (range(size), range(size))
        for old, new, size in zip(before, now, target.shape, strict=True)
    ]
    device = target.device
    read, write = (
        torch.meshgrid(*(torch.tensor(list(place[side]), device=device) for place in places), indexing="ij")
        for side in (0, 1)
    )
    target[tuple(write)] = source.to(target)[tuple(read)]


def _common(before: Sequence[Hashable], now: Sequence[Hashable]) -> tuple[list[int], list[int]]:
    """The places, in either sequence, of what both hold."""
    place = {label: index for index, label in enumerate(before)}
    common = [(place[label], index) for index, label in enumerate(now) if label in place]
    return [old for old, _ in common], [new for _, new in common]
