"""The trainer `ner`: against AllenNLP's, and killed at any moment."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.training.callbacks import TrainerCallback
from killed_runs import MOVING_AVERAGE, assert_same, error_with_limit, events, result, run, settings
from staged_runs import NERCO, experiment, train

from ner_plugins.archives import weights as safe_load
from ner_plugins.commands.recovery import accept_changes
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.training.engine.checkpoints import Due
from ner_plugins.training.trainer import NerTrainer

IN_ORDER = {"data_loader": {"batch_size": 4}}


def unshuffled(**trainer: Any) -> dict[str, Any]:
    """An experiment without any randomness in training."""
    made = experiment(**trainer) | IN_ORDER
    made["model"]["dropout"] = 0.0
    made["validation_data_loader"]["batch_size"] = 7  # both batches count alike: AllenNLP's loss is their mean
    return made


@pytest.mark.parametrize(
    "options",
    [
        {"num_epochs": 3},
        {"grad_norm": 0.5, "patience": 1, "num_epochs": 4},
        {"grad_clipping": 0.01, "learning_rate_scheduler": {"type": "slanted_triangular"}},
        {"learning_rate_scheduler": {"type": "reduce_on_plateau", "patience": 0}, "num_epochs": 3},
        {"moving_average": {"type": "exponential", "decay": 0.5}, "validation_metric": "+seqeval/micro_f1"},
        {"no_grad": ["embedder"]},
    ],
    ids=lambda options: ",".join(options),
)
def test_without_randomness_it_is_allennlps_trainer(options, tmp_path) -> None:
    ours = train(unshuffled(type="ner", **options), tmp_path / "ours")
    theirs = train(unshuffled(**options), tmp_path / "theirs")
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name]), name
    assert result(tmp_path / "ours")[1].keys() == result(tmp_path / "theirs")[1].keys()
    assert result(tmp_path / "ours")[1] == pytest.approx(result(tmp_path / "theirs")[1], rel=1e-12)
    files = [{path.name for path in (tmp_path / one).iterdir()} for one in ("ours", "theirs")]
    ours_alone = {name for name in files[0] - files[1] if "state" not in name and not name.startswith("best_e")}
    assert ours_alone == {"curves.csv", "run.json"}
    assert {name for name in files[1] if "state" not in name} <= files[0]


CASES = {
    "plain": settings(),
    "average": settings(**MOVING_AVERAGE),
    "accumulated": settings(num_gradient_accumulation_steps=2),
    "stages": settings(callbacks=[{**NERCO, "epochs": 2}]),
    "workers": settings() | {"data_loader": {"batch_size": 4, "shuffle": True, "num_workers": 2}},
    "streamed": settings(learning_rate_scheduler={"type": "constant"})
    | {"data_loader": {"batch_size": 4, "shuffle": True, "max_instances_in_memory": 8}},
    "sorted": settings()
    | {"data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 4, "sorting_keys": ["tokens"]}}},
}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def finished(case: str) -> Path:
        folder = tmp_path_factory.mktemp("unbroken") / case
        assert run(CASES[case], folder)
        return folder

    return finished


def killed_and_recovered(case: str, kill: int, folder: Path) -> None:
    """Kill a run at event `kill`, and let it end with --recover."""
    assert not run(CASES[case], folder, kill=kill)
    assert run(CASES[case], folder, recover=(folder / "config.json").exists())


@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_in_its_middle_ends_as_an_unbroken_one(case, unbroken, tmp_path) -> None:
    killed_and_recovered(case, events(unbroken(case)) * 2 // 3, tmp_path / "run")
    assert_same(tmp_path / "run", unbroken(case))


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", CASES)
def test_a_run_killed_at_any_moment_ends_as_an_unbroken_one(case, unbroken, tmp_path) -> None:
    """Before every write, link, rename, deletion and update."""
    for kill in range(1, events(unbroken(case)) + 1):
        killed_and_recovered(case, kill, tmp_path / str(kill))
        assert_same(tmp_path / str(kill), unbroken(case))


def test_killed_again_and_again(unbroken, tmp_path) -> None:
    runs = 0
    while not run(CASES["plain"], tmp_path / "run", recover=(tmp_path / "run/config.json").exists(), kill=11):
        runs += 1
        assert runs < 30
    assert runs > 2
    assert_same(tmp_path / "run", unbroken("plain"))


def test_best_weights_are_those_that_the_metrics_name(unbroken, tmp_path) -> None:
    """The moments between a checkpoint and `best.th`, which lost or mixed up the best weights."""
    whole = unbroken("plain")
    best = result(whole)[1]["best_epoch"]
    assert best is not None
    for kill in range(1, events(whole) + 1, 5):
        folder = tmp_path / str(kill)
        run(CASES["plain"], folder, kill=kill)
        if (folder / "best.th").exists():  # also before recovery it is whole
            safe_load.load(folder / "best.th")
    assert not list(whole.glob("*.partial*"))


class Interrupt(TrainerCallback):
    """Stops training after an update."""

    at = 4

    def on_batch(self, trainer: Any, *args: Any, is_training: bool = True, **kwargs: Any) -> None:
        if is_training and trainer.updates.steps == self.at:
            raise KeyboardInterrupt


TrainerCallback.register("interrupt_for_test", exist_ok=True)(Interrupt)


def test_recovery_reads_no_data_again(tmp_path, monkeypatch) -> None:
    options = settings(callbacks=[{"type": "interrupt_for_test"}], checkpointer={"save_every_num_batches": 1})
    with pytest.raises(KeyboardInterrupt):
        train(options, tmp_path / "run")
    seen: list[int] = []
    update = NerTrainer._update
    monkeypatch.setattr(
        NerTrainer, "_update", lambda self, group: (seen.append(self.updates_in_epoch), update(self, group))
    )
    monkeypatch.setattr(Interrupt, "at", -1)
    train(options, tmp_path / "run", recover=True)
    assert seen[0] == 3  # the fourth update was not yet saved


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(settings(), whole)
    assert not run(settings(), cut, kill=40)
    newest = max(cut.glob("training_state*"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    train(settings(), cut, recover=True)
    assert f"{newest.name}: this checkpoint is damaged, so the one before it is used" in (cut / "out.log").read_text()
    assert_same(cut, whole)


def test_no_whole_checkpoint_is_an_error_and_deletes_nothing(tmp_path) -> None:
    folder = tmp_path / "run"
    assert not run(settings(), folder, kill=40)
    for path in folder.glob("training_state*"):
        path.write_bytes(b"no checkpoint")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(NerError, match="no checkpoint of this run is whole"):
        train(settings(), folder, recover=True)
    assert set(before) <= {path.name for path in folder.iterdir()}


def test_a_file_size_limit_ends_in_a_message_and_leaves_the_last_checkpoint(tmp_path) -> None:
    folder = tmp_path / "run"
    assert not run(settings(), folder, kill=30)
    newest = max(folder.glob("training_state*.th")).name.removeprefix("training")
    kept = {path.name: path.read_bytes() for path in folder.glob(f"*{newest}")}
    assert len(kept) == 2  # the model's and the training's state
    size = min(path.stat().st_size for path in folder.glob("*state*.th"))
    message = error_with_limit(settings(), folder, size // 2)
    assert re.search(r"cannot be written .* The checkpoint before it is whole", message)
    assert all((folder / name).read_bytes() == content for name, content in kept.items())
    train(settings(), folder, recover=True)


def go_on(changed: dict[str, Any], folder: Path) -> None:
    """Recover a finished run with a changed config, as the command does."""
    for name in ("metrics.json", "model.tar.gz"):
        (folder / name).unlink()
    accept_changes(folder, Params(deepcopy(changed)))
    train(changed, folder, recover=True)


def test_a_run_that_stopped_early_goes_on_with_more_patience(tmp_path) -> None:
    hopeless = {"num_epochs": 9, "validation_metric": "+loss"}  # which falls
    short, long = settings(patience=1, **hopeless), settings(patience=3, **hopeless)
    train(short, tmp_path / "run")
    assert result(tmp_path / "run")[1]["epoch"] == 1
    go_on(long, tmp_path / "run")
    train(long, tmp_path / "long")
    assert result(tmp_path / "run")[1]["epoch"] == 3
    assert_same(tmp_path / "run", tmp_path / "long")


def test_more_epochs_of_streamed_data_keep_the_schedule_and_its_place(tmp_path) -> None:
    loader = {"data_loader": {"batch_size": 4, "max_instances_in_memory": 8}}
    trainer = {"optimizer": {"type": "sgd", "lr": 0.5}, "learning_rate_scheduler": {"type": "step", "step_size": 3}}
    train(settings(num_epochs=2, **trainer) | loader, tmp_path / "run")
    go_on(settings(num_epochs=4, **trainer) | loader, tmp_path / "run")
    assert "the schedule stays that of 2 epochs: the data are streamed" in (tmp_path / "run/out.log").read_text()
    state = safe_load.load(max((tmp_path / "run").glob("training_state_e4*")))
    assert state["updates"]["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.05)


def test_more_epochs_continue_with_a_recomputed_schedule(tmp_path) -> None:
    schedule = {"learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": 2}}
    short, long = settings(num_epochs=2, **schedule), settings(num_epochs=4, **schedule)
    train(short, tmp_path / "run")
    go_on(long, tmp_path / "run")
    assert "the schedule is recomputed: 4 epochs instead of 2" in (tmp_path / "run/out.log").read_text()
    assert result(tmp_path / "run")[1]["epoch"] == 3
    state = safe_load.load(max((tmp_path / "run").glob("training_state_e4*")))
    assert state["updates"]["optimizer"]["param_groups"][0]["lr"] == 0.0  # as a run of 4 epochs ends


def test_a_loss_that_is_no_number_names_the_sentences(tmp_path) -> None:
    with pytest.raises(NerError, match=r"epoch 0, update \d+: .*fixtures/sample"):
        train(settings(optimizer={"type": "sgd", "lr": 1e30}), tmp_path / "run")


@pytest.mark.parametrize("name", ["save_every_num_seconds", "save_every_num_batches", "keep_most_recent_by_count"])
def test_options_of_checkpoints_are_checked(name, tmp_path) -> None:
    with pytest.raises(ConfigError, match=f"trainer.checkpointer.{name} is 0"):
        train(settings(checkpointer={name: 0}), tmp_path / "run")


def test_checkpoints_are_saved_by_the_clock_and_by_updates() -> None:
    due = Due(seconds=10, updates=None)
    now = due.clock()
    due.clock = lambda: now + 9
    assert not due(5)
    due.clock = lambda: now + 11
    assert due(6)
    due.saved(6)
    assert not due(7)
    often = Due(seconds=None, updates=2)
    often.start_epoch(3)
    assert [often(update) for update in (4, 5)] == [False, True]
