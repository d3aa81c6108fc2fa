"""The callback `fgm`: training also on token embeddings that are moved along their gradient."""

from typing import Any, Mapping, Optional, Union

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor
from torch.nn import Parameter

from ner_plugins.training.engine.hooks import Backward
from ner_plugins.training.regularisers.perturbation import Attack, along, positive, restored


@TrainerCallback.register("fgm")
class FgmCallback(Attack):
    """
    The fast gradient method (Miyato, Dai & Goodfellow 2017, "Adversarial Training Methods for Semi-Supervised Text
    Classification"), as published NER systems apply it. After the gradient g of a batch, the embedding matrix is moved
    by r = epsilon g / ||g||, a second pass adds its gradient, and the matrix is restored. About twice the time.

        {"type": "fgm", "epsilon": 1.0}

    If the norm of g is 0 or not a number, r is zero, as published. With accumulation every batch is attacked with its
    own gradient. Several matrices are each moved by epsilon.

    # Parameters

    serialization_dir : `str`
    epsilon : `float`
        The length of r, a Euclidean norm over the whole matrix.
    parameters : `Optional[Union[str, list[str]]]`
        See `Attack`. Left out: the token embeddings of the transformer, or of a model without one.
    start_epoch : `int`
        See `Attack`.

    # Raises

    `ConfigError`: see `Attack`.
    """

    name = "fgm"

    def __init__(
        self,
        serialization_dir: str,
        epsilon: float = 1.0,
        parameters: Optional[Union[str, list[str]]] = None,
        start_epoch: int = 0,
    ) -> None:
        super().__init__(serialization_dir, parameters, start_epoch)
        positive(self.name, epsilon=epsilon)
        self.epsilon = epsilon

    def after_backward(
        self, trainer: Any, batch: Mapping[str, Any], backward: Backward, gradients: Mapping[Parameter, Tensor]
    ) -> None:
        """Add the gradient at the moved embeddings."""
        targets = self.targets(trainer, gradients)
        if not targets:
            return
        with restored(targets):
            with torch.no_grad():
                for parameter in targets:
                    parameter.add_(along(gradients[parameter], self.epsilon, trainer))
            backward()
