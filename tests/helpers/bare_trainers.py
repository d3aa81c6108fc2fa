"""What a callback sees of AllenNLP's trainer, without a trainer."""

from types import SimpleNamespace
from typing import Any

import torch


class TwoPartModel(torch.nn.Module):
    """An encoder and a head, each of two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.ModuleDict({"layer": torch.nn.Linear(2, 2), "norm": torch.nn.LayerNorm(2)})
        self.head = torch.nn.ModuleDict({"scorer": torch.nn.Linear(2, 1), "crf": torch.nn.Linear(1, 1, bias=False)})


def bare_trainer(**settings: Any) -> Any:
    """The attributes of a trainer of four epochs, with those in `settings` replaced."""
    model = TwoPartModel()
    attributes = {
        "_num_epochs": 4,
        "_start_after_epochs_completed": 0,
        "_start_after_batches_in_epoch_completed": 0,
        "_should_validate_this_epoch": True,
        "_validation_data_loader": [],
        "_metric_tracker": SimpleNamespace(tracked_metrics=[(1.0, "seqeval/micro_f1")]),
    }
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return SimpleNamespace(model=model, optimizer=optimizer, **{**attributes, **settings})
