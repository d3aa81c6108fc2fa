"""`ema` and `swa`, against the formulas over recorded weights; what is validated and archived; recovery."""

import json
from typing import Any, ClassVar

import pytest
import torch
from allennlp.training.callbacks import TrainerCallback
from killed_runs import assert_same, events, run, settings
from recorded_runs import Recorded, recorded
from staged_runs import WITHOUT_PICTURE, experiment, train
from torch.optim.swa_utils import SWALR

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ConfigError


def assert_archived(run: Recorded, folder: Any, expected: dict[str, torch.Tensor]) -> None:
    """`best.th` and the returned model hold the average, which is not the last state."""
    archived = safe_load.load(folder / "best.th")
    parameters = dict(run.model.named_parameters())
    for name, tensor in expected.items():
        assert (archived[name].double() - tensor).abs().max() < 1e-6, name
        assert torch.equal(parameters[name], archived[name])
    assert any(not torch.allclose(run.states[-1][name], archived[name], atol=1e-4) for name in expected)


@pytest.mark.parametrize("warm_up", [False, True])
def test_ema_is_what_the_formula_gives(warm_up, tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "ema", "decay": 0.6, "warm_up": warm_up})
    average = {name: one.double() for name, one in run.start.items()}
    for n, weights in enumerate(run.states, start=1):
        decay = min(0.6, (1 + n) / (10 + n)) if warm_up else 0.6
        average = {name: decay * one + (1 - decay) * weights[name].double() for name, one in average.items()}
    assert_archived(run, tmp_path / "run", average)


def test_swa_is_the_mean_of_the_epochs_from_its_start(tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "swa", "start_epoch": 1}, num_epochs=4, validated=False)
    ends = run.states[len(run.states) // 4 - 1 :: len(run.states) // 4]
    assert len(ends) == 4
    mean = {name: sum(one[name].double() for one in ends[1:]) / 3 for name in run.start}
    assert_archived(run, tmp_path / "run", mean)


def test_swa_may_average_within_epochs(tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "swa", "start_epoch": 0, "every_num_updates": 2})
    taken = run.states[1::2]
    assert len(taken) > 1
    mean = {name: sum(one[name].double() for one in taken) / len(taken) for name in run.start}
    assert_archived(run, tmp_path / "run", mean)


def test_before_its_start_swa_validates_the_models_own_weights(tmp_path) -> None:
    options = {"num_epochs": 2, "type": "ner"}
    train(experiment({"type": "swa", "start_epoch": 1}, **options), tmp_path / "swa")
    train(experiment(**options), tmp_path / "plain")
    first, plain = (json.loads((tmp_path / one / "metrics_epoch_0.json").read_text()) for one in ("swa", "plain"))
    assert first["validation_loss"] == plain["validation_loss"]


def test_validation_leaves_the_weights_that_learn(tmp_path) -> None:
    averaged = recorded(tmp_path / "ema", {"type": "ema", "decay": 0.9}, num_epochs=3)
    plain = recorded(tmp_path / "plain", num_epochs=3)
    for weights, others in zip(averaged.states, plain.states, strict=True):
        assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


@pytest.mark.parametrize(
    ("callbacks", "trainer"),
    [
        ([{"type": "ema"}, {"type": "swa"}], {}),
        ([{"type": "ema"}], {"moving_average": {"type": "exponential", "decay": 0.5}}),
    ],
)
def test_there_is_one_average(callbacks, trainer, tmp_path) -> None:
    with pytest.raises(ConfigError, match="only one average can be validated"):
        train(experiment(*callbacks, type="ner", **trainer), tmp_path / "run")


@TrainerCallback.register("rates_for_test")
class Rates(TrainerCallback):
    """The rates of each update, of all groups."""

    seen: ClassVar[list[list[float]]]

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        Rates.seen = []
        trainer.optimizer.register_step_post_hook(
            lambda optimizer, *_: Rates.seen.append([group["lr"] for group in optimizer.param_groups])
        )


def rates_of(folder: Any, *callbacks: dict[str, Any], **trainer: Any) -> list[list[float]]:
    groups = [[["head"], {"lr": 0.2}]]
    optimizer = {"type": "sgd", "lr": 0.05, "parameter_groups": groups}
    options = {"type": "ner", "num_epochs": 4, "optimizer": optimizer, **trainer}
    train(experiment(*callbacks, {"type": "rates_for_test"}, WITHOUT_PICTURE, **options), folder)
    return Rates.seen


