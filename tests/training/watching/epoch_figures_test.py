from typing import Any

import pytest
import torch
from bare_trainers import TwoPartModel, bare_trainer

from ner_plugins.training.watching.epoch_figures import EpochFigures, EpochWatcher, RateGroups


def groups(model: TwoPartModel, rates: dict[str, float]) -> list[dict[str, Any]]:
    """A parameter group for each beginning of a name, and one for the rest."""
    found: list[dict[str, Any]] = [{"params": [], "lr": rate} for rate in rates.values()]
    for name, parameter in model.named_parameters():
        place = next(place for place, beginning in enumerate(rates) if name.startswith(beginning))
        found[place]["params"].append(parameter)
    return found


def test_one_rate_has_no_name() -> None:
    model = TwoPartModel()
    rates = RateGroups(model, torch.optim.SGD(groups(model, {"encoder": 0.5, "": 0.5})))
    assert rates.read([0.25, 0.25]) == {"": 0.25}


def test_rates_are_named_by_what_the_parameters_have_in_common() -> None:
    model = TwoPartModel()
    parts = {"encoder.layer": 0.1, "encoder.norm": 0.1, "head.crf": 0.3, "": 0.2}
    rates = RateGroups(model, torch.optim.SGD(groups(model, parts)))
    assert rates.read([0.1, 0.1, 0.03, 0.02]) == {"encoder": 0.1, "head.crf.weight": 0.03, "head.scorer": 0.02}


def test_a_group_without_parameters_is_left_out() -> None:
    model = TwoPartModel()
    parts = groups(model, {"encoder": 0.1, "": 0.3})
    rates = RateGroups(model, torch.optim.SGD([parts[0], {"params": [], "lr": 0.2}, parts[1]]))
    assert rates.read([1.0, 2.0, 3.0]) == dict(zip(rates.names, (1.0, 3.0), strict=True))


def test_parts_without_a_common_name_are_other() -> None:
    model = TwoPartModel()
    rates = RateGroups(model, torch.optim.SGD(groups(model, {"encoder.layer": 0.1, "": 0.2})))
    assert rates.read([0.1, 0.2]) == {"encoder.layer": 0.1, "other": 0.2}


class Watcher(EpochWatcher):
    """Keeps what is reported; its clock is `now`."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__("")
        self.reported: list[EpochFigures] = []

    def clock(self) -> float:  # type: ignore[override]
        return self.now

    def report(self, trainer: Any, figures: EpochFigures) -> None:
        self.reported.append(figures)


METRICS = {
    "training_loss": 2.0, "validation_seqeval/micro_f1": 0.5, "validation_loss": 3.0, "best_epoch": 0,
    "best_validation_seqeval/micro_f1": 0.5, "training_duration": "0:00:10", "epoch": 0,
}  # fmt: skip


def epoch_of(watcher: Watcher, trainer: Any, epoch: int, rate: float, seconds: float, **metrics: Any) -> EpochFigures:
    trainer.optimizer.param_groups[0]["lr"] = rate
    trainer.optimizer.step()
    trainer.optimizer.param_groups[0]["lr"] = 99.0  # the schedule's next epoch
    watcher.now += seconds
    watcher.on_epoch(trainer, {**METRICS, **metrics}, epoch)
    return watcher.reported[-1]


def test_what_is_reported() -> None:
    watcher, running = Watcher(), bare_trainer()
    watcher.on_start(running)
    first = epoch_of(watcher, running, 0, rate=0.5, seconds=10)
    assert first == EpochFigures(
        epoch=0, epochs=4, seconds=10, seconds_left=30, rates={"": 0.5}, training_loss=2.0,
        validation={"seqeval/micro_f1": 0.5, "loss": 3.0}, watched=["seqeval/micro_f1"], best_epoch=0,
        best={"seqeval/micro_f1": 0.5},
    )  # fmt: skip
    second = epoch_of(watcher, running, 1, rate=0.4, seconds=20)
    assert (second.seconds, second.seconds_left, second.rates) == (20, 2 * 15, {"": 0.4})


def test_an_epoch_that_is_not_validated_has_no_old_figures() -> None:
    watcher, running = Watcher(), bare_trainer(_should_validate_this_epoch=False)
    watcher.on_start(running)
    assert epoch_of(watcher, running, 0, rate=0.5, seconds=10).validation == {}


def test_a_resumed_run_counts_from_its_first_step_and_whole_epochs() -> None:
    watcher = Watcher()
    running = bare_trainer(_start_after_epochs_completed=1, _start_after_batches_in_epoch_completed=3)
    watcher.on_start(running)
    watcher.now += 1000  # the data of earlier epochs are skipped
    part = epoch_of(watcher, running, 1, rate=0.5, seconds=10)
    assert (part.seconds, part.seconds_left) == (10, None)
    whole = epoch_of(watcher, running, 2, rate=0.5, seconds=40)
    assert (whole.seconds, whole.seconds_left) == (40, 40)


def test_other_ranks_are_silent_and_leave_the_optimizer_alone() -> None:
    watcher, running = Watcher(), bare_trainer()
    watcher.on_start(running, is_primary=False)
    watcher.on_epoch(running, METRICS, 0, is_primary=False)
    watcher.on_end(running, is_primary=False)
    assert not watcher.reported and not running.optimizer._optimizer_step_post_hooks


def test_the_hook_is_removed_at_the_end() -> None:
    watcher, running = Watcher(), bare_trainer()
    watcher.on_start(running)
    assert len(running.optimizer._optimizer_step_post_hooks) == 1
    watcher.on_end(running)
    assert not running.optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("name", ["ner_epoch_lines", "ner_curves", "ner_run_record"])
def test_no_watcher_needs_each_batch(name: str) -> None:
    """A trainer would have to copy the loss of each step from the GPU."""
    from allennlp.training.callbacks import TrainerCallback

    assert TrainerCallback.by_name(name).on_batch is TrainerCallback.on_batch
