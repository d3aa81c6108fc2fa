"""The callback `r_drop`: two forward passes with dropout have to agree."""

from typing import Any, Mapping

import torch
from allennlp.training.callbacks import TrainerCallback
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.heads.head import Head
from ner_plugins.modules.losses.weighted_loss import divisor
from ner_plugins.training.engine.hooks import Forward, Outputs, StepCallback, measures_nothing
from ner_plugins.training.regularisers.perturbation import positive


@TrainerCallback.register("r_drop")
class RDropCallback(StepCallback):
    """
    R-Drop (Liang et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", equations 1 to 3). Each batch passes
    the model twice, with dropout of its own each time. The loss is the mean of both losses, plus
    alpha (KL(P || Q) + KL(Q || P)) / 2 for the two distributions P and Q of the head: see `Head.divergence`. The
    divergence is divided by what the loss is averaged over, or by the number of sentences; weights of sentences count
    in both. About twice the time and memory.

        {"type": "r_drop", "alpha": 1.0}

    # Parameters

    serialization_dir : `str`
    alpha : `float`
        The weight of the divergence.

    # Raises

    `ConfigError` if `alpha` is not above 0; when training starts, also if the model has no head with a `divergence`.
    """

    def __init__(self, serialization_dir: str, alpha: float = 1.0) -> None:
        super().__init__(serialization_dir)
        positive("r_drop", alpha=alpha)
        self.alpha = alpha

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        """Check the head."""
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        head = getattr(trainer.model, "head", None)
        if not isinstance(head, Head):
            raise ConfigError("r_drop compares what heads predict, and needs a model with a head, such as ner")
        if type(head).divergence is Head.divergence:
            raise ConfigError(
                f"r_drop needs the method `divergence`, which the head {type(head).__name__} lacks: see "
                "ner_plugins.heads.head.Head.divergence, or leave r_drop out"
            )

    def outputs(self, trainer: Any, batch: Mapping[str, Any], forward: Forward) -> Outputs:
        """The outputs of the first pass, with the loss of both."""
        seen: list[tuple[Tensor, Any]] = []
        head: Any = trainer.model.head
        # With several dropout samples the head scores each pass several times.
        handle = head.register_forward_hook(lambda _, inputs, scores: seen.append((inputs[1], scores)))
        try:
            first = forward()
            with measures_nothing(trainer.model):
                second = forward()
        finally:
            handle.remove()
        half = len(seen) // 2
        weights = _weights(trainer.model, batch)
        divergences = [
            head.divergence(scores, other, batch["entities"], mask, *weights)
            for (mask, scores), (_, other) in zip(seen[:half], seen[half:], strict=True)
        ]
        number = first.get("loss_weight", torch.tensor(len(batch["entities"])))
        divergence = torch.stack(divergences).mean() / divisor(number)
        return {**first, "loss": (first["loss"] + second["loss"]) / 2 + self.alpha * divergence}


def _weights(model: Any, batch: Mapping[str, Any]) -> list[Tensor]:
    """The weights of the sentences, if they have any. Shape: (batch,)"""
    if not hasattr(model, "sentence_weights"):
        return []
    weights = model.sentence_weights(batch["metadata"], batch["entities"].device, training=True)
    return [] if weights is None else [weights]
