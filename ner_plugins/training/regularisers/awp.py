"""The callback `awp`: training at weights that are perturbed relative to their norms."""

from typing import Any, Mapping, Optional, Sequence, Union

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor
from torch.nn import Module, Parameter

from ner_plugins.training.engine.hooks import Backward
from ner_plugins.training.regularisers.perturbation import Attack, along, positive, restored


@TrainerCallback.register("awp")
class AwpCallback(Attack):
    """
    Adversarial weight perturbation (Wu, Xia & Wang 2020, "Adversarial Weight Perturbation Helps Robust
    Generalization", equations 8 and 9). After the gradient g of a batch, every weight matrix w is moved by
    v = gamma ||w|| g / ||g||. The update uses the gradient at the moved weights, and they are restored before it.
    About twice the time.

        {"type": "awp", "gamma": 0.005, "start_epoch": 1}

    # Parameters

    serialization_dir : `str`
    gamma : `float`
        The length of a move relative to the norm of the matrix. Published: 0.005 to 0.01.
    parameters : `Optional[Union[str, list[str]]]`
        See `Attack`. Left out: all parameters of two or more dimensions, as published.
    start_epoch : `int`
        See `Attack`.
    add_to_gradient : `bool`
        Whether the gradient at the moved weights is added to that of the batch, as `fgm` does. Otherwise it replaces
        it, as published.

    # Raises

    `ConfigError`: see `Attack`.
    """

    name = "awp"

    def __init__(
        self,
        serialization_dir: str,
        gamma: float = 0.005,
        parameters: Optional[Union[str, list[str]]] = None,
        start_epoch: int = 0,
        add_to_gradient: bool = False,
    ) -> None:
        super().__init__(serialization_dir, parameters, start_epoch)
        positive(self.name, gamma=gamma)
        self.gamma = gamma
        self.add_to_gradient = add_to_gradient

    def default_names(self, model: Module) -> set[str]:
        """The names of all parameters of two or more dimensions."""
        return {name for name, parameter in model.named_parameters() if parameter.dim() > 1}

    def attacked(self, trainer: Any) -> Sequence[Parameter]:
        """All parameters that learn if the gradient is to be replaced, otherwise those that are moved."""
        if not self.replaces_gradient(trainer):
            return super().attacked(trainer)
        return list(trainer.updates.parameters)

    def replaces_gradient(self, trainer: Any) -> bool:
        """Whether the gradient of the batch itself is left out."""
        return self._is_active and not self.add_to_gradient

    def after_backward(
        self, trainer: Any, batch: Mapping[str, Any], backward: Backward, gradients: Mapping[Parameter, Tensor]
    ) -> None:
        """Add the gradient at the moved weights."""
        if not self._is_active:
            return
        targets = [parameter for parameter in self._chosen if parameter in gradients]
        with restored(targets):
            with torch.no_grad():
                for parameter in targets:
                    length = self.gamma * torch.linalg.vector_norm(parameter)
                    parameter.add_(along(gradients[parameter], length, trainer))
            backward()
