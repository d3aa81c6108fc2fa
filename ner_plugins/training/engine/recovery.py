"""What a checkpoint of the trainer `ner` holds, and how a run continues from it."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any, Iterator, Mapping

from ner_plugins.distributed import gather_objects, is_first_rank, rank, wait_for_ranks
from ner_plugins.errors import ArchiveError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.training.engine.checkpoints import Saved, State
from ner_plugins.training.engine.random_states import random_states, restore_random_states
from ner_plugins.training.trainer_access import averages, load_averages, output_folder, publish_best

logger = logging.getLogger(__name__)


def save(trainer: Any, is_best: bool) -> None:
    """
    Save a checkpoint of a trainer, and make the files beside it agree with it.

    # Parameters

    trainer : `NerTrainer`
    is_best : `bool`
        Whether the epoch that has just ended is the best so far.
    """
    state = state_of(trainer, is_best)  # on every rank: it gathers
    if is_first_rank():
        best = None
        if is_best and trainer.averages_weights:
            with trainer.evaluation_weights():
                best = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
        trainer.best_file = trainer.checkpointer.save(state, trainer.model.state_dict(), best)
    trainer.best_file = gather_objects(trainer.best_file)[0]
    publish(trainer)


def publish(trainer: Any) -> None:
    """Make `best.th` and the newest `metrics_epoch_*.json` agree with the checkpoint."""
    if is_first_rank():
        trainer.checkpointer.publish(trainer.best_file)
        write_metrics(trainer)
    wait_for_ranks()
    if trainer.best_file:
        publish_best(trainer, str(output_folder(trainer) / "best.th"))


def write_metrics(trainer: Any) -> None:
    """Write the metrics of the last finished epoch."""
    epoch = trainer.records.metrics.get("epoch")
    if epoch is not None:
        with atomic_path(output_folder(trainer) / f"metrics_epoch_{epoch}.json") as path:
            Path(path).write_text(json.dumps(trainer.records.metrics, indent=2), encoding="utf-8")


def state_of(trainer: Any, is_best: bool) -> State:
    """Everything of a run but the model's weights: tensors and plain containers."""
    moving_average = trainer.parts.moving_average
    return {
        "epochs_completed": trainer.epoch,
        "batches_in_epoch_completed": trainer.updates_in_epoch,
        "is_best": is_best,
        "best_file": trainer.best_file,
        "seed": trainer.seed,
        "num_epochs": trainer.parts.num_epochs,
        "updates_per_epoch": trainer.updates_per_epoch,
        "updates": trainer.updates.state_dict(),
        "moving_average": None if moving_average is None else averages(moving_average),
        "callbacks": callback_states(trainer.callbacks),
        "records": trainer.records.state_dict(),
        "ranks": gather_objects({"random": random_states(), "losses": trainer.losses.state_dict()}),
    }


def load(trainer: Any, saved: Saved) -> None:
    """
    Put a trainer into the state of a checkpoint, but for the random states: see `load_random`.

    # Raises

    `ArchiveError` if it is not the state of such a trainer and model.
    """
    try:
        _load(trainer, saved)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise misfit(output_folder(trainer), error) from error


def misfit(folder: Path, error: Exception) -> ArchiveError:
    """The error that a checkpoint does not fit what has been built of the config and the data."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return ArchiveError(
        f"{folder}: its checkpoint does not fit the model and the trainer that this config and these data give "
        f"({reason}). Continue with the data and the version of ner_plugins that it was written with, or start the run "
        "again with --force"
    )


def _load(trainer: Any, saved: Saved) -> None:
    state = saved.state
    trainer.model.load_state_dict(saved.model)
    trainer.position.epochs = state["epochs_completed"]
    trainer.position.updates = state["batches_in_epoch_completed"]
    trainer.best_file = state["best_file"]
    trainer.seed = trainer.training.seed = state["seed"]
    if trainer.validation is not None:
        trainer.validation.seed = state["seed"]
    trainer.records.load_state_dict(state["records"])
    _load_updates(trainer, state)
    if trainer.parts.moving_average is not None:
        load_averages(trainer.parts.moving_average, state["moving_average"])
    load_callback_states(trainer.callbacks, state["callbacks"])
    if rank() < len(state["ranks"]):
        trainer.losses.load_state_dict(state["ranks"][rank()]["losses"])
    publish(trainer)
    logger.info("continuing after %d epochs and %d updates", trainer.epoch, trainer.updates_in_epoch)


def load_random(state: State) -> None:
    """Restore this rank's random states, if the run that saved them had this rank."""
    if rank() < len(state["ranks"]):
        restore_random_states(state["ranks"][rank()]["random"])
    else:
        logger.warning("the run was started with %d processes: this one's dropout is new", len(state["ranks"]))


def _load_updates(trainer: Any, state: State) -> None:
    """Restore the optimizer and its schedules. Schedules are recomputed if the number of epochs differs."""
    before, now = state["num_epochs"], trainer.parts.num_epochs
    same = before == now and state["updates_per_epoch"] == trainer.updates_per_epoch
    known = bool(state["updates_per_epoch"])
    trainer.updates.load_state_dict(state["updates"], schedules=same or not known)
    if same or not trainer.updates.schedules:
        return
    if not known:
        logger.warning(
            "the schedule stays that of %d epochs: the data are streamed, so that the number of updates of an epoch is "
            "not known, from which it would be recomputed",
            before,
        )
        return
    trainer.updates.replay(trainer.records.scores, state["updates_per_epoch"])
    logger.info("the schedule is recomputed: %d epochs instead of %d", now, before)


def callback_states(callbacks: Any) -> dict[str, Any]:
    """The states of callbacks, by name rather than by place, so that a config may add a callback or leave one out."""
    return {name: callback.state_dict() for name, callback in _named(callbacks)}


def load_callback_states(callbacks: Any, states: Mapping[str, Any]) -> None:
    """Restore the states of those callbacks that have one; the others start anew, with a warning."""
    for name, callback in _named(callbacks):
        if name in states:
            callback.load_state_dict(states[name])
        else:
            logger.warning("the checkpoint has no state of the callback %s, which starts anew", name)


def _named(callbacks: Any) -> Iterator[tuple[str, Any]]:
    """Callbacks with unique names: those of their classes, and a number from the second of one class on."""
    seen: Counter[str] = Counter()
    for callback in callbacks:
        name = type(callback).__name__
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), callback
