"""The measuring script of the lattice encoder, at sizes that measure nothing."""

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from forked import run_instead

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    threads = torch.get_num_threads()
    yield importlib.import_module("flat")
    torch.set_num_threads(threads)


def test_sides_agree_and_take_turns(flat: ModuleType) -> None:
    spans, kind = flat.lattices(flat.GENERATED, 2, 12)
    assert kind == "generated" and len(spans) == 2
    batch = flat.batch_of(spans, 12, "cpu")
    flat.compare(batch, 12, "cpu")
    found = flat.times(batch, 12, "cpu", repeats=2)
    assert list(found) == list(flat.SIDES) and {len(turns) for turns in found.values()} == {2}


def test_sides_that_differ_are_no_measurement(flat: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = flat.batch_of([flat.generated(9, 1)], 9, "cpu")
    right = flat.encoder_of

    def wrong(side, tokens, device):
        encoder = right(side, tokens, device)
        if not side.ours:
            encoder.positions.projection.weight.data.mul_(1.5)
        return encoder

    monkeypatch.setattr(flat, "encoder_of", wrong)
    with pytest.raises(SystemExit, match="two distances: the results differ by"):
        flat.compare(batch, 9, "cpu")


def test_generated_lattices_are_as_dense_as_is_said(flat: ModuleType) -> None:
    spans = flat.generated(5000, 3)
    assert len(spans) / 5000 == pytest.approx(sum(flat.DENSITY.values()), rel=0.05)
    assert {last - first + 1 for first, last, _ in spans} == set(flat.DENSITY)
    assert max(last for _, last, _ in spans) < 5000


def test_a_step_in_another_process(flat: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked one has its parent's memory, so nothing is compared."""
    monkeypatch.setattr(flat, "subprocess", SimpleNamespace(run=run_instead))
    for of_us in (True, False):
        megabytes, *_ = flat.in_child(flat.Side(of_us, "two"), 2, 60, "cpu", flat.GENERATED)
        assert megabytes >= 0


@pytest.mark.exhaustive
def test_memory_of_a_step_in_a_process_of_its_own(flat: ModuleType) -> None:
    ours, literal = (flat.in_child(flat.Side(of_us, "two"), 4, 60, "cpu", flat.GENERATED)[0] for of_us in (True, False))
    assert 0 < ours < literal


def test_bounds_that_are_not_kept_are_told(flat: ModuleType) -> None:
    names = ["ours, two", "literal, two", "ours, four", "literal, four"]
    assert [str(side) for side in flat.SIDES] == [f"{name} distances" for name in names]
    milliseconds = dict(zip(flat.SIDES, ([1.0, 1.0], [4.0, 6.0], [2.0, 2.0], [9.0, 11.0]), strict=True))
    megabytes = dict(zip(flat.SIDES, (50.0, 600.0, 100.0, 1000.0), strict=True))
    text, broken = flat.summary(milliseconds, megabytes, "cuda")
    assert broken == []
    assert "| ours, four distances | 2 ms (2–2) | 5 (4.5–5.5) | 100 MB | 0.100 |" in text
    milliseconds[flat.SIDES[0]] = [8.0, 8.0]
    megabytes[flat.SIDES[2]] = 1600.0
    assert flat.summary(milliseconds, megabytes, "cuda")[1] == [
        "ours, two distances: a step is 0.62 times as fast as the literal one",
        "ours, four distances: 1.60 of the literal memory with four distances, not 0.25",
        "ours, four distances: 1600 MB, not 1500",
    ]
    assert len(flat.summary(milliseconds, megabytes, "cpu")[1]) == 2


def test_the_peer_gets_no_more_than_half_of_the_memory(flat: ModuleType) -> None:
    assert flat.batch_size("cuda", [[]] * 10, 3000) == 10
    assert flat.batch_size("cpu", [[]] * 10, 10) == 10
    assert flat.batch_size("cpu", [[]] * 10, 100_000) == 1
