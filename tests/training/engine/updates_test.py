from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from allennlp.common import Lazy, Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer

import ner_plugins.training.schedules  # noqa: F401  (they are registered)
from ner_plugins.training.engine.updates import Precision, Updates

PRECISION = Precision(SimpleNamespace(_use_amp=False, _scaler=None, cuda_device=torch.device("cpu")))


def updates(parameters, schedule=None, epochs: int = 2, **settings) -> Updates:
    named = [(f"p{i}", parameter) for i, parameter in enumerate(parameters)]
    optimizer = sgd(named, settings.pop("weight_decay", 0.0))
    schedules = []
    if schedule is not None:
        lazy = Lazy(LearningRateScheduler, Params(schedule))
        schedules.append(lazy.construct(optimizer=optimizer, num_epochs=epochs, num_steps_per_epoch=4))
    return Updates(parameters, optimizer, schedules, PRECISION, **settings)


def sgd(named, weight_decay: float = 0.0) -> Optimizer:
    options = {"type": "sgd", "lr": 1.0, "weight_decay": weight_decay}
    return Lazy(Optimizer, Params(options)).construct(model_parameters=named)


def test_a_step_takes_the_mean_over_its_batches_that_have_a_loss() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    made = updates([parameter])
    made.accumulate((parameter * torch.tensor([1.0, 2.0])).sum(), 1.0)
    made.accumulate((parameter * torch.tensor([3.0, 2.0])).sum(), 1.0)
    assert made.step() == (2, 0)
    assert parameter.tolist() == [-2.0, -2.0] and parameter.grad is None


def test_batches_count_by_their_weights() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    made = updates([parameter])
    made.accumulate((parameter * torch.tensor([1.0, 2.0])).sum(), 3.0)
    made.accumulate((parameter * torch.tensor([5.0, 2.0])).sum(), torch.tensor(1.0))
    assert made.step(wish=True) == (2, 1)
    assert parameter.tolist() == [-2.0, -2.0]


def test_a_penalty_counts_once_and_is_bounded_with_the_rest() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    made = updates([parameter], grad_clipping=5.0)
    for weight in (3.0, 1.0):
        made.accumulate((parameter * torch.tensor([1.0, 2.0])).sum(), weight)
    made.step(lambda: (parameter * torch.tensor([0.5, 7.0])).sum())
    assert parameter.tolist() == [-0.5, -4.0]
    made.step(lambda: parameter.sum())  # without a batch
    assert parameter.tolist() == [-0.5, -4.0]


def test_the_norm_is_that_before_the_bound() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    made = updates([parameter], grad_norm=1.0)
    made.accumulate((parameter * torch.tensor([3.0, 4.0])).sum())
    made.step()
    assert made.norm.item() == 5.0


def test_a_step_without_a_loss_moves_the_schedule_alone() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    made = updates([parameter], {"type": "warmup_inverse_decay", "warmup": 8}, weight_decay=0.5)
    assert made.step().batches == 0
    assert parameter.tolist() == [1.0, 1.0]
    assert made.steps == 1 and made.learning_rates == [1 / 8]
    assert made.step().batches == 0
    assert made.learning_rates == [2 / 8]


def test_what_has_no_gradient_does_not_decay() -> None:
    used, unused = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    made = updates([used, unused], weight_decay=0.5)
    made.accumulate(used.sum())
    made.step()
    assert used.item() == -0.5 and unused.item() == 1.0


@pytest.mark.parametrize(
    "settings, expected",
    [({"grad_clipping": 0.5}, [-0.5, -0.5]), ({"grad_norm": 1.0}, [-0.6, -0.8]),
     ({"grad_norm": 2.5, "grad_clipping": 1.6}, [-1.5, -1.6])],
)  # fmt: skip
def test_gradients_are_bounded(settings, expected) -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    made = updates([parameter], **settings)
    made.accumulate((parameter * torch.tensor([3.0, 4.0])).sum())
    made.step()
    assert parameter.tolist() == pytest.approx(expected, abs=1e-4)


def test_it_goes_on_from_its_state() -> None:
    def run(stop: int | None) -> list[float]:
        torch.manual_seed(0)
        parameter = torch.nn.Parameter(torch.ones(3))
        schedule = {"type": "warmup_inverse_decay", "warmup": 3}
        made = updates([parameter], schedule)
        for step in range(6):
            if step == stop:
                state, value = made.state_dict(), parameter.detach().clone()
                parameter = torch.nn.Parameter(value)
                made = updates([parameter], schedule)
                made.load_state_dict(state)
            made.accumulate((parameter**3 * torch.tensor([0.1, 0.2, 0.3])).sum())
            made.step()
            if step == 2:
                made.end_epoch(0.0)
        return parameter.tolist()

    assert run(2) == run(None) and run(3) == run(None) and run(5) == run(None)


SCHEDULES = [
    {"type": "constant"},
    {"type": "linear_with_warmup", "warmup_steps": 3},
    {"type": "polynomial_decay", "warmup_steps": 2},
    {"type": "slanted_triangular"},
    {"type": "noam", "model_size": 4, "warmup_steps": 3},
    {"type": "step", "step_size": 1},
    {"type": "multi_step", "milestones": [1, 3]},
    {"type": "exponential", "gamma": 0.5},
    {"type": "reduce_on_plateau", "patience": 0},
    {"type": "cosine", "t_initial": 2},
    {"type": "warmup_inverse_decay"},
    {"type": "combined", "schedulers": [[1, {"type": "linear_with_warmup", "warmup_steps": 1}], [3, "constant"]]},
]


@pytest.mark.parametrize("stop", [8, 10])  # after an epoch, and within one
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule["type"])
def test_replayed_schedules_go_on_as_if_they_had_been_of_that_many_epochs(schedule, stop: int) -> None:
    figures = [0.5, 0.3, 0.4, 0.6]

    def made(epochs: int) -> Updates:
        parameters = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
        return updates(parameters, deepcopy(schedule), epochs=epochs)

    def rates(one: Updates, start: int, end: int) -> list[float]:
        found = []
        for step in range(start, end):
            sum(parameter.sum() for parameter in one.parameters).backward()
            one.step()
            found.append([group["lr"] for group in one.optimizer.param_groups])
            if step % 4 == 3:
                one.end_epoch(figures[step // 4])
        return found

    expected = rates(made(4), 0, 16)
    short, long = made(3), made(4)
    rates(short, 0, stop)
    long.load_state_dict(short.state_dict(), schedules=False)
    long.replay(figures[: stop // 4], 4)
    assert rates(long, stop, 16) == expected[stop:]


def test_scaled_gradients_make_the_same_updates_and_those_that_overflow_none() -> None:
    precision = Precision(SimpleNamespace(_use_amp=True, _scaler=object(), cuda_device=torch.device("cpu")))
    assert precision.dtype is torch.float16
    parameter = torch.nn.Parameter(torch.zeros(2))
    made = Updates([parameter], sgd([("p", parameter)]), [], precision, grad_clipping=3.0)
    scale = made.scaler.get_scale()
    assert scale > 1
    made.accumulate((parameter * torch.tensor([1.0, 8.0])).sum())
    made.step()
    assert parameter.tolist() == [-1.0, -3.0]  # clipped after they were unscaled
    made.accumulate((parameter * float("inf")).sum())
    made.step()
    assert parameter.tolist() == [-1.0, -3.0] and made.scaler.get_scale() == scale / 2
    again = Updates([parameter], sgd([("p", parameter)]), [], precision)
    again.load_state_dict(made.state_dict())
    assert again.scaler.get_scale() == scale / 2 and again.steps == 2
