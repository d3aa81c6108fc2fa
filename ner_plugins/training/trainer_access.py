"""
What AllenNLP's trainer keeps in private attributes, for the trainer `ner`, callbacks and stages. Nothing else in this
package touches them.
"""

from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional, Sequence

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


def accumulated_batches(trainer: Any) -> int:
    """`num_gradient_accumulation_steps`: the batches of an update."""
    return int(trainer._num_gradient_accumulation_steps)


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


def reader_of(loader: Any) -> Optional[Any]:
    """The dataset reader of a data loader; `None` if it keeps none."""
    return getattr(loader, "reader", None)


def seed_of(trainer: Any) -> int:
    """The seed of the order of the training data."""
    return int(getattr(trainer, "seed", torch.initial_seed()))


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


class Parts(NamedTuple):
    """What a trainer is built from, besides its public attributes; see `GradientDescentTrainer`."""

    validation_loader: Optional[DataLoader]
    tracker: Any
    num_epochs: int
    checkpointer: Any
    grad_norm: Any
    grad_clipping: Optional[float]
    accumulated_batches: int
    schedules: Sequence[Any]
    moving_average: Any
    callbacks: list[Any]
    scaler: Any
    is_primary: bool


def parts(trainer: Any) -> Parts:
    """The parts of a trainer."""
    schedules = (trainer._learning_rate_scheduler, trainer._momentum_scheduler)
    return Parts(
        validation_loader=trainer._validation_data_loader,
        tracker=trainer._metric_tracker,
        num_epochs=int(trainer._num_epochs),
        checkpointer=trainer._checkpointer,
        grad_norm=trainer._grad_norm,
        grad_clipping=trainer._grad_clipping,
        accumulated_batches=int(trainer._num_gradient_accumulation_steps),
        schedules=[schedule for schedule in schedules if schedule is not None],
        moving_average=trainer._moving_average,
        callbacks=trainer._callbacks,
        scaler=trainer._scaler,
        is_primary=bool(trainer._primary),
    )


def publish_start(trainer: Any, epochs: int, batches: int) -> None:
    """Set where training starts, which callbacks read."""
    trainer._start_after_epochs_completed, trainer._start_after_batches_in_epoch_completed = epochs, batches


def publish_position(trainer: Any, epochs: int, batches: int, updates: int) -> None:
    """Set the finished epochs, the updates of this epoch and of all, which callbacks read."""
    trainer._epochs_completed, trainer._batches_in_epoch_completed = epochs, batches
    trainer._total_batches_completed = updates


def publish_best(trainer: Any, path: Optional[str]) -> None:
    """Set the file of the best weights, which `allennlp train` archives."""
    trainer._best_model_filename = path


def tracker_state(tracker: Any) -> dict[str, Any]:
    """The state of the trainer's tracker of `validation_metric`, independent of the tracker."""
    return {**tracker.state_dict(), "best_epoch_metrics": dict(tracker.best_epoch_metrics)}


def averages(moving_average: Any) -> dict[str, torch.Tensor]:
    """The averages of a moving average, by the parameter's name."""
    return dict(moving_average._shadows)


def load_averages(moving_average: Any, values: Mapping[str, torch.Tensor]) -> None:
    """Restore `averages`. AllenNLP's own `load_state_dict` parts the average from the model's parameters."""
    for name, average in moving_average._shadows.items():
        average.copy_(values[name])
