"""The command that tries inputs by chance, and that it notices what it should."""

import gzip
import json
import random
import signal
from pathlib import Path

import pytest
from fuzzing import campaign
from fuzzing.campaign import KINDS, Kind, try_input
from fuzzing.mutations import WRONG, broken_array, json_changed, nested, size_unpacked, value_changed
from loaded_scripts import load_script

from ner_plugins.errors import DataError


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch):
    script = load_script("fuzz")
    monkeypatch.setattr(script, "prepare", lambda kinds: None)
    return script


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "much"])
def test_some_inputs_of_each_kind(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign.Stopwatch, "is_too_slow", lambda *_: False)  # the machine may be busy
    campaign.logging.disable(campaign.logging.CRITICAL)
    failures = [try_input(kind, 7, number, tmp_path)[1] for number in range(40)]
    assert [failure.traceback for failure in failures if failure] == []


def test_it_goes_on_where_it_stopped(fuzz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(fuzz, "KINDS", {"tags": Kind(KINDS["tags"].attack, 5)})
    monkeypatch.setattr(fuzz, "try_input", lambda kind, seed, number, _: tried.append((seed, number)) or (0.1, None))
    arguments = ["--state", str(tmp_path / "state.json"), "--inputs", "5", "--only", "tags"]
    assert fuzz.main(arguments) == fuzz.main(arguments) == 0
    assert tried == [(0, number) for number in range(10)]
    assert fuzz.main([*arguments, "--seed", "1"]) == 0  # begins anew
    assert tried[10:] == [(1, number) for number in range(5)]
    assert json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["slowest"] == {"tags": [0.1, 0]}


def test_much_of_a_kind_and_its_size_unpacked() -> None:
    chance = random.Random(5)
    for _ in range(30):
        assert 1 <= len(nested(5000, chance)) < 6000 and len(broken_array(b'{"a": [1]}', 5000, chance)) > 4000
    assert size_unpacked(gzip.compress(bytes(10**6))) == 10**6 and size_unpacked(b"abc") == 3


def failing(what):
    def attack(chance: random.Random, folder: Path) -> int:
        return what()

    return attack


def raising(error: BaseException):
    def act() -> int:
        raise error

    return act


def endless() -> int:
    while True:
        pass


@pytest.mark.parametrize(
    "act, problem",
    [
        (raising(KeyError("x")), "KeyError"),
        (raising(DataError("not caught")), "DataError"),
        (raising(MemoryError()), "MemoryError"),
        (endless, "not done after 0.05 s"),
        (lambda: sum(range(10**6)) * 0 + 10, "s of processor time for 10 bytes"),
    ],
    ids=["foreign", "ours uncaught", "memory", "endless", "slow"],
)
def test_a_failure_is_kept_with_its_input(act, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "tags", Kind(failing(act), 1))
    monkeypatch.setattr(campaign, "HARD_LIMIT", 0.05 if act is endless else 20.0)
    monkeypatch.setattr("fuzzing.outcomes.CPU_LIMIT", 0.001)
    _, failure = try_input("tags", 3, 14, tmp_path)
    assert failure is not None and problem in failure.problem
    assert (failure.kind, failure.seed, failure.number) == ("tags", 3, 14)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


def test_the_command_fails_when_an_input_does(fuzz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "tags", Kind(failing(raising(KeyError("x"))), 4))
    state = tmp_path / "state.json"
    assert fuzz.main(["--state", str(state), "--inputs", "4", "--only", "tags"]) == 1
    kept = json.loads(state.read_text(encoding="utf-8"))
    assert kept["failed"] == 4 and [one["number"] for one in kept["failures"]] == [0, 1, 2]
    assert fuzz.main(["--input", "tags", "0"]) == 1


def test_parts_of_values_are_replaced() -> None:
    value = {"a": [1, {"b": "c"}], "d": None}
    changed = [value_changed(value, random.Random(seed), WRONG) for seed in range(200)]
    assert value == {"a": [1, {"b": "c"}], "d": None}
    assert any(isinstance(one, dict) and "d" not in one for one in changed)
    assert any(isinstance(one, dict) and isinstance(one.get("a"), list) and len(one["a"]) == 3 for one in changed)
    assert sum(repr(one) == repr(value) for one in changed) < 20


def test_values_too_deep_to_be_read_are_changed_as_bytes() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert json_changed(deep, random.Random(0)) != deep
