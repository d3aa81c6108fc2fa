"""The evaluator of `allennlp evaluate` for the models of this package."""

import json
from os import PathLike, fspath
from typing import Any, Optional, Union

import torch
from allennlp.common import Tqdm
from allennlp.common.checks import check_for_gpu
from allennlp.common.util import dump_metrics, int_to_device
from allennlp.data import DataLoader
from allennlp.evaluation.evaluator import Evaluator, SimpleEvaluator
from allennlp.models import Model
from allennlp.nn.util import move_to_device

from ner_plugins.errors import DataError
from ner_plugins.files.output_files import dump_json, open_output
from ner_plugins.training.engine.losses import Losses

Name = Union[str, PathLike[str]]


@Evaluator.register("ner")
class NerEvaluator(SimpleEvaluator):
    """
    AllenNLP's evaluator, with the loss of the trainer `ner`: that of all sentences, which does not depend on the
    batches. Predictions are written as `allennlp predict` writes them: a line for each sentence, in the data's order.
    """

    def __call__(
        self,
        model: Model,
        data_loader: DataLoader,
        batch_weight_key: Optional[str] = None,
        metrics_output_file: Optional[Name] = None,
        predictions_output_file: Optional[Name] = None,
    ) -> dict[str, Any]:
        """
        The figures of labelled data.

        # Parameters

        model : `Model`
        data_loader : `DataLoader`
        batch_weight_key : `Optional[str]`, optional (default=`None`)
            The entry of the model's output that weighs a batch's loss, in place of `loss_weight`.
        metrics_output_file, predictions_output_file : `Optional[Union[str, PathLike]]`, optional (default=`None`)
            Files for the figures and for the predictions.

        # Raises

        `DataError` if only some of the sentences are labelled.
        """
        check_for_gpu(self.cuda_device)
        device = int_to_device(self.cuda_device)
        data_loader.set_target_device(device)
        model.eval()
        losses, lines = Losses(device, overflows=True), []
        number = len(data_loader) if hasattr(data_loader, "__len__") else None
        batches = unlabelled = 0
        with torch.no_grad():
            for batch in Tqdm.tqdm(data_loader, total=number, desc="evaluating"):
                output = model(**move_to_device(batch, device))
                batches += 1
                if "loss" in output:
                    weight = output.get(batch_weight_key or "loss_weight")
                    losses.add(output["loss"], [batch], "evaluation", weight=weight)
                else:
                    unlabelled += 1
                if predictions_output_file is not None:
                    lines += _lines(model, batch, output)
        figures: dict[str, Any] = model.get_metrics(reset=True)
        if 0 < unlabelled < batches:
            raise DataError("evaluation needs labelled data, but some of the sentences have no label")
        if unlabelled == 0:
            figures["loss"] = losses.weighted_mean()
        if predictions_output_file is not None:
            _write(lines, predictions_output_file, data_loader)
        if metrics_output_file is not None:
            dump_metrics(None, figures, log=True)
            with open_output(fspath(metrics_output_file), force=True) as file:
                file.write(json.dumps(figures, indent=2).encode())
        return figures


def _lines(model: Model, batch: dict[str, Any], output: dict[str, Any]) -> list[tuple[int, str]]:
    """A line for each sentence of a batch, with the identity of its metadata."""
    readable = model.make_output_human_readable(output)
    rows = zip(batch["metadata"], readable["id"], readable["text"], readable["entities"], strict=True)
    return [
        (id(metadata), dump_json({"id": id_, "text": text, "entities": entities}))
        for metadata, id_, text, entities in rows
    ]


def _write(lines: list[tuple[int, str]], name: Name, data_loader: DataLoader) -> None:
    """Write the lines in the order of the loader's sentences; batches may have another."""
    places = {id(one["metadata"].metadata): place for place, one in enumerate(data_loader.iter_instances())}
    ordered = sorted(lines, key=lambda line: places.get(line[0], len(places)))
    with open_output(fspath(name), force=True) as file:
        file.writelines(f"{line}\n".encode() for _, line in ordered)
