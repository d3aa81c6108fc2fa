"""The measuring script of structured inference, at sizes that measure nothing."""

import importlib
from pathlib import Path

import pytest
import torch
from forked import run_forked

from ner_plugins.modules.crf import ConditionalRandomField

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def structured(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    threads = torch.get_num_threads()
    yield importlib.import_module("structured")
    torch.set_num_threads(threads)


def fake(structured, ours: float, allennlp: float, pytorch_crf: float, marginals: float):
    """Three turns of these times, the middle one as told."""
    times = {("marginals", "ours"): marginals}
    for operation in ("loss", "decode"):
        times |= {(operation, "ours"): ours, (operation, "AllenNLP"): allennlp, (operation, "pytorch-crf"): pytorch_crf}
    return structured.Measured({name: [time, 9 * time, time / 9] for name, time in times.items()})


def test_sides_agree_and_every_turn_is_counted(structured) -> None:
    size = structured.Size(2, 5, 3)
    measured, ties = structured.measure(size, structured.Setting("cpu", 2), repeats=4, seconds=60.0)
    assert torch.get_num_threads() == 2 and ties == 0
    assert len(measured.milliseconds) == 7
    assert all(len(turns) == 4 and min(turns) > 0 for turns in measured.milliseconds.values())
    measured, _ = structured.measure(size, structured.ONE_THREAD, repeats=9, seconds=0.0)
    assert {len(turns) for turns in measured.milliseconds.values()} == {structured.LEAST_TURNS}


@pytest.mark.parametrize(
    "side, message",
    [
        ("loss", "4 × 6 × 3: our marginals and gradients and our loss .* and our gradient and AllenNLP's and"),
        ("decode", "4 × 6 × 3: our best tagging and AllenNLP's and our best tagging and pytorch-crf's differ"),
        ("marginals", "4 × 6 × 3: our marginals and gradients differ"),
    ],
)
def test_sides_that_differ_are_no_measurement(structured, side: str, message: str) -> None:
    size = structured.Size(4, 6, 3)
    sides, crf, batch = structured.sides_of(size, "cpu")
    right = sides[side, "ours"]
    wrong = {
        "loss": lambda: tuple(value + 0.1 for value in right()),
        "decode": lambda: [[(tag + 1) % 3 for tag in path] for path in right()],
        "marginals": lambda: right() + 0.1,
    }
    with pytest.raises(SystemExit, match=message):
        structured.compare(
            size, {**sides, (side, "ours"): wrong[side]}, structured.sides_of(size, "cpu", exact=True)[0], crf, batch
        )


def test_taggings_of_equal_score_are_ties(structured) -> None:
    size = structured.Size(3, 4, 2)
    _, _, (scores, gold, mask) = structured.sides_of(size, "cpu")
    flat = ConditionalRandomField(2)
    for parameter in flat.parameters():
        torch.nn.init.zeros_(parameter)
    value = torch.tensor(1.0), torch.zeros(3, 4, 2)
    exact = {("loss", peer): lambda: tuple(tensor.double() for tensor in value) for peer in structured.PEERS}
    sides = {("loss", "ours"): lambda: value}
    sides |= {("decode", side): lambda: [[0] * 4] * 3 for side in structured.PEERS}
    sides |= {("decode", "ours"): lambda: [[0] * 4, [0, 1, 1, 0], [1] * 4]}
    sides |= {("marginals", "ours"): lambda: torch.nn.functional.one_hot(gold, 2).float()}
    assert structured.compare(size, sides, exact, flat, (torch.zeros_like(scores), gold, mask)) == 2


def test_what_is_measured(structured) -> None:
    matrix = structured.plan(quick=False, has_gpu=True)
    assert len(matrix) == len(set(matrix)) == 3 * 28
    quick = structured.plan(quick=True, has_gpu=True)
    assert len(quick) == 1 + 9 + 3 and set(quick) < set(matrix)
    assert {setting for setting, _ in structured.plan(quick=True, has_gpu=False)} == {structured.ONE_THREAD}
    wanted = {(bound.setting, size) for bound in structured.BOUNDS for size in bound.sizes}
    assert wanted == set(quick)


def test_bounds_that_are_not_kept_are_told(structured) -> None:
    found = {place: fake(structured, 1.0, 50.0, 10.0, 2.5) for place in structured.plan(quick=True, has_gpu=True)}
    text, broken = structured.bounds_table(found)
    assert broken == [] and text.count("\n") == 2 + len(structured.BOUNDS) + 2
    size = structured.Size(1, 128, 21)
    found[structured.ONE_THREAD, size] = fake(structured, 1.0, 50.0, 9.9, 2.6)
    _, broken = structured.bounds_table(found)
    where = "on CPU, 1 thread, 1 × 32/128/512 × 9/21/41, against pytorch-crf: 9.9 times as fast, not 10"
    assert broken == [
        f"loss {where}",
        f"decode {where}",
        "marginals on CPU, 1 thread, relative to our decoding: 2.60 at 1 × 128 × 21, not 2.5",
    ]
    only_cpu = {place: measured for place, measured in found.items() if place[0] == structured.ONE_THREAD}
    assert "GPU" not in structured.bounds_table(only_cpu)[0]


def test_tables(structured) -> None:
    size = structured.Size(2, 3, 4)
    text = structured.setting_table(structured.GPU, {(structured.GPU, size): fake(structured, 2.0, 8.0, 4.0, 3.0)})
    row = "| 2 × 3 × 4 | 2 (0.222–18) | 4 (4–4) | 2 (2–2) | 2 (0.222–18) | 4 (4–4) | 2 (2–2) | 1.5 (1.5–1.5) |"
    assert text.startswith("GPU:\n\n| sentences") and row in text
    assert str(structured.Setting("cpu", 2)) == "CPU, 2 threads"


def test_first_use_is_told() -> None:
    """It is measured in a fresh process; this one has used them already."""
    done = run_forked("--first-use", script=ROOT / "benchmarks/structured.py")
    assert done.returncode == 0 and 0 < float(done.stdout) < 600, done.stderr
