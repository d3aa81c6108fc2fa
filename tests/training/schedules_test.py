import pytest
import torch
from allennlp.common import Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from staged_runs import experiment, train
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ConfigError
from ner_plugins.training.schedules import WarmupInverseDecay

EPOCHS, STEPS = 5, 8
RATES = (1e-3, 2e-5)


def optimizer() -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in RATES]
    return torch.optim.SGD(groups, lr=1.0)


def schedule(of: torch.optim.Optimizer, **options) -> WarmupInverseDecay:
    params = Params({"type": "warmup_inverse_decay", **options})
    return LearningRateScheduler.from_params(params, optimizer=of, num_epochs=EPOCHS, num_steps_per_epoch=STEPS)


def trace(of: torch.optim.Optimizer, scheduler: WarmupInverseDecay, epochs: range = range(EPOCHS)) -> list[list[float]]:
    """The rates of every update, with the trainer's calls in its order."""
    rates = []
    for epoch in epochs:
        for step in range(STEPS):
            scheduler.step_batch(epoch * STEPS + step + 1)
            rates.append([group["lr"] for group in of.param_groups])
        scheduler.step(0.5)
    return rates


def closed_form(warmup: float, decay: float) -> list[list[float]]:
    """min(1, t / W) / (1 + decay * epoch), of each group's own rate."""
    factors = [
        (min(1.0, (epoch * STEPS + step + 1) / warmup) if warmup else 1.0) / (1 + decay * epoch)
        for epoch in range(EPOCHS)
        for step in range(STEPS)
    ]
    return [[rate * factor for rate in RATES] for factor in factors]


@pytest.mark.parametrize(
    "options, warmup, decay",
    [
        ({}, 0.1 * EPOCHS * STEPS, 0.05),
        ({"warmup": 0.3, "decay": 0.2}, 12, 0.2),
        ({"warmup": 11}, 11, 0.05),
        ({"warmup": 0}, 0, 0.05),
        ({"warmup": 1}, 1, 0.05),
        ({"legacy": True}, 4, 0.0),  # as published: the warm-up has the last word
        ({"legacy": True, "warmup": 0}, 0, 0.05),  # unless there is none
    ],
)
def test_the_rate_of_every_update_is_that_of_the_closed_form(options, warmup, decay) -> None:
    of = optimizer()
    torch.testing.assert_close(trace(of, schedule(of, **options)), closed_form(warmup, decay), rtol=1e-12, atol=0)


@pytest.mark.parametrize("done", range(1, EPOCHS))
def test_a_recovered_run_has_the_same_rates(done: int, tmp_path) -> None:
    of = optimizer()
    whole = trace(of, schedule(of, warmup=0.4))
    of = optimizer()
    scheduler = schedule(of, warmup=0.4)
    trace(of, scheduler, range(done))
    safe_load.save({"schedule": scheduler.state_dict(), "optimizer": of.state_dict()}, tmp_path / "state.th")
    state = safe_load.load(tmp_path / "state.th")
    of = optimizer()
    scheduler = schedule(of, warmup=0.4)
    of.load_state_dict(state["optimizer"])
    scheduler.load_state_dict(state["schedule"])
    assert trace(of, scheduler, range(done, EPOCHS)) == whole[done * STEPS :]


@pytest.mark.parametrize("options", [{"warmup": -1}, {"decay": -0.1}])
def test_numbers_below_zero_are_refused(options) -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        schedule(optimizer(), **options)


def test_a_share_of_an_unknown_number_is_refused() -> None:
    with pytest.raises(ConfigError, match="Give a number of updates"):
        WarmupInverseDecay(optimizer(), num_epochs=2)
    assert WarmupInverseDecay(optimizer(), num_epochs=2, warmup=10).warmup_steps == 10


def test_the_trainer_clips_values_and_follows_the_schedule_as_flat_trains(tmp_path) -> None:
    seen = []

    def note(of, args, kwargs):
        gradients = [p.grad for group in of.param_groups for p in group["params"] if p.grad is not None]
        seen.append((of.param_groups[0]["lr"], max(float(gradient.abs().max()) for gradient in gradients)))

    settings = experiment(
        num_epochs=3,
        optimizer={"type": "sgd", "lr": 0.001, "momentum": 0.9},
        grad_clipping=0.01,
        learning_rate_scheduler={"type": "warmup_inverse_decay", "warmup": 0.5},
    )
    handle = register_optimizer_step_pre_hook(note)
    try:
        train(settings, tmp_path / "run")
    finally:
        handle.remove()
    steps = len(seen) // 3
    expected = [0.001 * min(1, (i + 1) / (1.5 * steps)) / (1 + 0.05 * (i // steps)) for i in range(len(seen))]
    assert [rate for rate, _ in seen] == pytest.approx(expected, rel=1e-12)
    assert max(largest for _, largest in seen) == pytest.approx(0.01)
