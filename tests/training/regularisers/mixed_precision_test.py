"""Every regulariser under bfloat16 autocast, and with the gradient scaling of float16, on a CPU."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from allennlp.common import Params
from published_attacks import CASES, clean
from recorded_runs import EMBEDDING, Recorded, assert_close, recorded, repeated
from staged_runs import experiment, train
from toy_models import GOLD, TEXTS, build

from ner_plugins.archives import weights as safe_load
from ner_plugins.training.engine import updates
from ner_plugins.training.regularisers.r_drop import RDropCallback

CONFIGS = Path(__file__).resolve().parents[3] / "training_config"
HEADS = ["crf_tagger", "crf_tagger_softmax", "biaffine", "span", "span_pointer", "efficient_global_pointer"]
BFLOAT16 = {"use_amp": True, "amp_dtype": "bfloat16"}
REGULARISERS: dict[str, Any] = {
    **{name: CASES[name][0] for name in ("fgm", "pgd", "awp")},
    "r_drop": {"type": "r_drop"},
    "ema": {"type": "ema", "decay": 0.6},
    "swa": {"type": "swa", "start_epoch": 0, "learning_rate_factor": 0.5, "anneal_updates": 2},
}


class Autocast:
    """A model whose forward passes are in bfloat16."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **batch: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self._model(**batch)


def moved(run: Recorded, others: list[dict[str, torch.Tensor]]) -> float:
    """The greatest difference of the embeddings at the end."""
    return float((run.states[-1][EMBEDDING] - others[-1][EMBEDDING]).abs().max())


@pytest.mark.parametrize("case", CASES)
def test_attacks_in_bfloat16_are_those_of_the_published_loop(case, tmp_path) -> None:
    """Each pass has to cast the moved weights anew."""
    callback, oracle = CASES[case]
    run = recorded(tmp_path / "run", callback, **BFLOAT16)
    expected = repeated(run, lambda model, batch: oracle(Autocast(model), batch))
    assert all(weights[EMBEDDING].dtype == torch.float32 for weights in run.states)
    # The last bit of a moved weight decides about its rounding to bfloat16.
    assert_close(run.states, expected, tolerance=2e-4)
    assert moved(run, repeated(run, lambda model, batch: clean(Autocast(model), batch))) > 1e-3
    assert moved(run, repeated(run, oracle)) > 1e-6  # it is not float32


@pytest.mark.parametrize("name", ["ema", "swa"])
def test_averages_in_bfloat16_are_of_float32_weights(name, tmp_path) -> None:
    run = recorded(tmp_path / "run", REGULARISERS[name], num_epochs=2, validated=False, **BFLOAT16)
    average = {key: one.double() for key, one in run.start.items()}
    half = len(run.states) // 2
    taken = run.states if name == "ema" else run.states[half - 1 :: half]
    for number, weights in enumerate(taken, start=1):
        decay = 0.6 if name == "ema" else (number - 1) / number
        average = {key: decay * one + (1 - decay) * weights[key].double() for key, one in average.items()}
    archived = safe_load.load(tmp_path / "run/best.th")
    for key, one in average.items():
        assert (archived[key].double() - one).abs().max() < 1e-6, key


@pytest.mark.parametrize("name", HEADS)
def test_the_divergence_in_bfloat16_is_near_that_in_float32(name) -> None:
    """The scores are in bfloat16, what is computed from them in float32."""
    model, batch = build(CONFIGS / f"{name}.jsonnet", GOLD, TEXTS, dropout=0.4)
    model.train()
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.normal_(std=0.3)
    losses = []
    for context in (nullcontext, lambda: torch.autocast("cpu", dtype=torch.bfloat16)):

        def forward(context: Any = context) -> Any:
            with context():
                return model(**batch)

        trainer = SimpleNamespace(model=model, precision=SimpleNamespace(autocast=context))
        torch.manual_seed(3)
        outputs = RDropCallback("", alpha=2.0).outputs(trainer, batch, forward)
        losses.append(outputs["loss"])
        outputs["loss"].backward()
    assert losses[1].dtype == torch.float32 and losses[0] != losses[1]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.05)
    assert all(one.grad.isfinite().all() for one in model.parameters() if one.grad is not None)


