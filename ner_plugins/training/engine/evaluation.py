"""Figures of labelled data: of the validation data in each epoch, and of the test data at the end."""

from typing import Any

import torch
from allennlp.common import Tqdm

from ner_plugins.training.engine.batches import Batches


def measure(trainer: Any, batches: Batches, title: str, place: str) -> dict[str, float]:
    """
    A model's figures and its loss over all sentences of all ranks. They do not depend on the batches.

    # Parameters

    trainer : `NerTrainer`
    batches : `Batches`
        This rank's share of the data.
    title : `str`
        For the progress line.
    place : `str`
        For messages.
    """
    model = trainer.model
    model.eval()
    losses = trainer.new_losses()
    number, epoch = batches.epoch(trainer.epoch)
    with torch.no_grad():
        for done, (batch,) in enumerate(Tqdm.tqdm(epoch, total=number, desc=title), start=1):
            with trainer.precision.autocast():
                outputs = trainer.batch_outputs(batch, for_training=False)
            if "loss" in outputs:
                losses.add(outputs["loss"], [batch], place, weight=outputs.get("loss_weight"))
            trainer.watchers.after_validation_batch(batch, outputs, losses, done)
        loss = losses.weighted_mean()
        figures: dict[str, float] = model.get_metrics(reset=True)
    return {**figures, "loss": loss}
