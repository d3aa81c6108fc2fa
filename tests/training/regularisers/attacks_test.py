"""`fgm`, `pgd` and `awp` in runs of the trainer, against plain loops over the same batches."""

from typing import Any

import pytest
import torch
from published_attacks import CASES, clean, fgm, pgd
from recorded_runs import EMBEDDING, Recorded, assert_close, parameter, recorded, repeated
from staged_runs import experiment, train

from ner_plugins.errors import ConfigError

ACCUMULATED = {"num_gradient_accumulation_steps": 2}


@pytest.mark.parametrize("trainer", [{}, ACCUMULATED], ids=["single", "accumulated"])
@pytest.mark.parametrize("case", CASES)
def test_weights_are_those_of_the_published_loop(case, trainer, tmp_path) -> None:
    callback, oracle = CASES[case]
    run = recorded(tmp_path / "run", callback, **trainer)
    expected = repeated(run, oracle)
    assert_close(run.states, expected)
    if not trainer:  # the attack matters
        plain = repeated(run, clean)
        assert (plain[-1][EMBEDDING] - expected[-1][EMBEDDING]).abs().max() > 1e-4


def test_attacks_add_up_in_any_order(tmp_path) -> None:
    """Each starts from the unperturbed weights and the batch's own gradient."""
    callbacks = [CASES["fgm"][0], CASES["pgd"][0], CASES["awp_added"][0]]
    runs = [recorded(tmp_path / "one", *callbacks), recorded(tmp_path / "two", *reversed(callbacks))]

    def all_three(model: Any, batch: Any) -> None:
        sums = {name: torch.zeros_like(one) for name, one in model.named_parameters()}
        for oracle, factor in ((fgm, 1), (pgd, 1), (CASES["awp_added"][1], 1), (clean, -2)):
            model.zero_grad()
            oracle(model, batch)
            for name, one in model.named_parameters():
                sums[name] += factor * one.grad
        for name, one in model.named_parameters():
            one.grad = sums[name]

    for run in runs:
        assert_close(run.states, repeated(run, all_three), tolerance=1e-5)


def test_without_an_attack_awp_leaves_the_gradient_alone(tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "awp", "start_epoch": 5})
    assert_close(run.states, repeated(run, clean))


def test_an_attack_starts_at_its_epoch(tmp_path) -> None:
    run = recorded(tmp_path / "run", {"type": "fgm", "epsilon": 0.7, "start_epoch": 1}, num_epochs=2)
    half = len(run.groups) // 2
    first = Recorded(run.start, run.groups[:half], run.states[:half], run.model)
    second = Recorded({**run.start, **run.states[half - 1]}, run.groups[half:], run.states[half:], run.model)
    assert_close(first.states, repeated(first, clean))
    assert_close(second.states, repeated(second, fgm))


def test_chosen_parameters_are_moved(tmp_path) -> None:
    name = "head.tag_projection.weight"
    run = recorded(tmp_path / "run", {"type": "fgm", "epsilon": 0.7, "parameters": r"tag_projection\.weight$"})

    def on_head(model: Any, batch: Any) -> None:
        clean(model, batch)
        one = parameter(model, name)
        before = one.data.clone()
        one.data += 0.7 * one.grad / one.grad.norm()
        clean(model, batch)
        one.data = before

    assert_close(run.states, repeated(run, on_head))


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ({"type": "fgm", "epsilon": 0}, "fgm.epsilon is 0"),
        ({"type": "fgm", "start_epoch": -1}, "fgm.start_epoch is -1"),
        ({"type": "fgm", "parameters": ["word_embedings"]}, "fgm.parameters: 'word_embedings' matches no parameter"),
        ({"type": "pgd", "steps": 0}, "pgd.steps is 0"),
        ({"type": "pgd", "alpha": -1}, "pgd.alpha is -1"),
        ({"type": "awp", "gamma": -0.1}, "awp.gamma is -0.1"),
        ({"type": "r_drop", "alpha": 0}, "r_drop.alpha is 0"),
        ({"type": "ema", "decay": 1.0}, "ema.decay is 1.0"),
        ({"type": "swa", "start_epoch": 7}, "swa.start_epoch is 7, but there are 2 epochs"),
        ({"type": "swa", "every_num_updates": 0}, "swa.every_num_updates is 0"),
    ],
)
def test_options_are_checked(callback, message, tmp_path) -> None:
    with pytest.raises(ConfigError, match=message):
        train(experiment(callback, type="ner"), tmp_path / "run")


def test_parameters_that_do_not_learn(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"fgm perturbs text_field_embedder.*, which does not learn"):
        train(experiment({"type": "fgm"}, type="ner", no_grad=["embedder"]), tmp_path / "run")


@pytest.mark.parametrize("name", ["fgm", "pgd", "awp", "r_drop", "ema", "swa"])
def test_allennlps_trainer_is_refused(name, tmp_path) -> None:
    with pytest.raises(ConfigError, match=f'the callback {name} needs "type": "ner" in trainer'):
        train(experiment({"type": name}, type="gradient_descent"), tmp_path / "run")