# Each head with two of them, and each of them with one or two heads.
PAIRS = [
    pytest.param(head, regulariser, marks=() if (place - number) % 3 == 0 else pytest.mark.exhaustive)
    for place, regulariser in enumerate(REGULARISERS)
    for number, head in enumerate(HEADS)
]


@pytest.mark.parametrize("name, regulariser", PAIRS)
def test_runs_in_bfloat16(name, regulariser, tmp_path) -> None:
    given = experiment(REGULARISERS[regulariser], type="ner", num_epochs=1, **BFLOAT16)
    model = Params.from_file(CONFIGS / f"{name}.jsonnet").as_dict()["model"]
    kept = {key: value for key, value in given["model"].items() if key != "type"}
    given["model"] = {**model, **kept, "dropout_samples": 2, "token_dropout": 0.1, "dimension_dropout": 0.1}
    trained = train(given, tmp_path / "run")
    assert all(one.isfinite().all() and one.dtype == torch.float32 for one in trained.parameters())


@pytest.mark.parametrize("option", ["token_dropout", "dimension_dropout"])
def test_input_dropout_in_bfloat16_draws_the_same(option) -> None:
    model, batch = build(CONFIGS / "crf_tagger.jsonnet", GOLD, TEXTS, dropout=0.0, **{option: 0.4})
    model.train()
    torch.manual_seed(4)
    exact = model(**batch)["loss"]
    torch.manual_seed(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(**batch)["loss"]
    torch.manual_seed(5)
    other = model(**batch)["loss"]
    assert found.item() == pytest.approx(exact.item(), rel=0.02) and found != exact
    assert abs(other - exact) > abs(found - exact)


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gradients are scaled as in float16 on a GPU, though all passes are in float32."""

    def start(scale: float) -> list[torch.amp.GradScaler]:
        made: list[torch.amp.GradScaler] = []

        def new_scaler(self: Any) -> torch.amp.GradScaler:
            made.append(torch.amp.GradScaler("cpu", init_scale=scale))
            return made[-1]

        monkeypatch.setattr(updates, "scales_gradients", lambda trainer: True)
        monkeypatch.setattr(updates.Precision, "new_scaler", new_scaler)
        return made

    return start


@pytest.mark.parametrize("trainer", [{}, {"num_gradient_accumulation_steps": 2}], ids=["single", "accumulated"])
@pytest.mark.parametrize("case", CASES)
def test_scaled_attacks_are_those_of_the_published_loop(case, trainer, scaled, tmp_path) -> None:
    made = scaled(2.0**16)
    callback, oracle = CASES[case]
    run = recorded(tmp_path / "run", callback, **trainer)
    assert_close(run.states, repeated(run, oracle), tolerance=1e-5)
    assert len(made) == 1 and made[0].get_scale() == 2.0**16


@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_steps_that_overflow_are_left_out(regulariser, scaled, tmp_path) -> None:
    """Perturbed weights are restored, and averages have no part of an infinite gradient."""
    made = scaled(2.0**127)
    run = recorded(tmp_path / "run", REGULARISERS[regulariser], num_epochs=4, validated=False)
    assert made[0].get_scale() < 2.0**127
    assert all(torch.equal(run.states[0][name], one) for name, one in run.start.items())
    assert not torch.equal(run.states[-1][EMBEDDING], run.start[EMBEDDING])
    archived = safe_load.load(tmp_path / "run/best.th")
    assert all(one.isfinite().all() for one in archived.values() if one.is_floating_point())


def test_scaled_runs_with_all_of_them_are_as_without_scaling(scaled, tmp_path) -> None:
    callbacks = [REGULARISERS["r_drop"], REGULARISERS["fgm"], CASES["awp_added"][0], REGULARISERS["ema"]]
    plain = recorded(tmp_path / "plain", *callbacks)
    scaled(2.0**12)
    run = recorded(tmp_path / "run", *callbacks)
    assert_close(run.states, plain.states, tolerance=1e-5)