WARM_UP = {"type": "linear_with_warmup", "warmup_steps": 3}


@pytest.mark.parametrize(
    ("options", "schedule"),
    [
        ({}, None),
        ({"anneal_updates": 3}, WARM_UP),
        ({"anneal_updates": 6, "anneal_strategy": "linear"}, WARM_UP),
        ({}, {"type": "exponential", "gamma": 0.5}),
        ({}, {"type": "reduce_on_plateau", "patience": 0}),
    ],
)
def test_rates_are_those_of_swalr(options, schedule, tmp_path) -> None:
    """An optimizer of its own has torch's schedule, from the rates that the run had before."""
    scheduled = {} if schedule is None else {"learning_rate_scheduler": schedule}
    found = rates_of(
        tmp_path / "run", {"type": "swa", "start_epoch": 2, "learning_rate_factor": 0.6, **options}, **scheduled
    )
    plain = rates_of(tmp_path / "plain", **scheduled)
    half = len(plain) // 2
    assert found[:half] == plain[:half] and len(found) == 2 * half
    # A schedule that follows epochs has set the rates of the next one already.
    before = plain[half - 1] if schedule is None or "warmup" in schedule["type"] else plain[half]
    own = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate} for rate in before])
    swalr = SWALR(
        own, [0.6 * 0.2, 0.6 * 0.05], options.get("anneal_updates", half // 2), options.get("anneal_strategy", "cos")
    )
    for number, rates in enumerate(found[half:]):
        own.step()
        swalr.step()
        assert rates == pytest.approx([group["lr"] for group in own.param_groups]), number
    assert rates == pytest.approx([0.12, 0.03])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate_factor": 0.0}, "swa.learning_rate_factor is 0.0"),
        ({"learning_rate_factor": 0.5, "anneal_updates": 0}, "swa.anneal_updates is 0"),
        ({"anneal_updates": 5}, "go with learning_rate_factor"),
        ({"anneal_strategy": "linear"}, "go with learning_rate_factor"),
    ],
)
def test_options_of_the_rates_are_checked(options, message, tmp_path) -> None:
    with pytest.raises(ConfigError, match=message):
        train(experiment({"type": "swa", **options}, type="ner"), tmp_path / "run")


EVERYTHING = [
    {"type": "r_drop", "alpha": 0.5},
    {"type": "fgm"},
    {"type": "pgd", "steps": 2},
    {"type": "awp", "start_epoch": 1},
]
RECOVERED: dict[str, Any] = {
    "attacks_and_ema": settings(callbacks=[*EVERYTHING, {"type": "ema", "decay": 0.8, "warm_up": True}]),
    "swa": settings(callbacks=[{"type": "swa", "start_epoch": 1, "every_num_updates": 1}]),
    "swa_rates": settings(callbacks=[{"type": "swa", "start_epoch": 1, "learning_rate_factor": 0.5}]),
    "accumulated": settings(
        callbacks=[*EVERYTHING, {"type": "swa", "start_epoch": 1}], num_gradient_accumulation_steps=2
    ),
}


@pytest.mark.parametrize("case", RECOVERED)
def test_a_killed_run_ends_as_an_unbroken_one(case, tmp_path) -> None:
    """Killed within an epoch, after the average has begun."""
    assert run(RECOVERED[case], tmp_path / "whole")
    assert not run(RECOVERED[case], tmp_path / "killed", kill=events(tmp_path / "whole") * 3 // 4)
    assert list((tmp_path / "killed").glob("training_state_e2_b*"))
    assert run(RECOVERED[case], tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", RECOVERED)
def test_a_run_killed_at_any_moment_ends_as_an_unbroken_one(case, tmp_path) -> None:
    assert run(RECOVERED[case], tmp_path / "whole")
    for kill in range(1, events(tmp_path / "whole") + 1):
        folder = tmp_path / str(kill)
        assert not run(RECOVERED[case], folder, kill=kill)
        assert run(RECOVERED[case], folder, recover=(folder / "config.json").exists())
        assert_same(folder, tmp_path / "whole")
