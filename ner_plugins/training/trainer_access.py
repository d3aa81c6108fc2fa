"""What callbacks and stages read from AllenNLP's trainer that it keeps in private attributes."""

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
from allennlp.data import DataLoader


def output_folder(trainer: Any) -> Path:
    """The serialization directory."""
    return Path(trainer._serialization_dir)


def callbacks_of(trainer: Any) -> Sequence[Any]:
    """All callbacks."""
    return list(trainer._callbacks)


def number_of_epochs(trainer: Any) -> int:
    """`num_epochs`."""
    return int(trainer._num_epochs)


def starting_epoch(trainer: Any) -> int:
    """The epoch that training starts or resumes in, from 0."""
    return int(trainer._start_after_epochs_completed)


def is_resumed(trainer: Any) -> bool:
    """Whether the trainer resumes from a checkpoint of its own."""
    return bool(trainer._start_after_epochs_completed or trainer._start_after_batches_in_epoch_completed)


def resumes_within_epoch(trainer: Any) -> bool:
    """Whether the trainer resumes from a checkpoint in the middle of an epoch."""
    return bool(trainer._start_after_batches_in_epoch_completed)


def validates_this_epoch(trainer: Any) -> bool:
    """Whether this epoch is validated; the callback `should_validate_callback` may leave some out."""
    return bool(trainer._should_validate_this_epoch) and trainer._validation_data_loader is not None


def has_checkpoint(trainer: Any) -> bool:
    """Whether the trainer has written a checkpoint of its own."""
    return trainer._checkpointer is not None and trainer._checkpointer.find_latest_checkpoint() is not None


def validation_loader(trainer: Any) -> Optional[DataLoader]:
    """The loader of the validation data, if there are any."""
    return trainer._validation_data_loader


def validation_metrics(trainer: Any) -> list[str]:
    """The names of the figures in `validation_metric`."""
    return [name for _, name in trainer._metric_tracker.tracked_metrics]


def validation_directions(trainer: Any) -> list[str]:
    """`validation_metric` as in the config: names with `+` (higher is better) or `-` in front."""
    return [("+" if sign > 0 else "-") + name for sign, name in trainer._metric_tracker.tracked_metrics]


def instances_of(loader: Any) -> Optional[Sequence[Any]]:
    """The sentences that a data loader holds in memory; `None` if it reads them again in each epoch."""
    instances = getattr(loader, "_instances", None)
    return getattr(loader, "instances", None) if instances is None else instances


def validation_score(trainer: Any, figures: Mapping[str, float]) -> float:
    """The value of `validation_metric` for some figures; higher is better."""
    return float(trainer._metric_tracker.combined_score(figures))


def amp_dtype(trainer: Any) -> Optional[torch.dtype]:
    """The type of mixed precision; `None` without it."""
    name = getattr(trainer, "amp_dtype", "float16" if trainer._use_amp else None)
    return None if name is None else getattr(torch, name)


def scales_gradients(trainer: Any) -> bool:
    """Whether the trainer scales gradients, as it does in float16."""
    return trainer._scaler is not None


def ddp_wrapper(trainer: Any) -> Any:
    """AllenNLP's wrapper of the model in distributed training; `None` without it."""
    return trainer._ddp_wrapped_model


def reset_moving_average(trainer: Any) -> None:
    """Restart a moving average of the weights, if there is one, from the model's present weights."""
    average = trainer._moving_average
    if average is not None:
        for name, parameter in average._parameters:
            average._shadows[name].copy_(parameter.data)
