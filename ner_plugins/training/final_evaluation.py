"""The evaluation of the test data after training (`evaluate_on_test`), by the trainer `ner`."""

from typing import Any

from ner_plugins.compat.replace import replace


def evaluate_on_all_ranks() -> None:
    """
    AllenNLP 2.10.1 evaluates the test data on the first rank alone, which has a share of them only, and waits forever
    for the others' figures. Let the trainer `ner` evaluate them, on all ranks, as it does the validation data.
    """
    from allennlp.commands.train import TrainModel

    replace(TrainModel, "run", _and_test)


def _and_test(original: Any) -> Any:
    def run(self: Any) -> dict[str, Any]:
        metrics: dict[str, Any] = original(self)
        if hasattr(self.trainer, "evaluate") and self.evaluation_data_loader is not None and self.evaluate_on_test:
            figures = self.trainer.evaluate(self.evaluation_data_loader, "evaluating")
            metrics |= {f"test_{name}": value for name, value in figures.items()}
            self.evaluation_data_loader = None  # so that `finish` does not evaluate them again
        return metrics

    return run
