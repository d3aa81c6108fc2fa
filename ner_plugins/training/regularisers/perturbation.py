"""What callbacks share that perturb parameters: which ones, in which direction, and exact restoring."""

import math
import sys
from contextlib import contextmanager
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence, Union

import torch
from allennlp.modules.token_embedders import Embedding
from torch import Tensor
from torch.nn import Module, Parameter

from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.hooks import StepCallback, gradient_scale
from ner_plugins.training.freezing import matching


class Attack(StepCallback):
    """
    Base of the callbacks that train on perturbed parameters too.

    # Parameters

    serialization_dir : `str`
    parameters : `Optional[Union[str, list[str]]]`
        Regular expressions; parameters whose name contains a match are perturbed. Left out: what `default_names` finds.
    start_epoch : `int`
        The first epoch, counted from 0, with perturbations.

    # Raises

    `ConfigError` for options out of range; when training starts, also for an expression that matches nothing, and for
    parameters that do not learn.
    """

    name: ClassVar[str]

    def __init__(
        self, serialization_dir: str, parameters: Optional[Union[str, list[str]]] = None, start_epoch: int = 0
    ) -> None:
        super().__init__(serialization_dir)
        if start_epoch < 0:
            raise ConfigError(f"{self.name}.start_epoch is {start_epoch}, but has to be 0 or more")
        self.parameters = [parameters] if isinstance(parameters, str) else parameters
        self.first_epoch = start_epoch
        self._chosen: list[Parameter] = []
        self._is_active = False

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Find the parameters."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        model = trainer.model
        if self.parameters is None:
            names = self.default_names(model)
        else:
            names = matching(model, self.parameters, f"{self.name}.parameters")
        learning = {id(parameter) for parameter in trainer.updates.parameters}
        self._chosen = [one for name, one in model.named_parameters() if name in names and id(one) in learning]
        if not self._chosen:
            raise ConfigError(
                f"{self.name} perturbs {sorted(names)[0]}, which does not learn: leave its callback out, or let "
                f"{self.name}.parameters match parameters that learn"
            )

    def default_names(self, model: Module) -> set[str]:
        """The names of the token embeddings: see `token_embeddings`."""
        return token_embeddings(model, self.name)

    def start_epoch(self, trainer: Any, epoch: int) -> None:
        """Start at the epoch `start_epoch`."""
        self._is_active = epoch >= self.first_epoch

    def attacked(self, trainer: Any) -> Sequence[Parameter]:
        """The parameters that are perturbed, as far as they learn in this epoch."""
        return [parameter for parameter in self._chosen if parameter.requires_grad] if self._is_active else []

    def targets(self, trainer: Any, gradients: Mapping[Parameter, Tensor]) -> list[Parameter]:
        """Those of the parameters that the batch has a gradient for."""
        return [parameter for parameter in self.attacked(trainer) if parameter in gradients]


def token_embeddings(model: Module, name: str) -> set[str]:
    """
    The names of the embedding matrices of the tokens: those of pretrained transformers, or without any transformer
    those of AllenNLP's `embedding` and of `ner_embedding`.

    # Parameters

    model : `Module`
    name : `str`
        The callback's, for messages.

    # Raises

    `ConfigError` if there is none.
    """
    library = sys.modules.get("transformers.modeling_utils")
    base: Any = () if library is None else library.PreTrainedModel
    transformers: list[Any] = [one for one in model.modules() if isinstance(one, base)]
    tables: list[Any] = [one.get_input_embeddings() for one in transformers]
    tables = tables or [one for one in model.modules() if isinstance(one, Embedding)]
    wanted = {id(table.weight) for table in tables}
    found = {own for own, parameter in model.named_parameters() if id(parameter) in wanted}
    if not found:
        raise ConfigError(
            f"{name} perturbs token embeddings, but the model has none: let {name}.parameters match other parameters"
        )
    return found


@contextmanager
def restored(parameters: Sequence[Parameter]) -> Iterator[list[Tensor]]:
    """Restore the values of parameters afterwards, to the last bit; yields their copies."""
    copies = [parameter.detach().clone() for parameter in parameters]
    try:
        yield copies
    finally:
        with torch.no_grad():
            for parameter, copy in zip(parameters, copies, strict=True):
                parameter.copy_(copy)


@torch.no_grad()
def along(gradient: Tensor, length: Union[float, Tensor], trainer: Any) -> Tensor:
    """
    The vector of a given length in the direction of a gradient; zero if the gradient's norm is 0 or not a number.

    Nothing waits for a GPU. The gradient is unscaled first: the norm of scaled gradients may overflow.

    # Parameters

    gradient : `torch.Tensor`
        A parameter's.
    length : `Union[float, torch.Tensor]`
        Or a scalar tensor.
    trainer : `NerTrainer`

    # Returns

    `torch.Tensor`
        Shape: that of `gradient`
    """
    if trainer.precision.scales:
        gradient = gradient / gradient_scale(trainer, gradient)
    norm = torch.linalg.vector_norm(gradient)
    return torch.where(norm.isfinite() & (norm > 0), gradient * (length / norm), 0.0)


def positive(name: str, **options: float) -> None:
    """
    # Raises

    `ConfigError` if an option of the callback `name` is not a finite number above 0.
    """
    for option, value in options.items():
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name}.{option} is {value}, but has to be a number above 0")
