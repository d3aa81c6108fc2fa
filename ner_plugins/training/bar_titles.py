"""Titles for the progress bars of AllenNLP's trainer."""

from typing import Any

from ner_plugins.compat.replace import replace
from ner_plugins.progress import titled
from ner_plugins.training.trainer_access import number_of_epochs


def title_epochs() -> None:
    """AllenNLP 2.10.1 leaves open whether a bar is of training or validation, and of which epoch: name both."""
    from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

    def titling_training(original: Any) -> Any:
        def _train_epoch(self: Any, epoch: int) -> Any:
            with titled(f"epoch {epoch}/{number_of_epochs(self) - 1}"):
                return original(self, epoch)

        return _train_epoch

    def titling_validation(original: Any) -> Any:
        def _validation_loss(self: Any, epoch: int) -> Any:
            with titled(f"epoch {epoch}/{number_of_epochs(self) - 1}, validation"):
                return original(self, epoch)

        return _validation_loss

    replace(GradientDescentTrainer, "_train_epoch", titling_training)
    replace(GradientDescentTrainer, "_validation_loss", titling_validation)
