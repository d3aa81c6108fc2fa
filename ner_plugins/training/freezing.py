"""Which parameters learn, and which modules keep their dropout, while a part of a model is frozen."""

import re
import sys
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Iterable, Iterator, Sequence

import torch
from torch.nn import Module

from ner_plugins.errors import ConfigError

OUTSIDE_HEAD = r"^(?!head\.)"
"""Matches the parameters of a `NerModel` that are not its head's."""


def matching(model: Module, patterns: Sequence[str], key: str) -> set[str]:
    """
    The names of the parameters in which one of the regular expressions is found.

    # Parameters

    model : `Module`
    patterns : `Sequence[str]`
        As in an optimizer's `parameter_groups`: found anywhere in the name.
    key : `str`
        The config key that holds them, for messages.

    # Raises

    `ConfigError` for one that is no regular expression, or that is found in no name.
    """
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        try:
            matches = {name for name in names if re.search(pattern, name)}
        except re.error as error:
            raise ConfigError(f"{key}: {pattern!r} is no regular expression ({error})") from error
        if not matches:
            raise ConfigError(f"{key}: {pattern!r} matches no parameter of the model{_hint(pattern, names)}")
        found |= matches
    return found


def pretrained_parameters(model: Module) -> set[str]:
    """The names of the parameters of the pretrained transformers in a model."""
    library = sys.modules.get("transformers.modeling_utils")
    if library is None:  # then no transformer was built
        return set()
    return {
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        if isinstance(module, library.PreTrainedModel)
        for own, _ in module.named_parameters()
    }


def frozen_modules(model: Module, frozen: set[str]) -> list[Module]:
    """The largest modules all of whose parameters are frozen; a module without parameters is none of them."""
    found: list[Module] = []

    def visit(module: Module, prefix: str) -> None:
        names = {prefix + name for name, _ in module.named_parameters()}
        if names and names <= frozen:
            found.append(module)
        elif names & frozen:
            for name, child in module.named_children():
                visit(child, f"{prefix}{name}.")

    visit(model, "")
    return found


def train_with(model: Module, asleep: Iterable[Module]) -> None:
    """Put a model into training mode, but for the modules `asleep`, whose dropout stays off."""
    model.train()
    for module in asleep:
        module.eval()


@contextmanager
def gradients_and_modes_kept(model: Module) -> Iterator[None]:
    """Afterwards which parameters learn, and which modules are in training mode, is as before; gradients are none."""
    learning = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    training = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(learning[name])
            parameter.grad = None
        for module, mode in training:
            module.training = mode


def freeze(model: Module, names: set[str]) -> None:
    """Let the named parameters learn nothing; an optimizer passes over what has no gradient, weight decay included."""
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
            parameter.grad = None


def learning(model: Module) -> list[tuple[str, torch.nn.Parameter]]:
    """The parameters that learn, with their names."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _hint(pattern: str, names: Sequence[str]) -> str:
    parts = list(dict.fromkeys(".".join(name.split(".")[:depth]) for name in names for depth in (1, 2, 3)))
    near = get_close_matches(re.sub(r"[\\^$()]", "", pattern), parts, n=1, cutoff=0.5)
    listed = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
    return f" (did you mean {near[0]!r}?)" if near else f"; its parts are {listed}"
