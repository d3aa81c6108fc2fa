"""Freezing a part of a model: selecting its parameters, and the modules to keep in evaluation mode."""

import re
import sys
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Iterable, Iterator, Sequence

import torch
from torch.nn import Module

from ner_plugins.errors import ConfigError

OUTSIDE_HEAD = r"^(?!head\.)"
"""Matches the parameters of a `NerModel` outside its head."""


def matching(model: Module, patterns: Sequence[str], key: str) -> set[str]:
    """
    The names of the parameters that match one of the regular expressions.

    # Parameters

    model : `Module`
    patterns : `Sequence[str]`
        They may match anywhere in the name, as in an optimizer's `parameter_groups`.
    key : `str`
        Their config key, for messages.

    # Raises

    `ConfigError` for an invalid regular expression, and for one that matches no name.
    """
    names = [name for name, _ in model.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        try:
            matches = {name for name in names if re.search(pattern, name)}
        except re.error as error:
            raise ConfigError(f"{key}: {pattern!r} is not a valid regular expression ({error})") from error
        if not matches:
            raise ConfigError(f"{key}: {pattern!r} matches no parameter of the model{similar_names(pattern, names)}")
        found |= matches
    return found


def pretrained_parameters(model: Module) -> set[str]:
    """The names of the parameters of the pretrained transformers in a model."""
    library = sys.modules.get("transformers.modeling_utils")
    if library is None:  # no transformer was constructed
        return set()
    return {
        f"{name}.{own}" if name else own
        for name, module in model.named_modules()
        if isinstance(module, library.PreTrainedModel)
        for own, _ in module.named_parameters()
    }


def frozen_modules(model: Module, frozen: set[str]) -> list[Module]:
    """The outermost modules that have parameters, all of them frozen."""
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


def train_with(model: Module, eval_modules: Iterable[Module]) -> None:
    """Put a model into training mode, and `eval_modules` into evaluation mode, without dropout."""
    model.train()
    for module in eval_modules:
        module.eval()


@contextmanager
def gradients_and_modes_kept(model: Module) -> Iterator[None]:
    """Restore `requires_grad` and the modes of all modules afterwards, and clear all gradients."""
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
    """Freeze the named parameters. Optimizers skip parameters without a gradient, including their weight decay."""
    for name, parameter in model.named_parameters():
        if name in names:
            parameter.requires_grad_(False)
            parameter.grad = None


def learning(model: Module) -> list[tuple[str, torch.nn.Parameter]]:
    """The names and values of the parameters that learn."""
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def similar_names(pattern: str, names: Sequence[str]) -> str:
    """What follows "matches no parameter of the model" in a message: the closest part of the model, or all parts."""
    parts = list(dict.fromkeys(".".join(name.split(".")[:depth]) for name in names for depth in (1, 2, 3)))
    near = get_close_matches(re.sub(r"[\\^$()]", "", pattern), parts, n=1, cutoff=0.5)
    listed = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
    return f" (did you mean {near[0]!r}?)" if near else f"; its parts are {listed}"
