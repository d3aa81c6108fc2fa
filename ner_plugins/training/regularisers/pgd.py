"""The callback `pgd`: training also on token embeddings that several small steps have moved."""

from typing import Any, Mapping, Optional, Sequence, Union

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor
from torch.nn import Parameter

from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.hooks import Backward
from ner_plugins.training.regularisers.perturbation import Attack, along, positive, restored


@TrainerCallback.register("pgd")
class PgdCallback(Attack):
    """
    Projected gradient descent (Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks"), as
    BERT-NER-Pytorch and bert4ner.pytorch apply it to the embedding matrix. Each of `steps` steps moves it by
    alpha g / ||g||, with g the gradient where it is, and projects its whole move onto the ball of radius epsilon. The
    gradient after the last step is added to that of the batch; those between are only for the next step. Then the
    matrix is restored. About 1 + `steps` times the time.

        {"type": "pgd", "epsilon": 1.0, "alpha": 0.3, "steps": 3}

    # Parameters

    serialization_dir : `str`
    epsilon : `float`
        The greatest length of the whole move.
    alpha : `float`
        The length of a step.
    steps : `int`
    parameters : `Optional[Union[str, list[str]]]`
        See `Attack`. Left out: the token embeddings of the transformer, or of a model without one.
    start_epoch : `int`
        See `Attack`.

    # Raises

    `ConfigError`: see `Attack`.
    """

    name = "pgd"

    def __init__(
        self,
        serialization_dir: str,
        epsilon: float = 1.0,
        alpha: float = 0.3,
        steps: int = 3,
        parameters: Optional[Union[str, list[str]]] = None,
        start_epoch: int = 0,
    ) -> None:
        super().__init__(serialization_dir, parameters, start_epoch)
        positive(self.name, epsilon=epsilon, alpha=alpha)
        if steps < 1:
            raise ConfigError(f"pgd.steps is {steps}, but has to be 1 or more")
        self.epsilon, self.alpha, self.steps = epsilon, alpha, steps

    def after_backward(
        self, trainer: Any, batch: Mapping[str, Any], backward: Backward, gradients: Mapping[Parameter, Tensor]
    ) -> None:
        """Add the gradient after the last step."""
        targets = self.targets(trainer, gradients)
        if not targets:
            return
        with restored(targets) as originals:
            moves = [torch.zeros_like(original) for original in originals]
            for step in range(self.steps):
                with torch.no_grad():
                    for place, parameter in enumerate(targets):
                        if parameter in gradients:
                            move = moves[place] + along(gradients[parameter], self.alpha, trainer)
                            moves[place] = projected(move, self.epsilon)
                            parameter.copy_(originals[place] + moves[place])
                if step < self.steps - 1:
                    gradients = _gradients_alone(trainer.updates.parameters, targets, backward)
            backward()


def projected(move: Tensor, radius: float) -> Tensor:
    """The nearest point of the ball around 0."""
    norm = torch.linalg.vector_norm(move)
    return torch.where(norm > radius, move * (radius / norm), move)


def _gradients_alone(
    parameters: Sequence[Parameter], wanted: Sequence[Parameter], backward: Backward
) -> Mapping[Parameter, Tensor]:
    """The gradients that `backward` would add to `wanted`; those of all parameters stay as they were."""
    kept = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    backward()
    found = {parameter: parameter.grad for parameter in wanted if parameter.grad is not None}
    for parameter, gradient in zip(parameters, kept, strict=True):
        parameter.grad = gradient
    return found
