"""Warm-up that is longer than training."""

import random
from pathlib import Path
from typing import Any

import pytest
from dry_runs import built, config

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.schedules import late_warm_ups, updates_of


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)


def warnings(folder: Path, scheduler: dict[str, Any]) -> list[str]:
    trainer = {"learning_rate_scheduler": scheduler, "num_gradient_accumulation_steps": 3}
    return list(late_warm_ups(walk_config(config(trainer=trainer)), built(folder, trainer=trainer)))


def test_warm_up_longer_than_training(tmp_path: Path) -> None:
    assert warnings(tmp_path, {"type": "linear_with_warmup", "warmup_steps": 7}) == [
        "trainer.learning_rate_scheduler.warmup_steps is 7, but training has 6 updates: the rate never reaches its "
        "full value"
    ]
    assert len(warnings(tmp_path, {"type": "warmup_inverse_decay", "warmup": 7})) == 1


@pytest.mark.parametrize(
    "scheduler",
    [
        {"type": "linear_with_warmup", "warmup_steps": 6},
        {"type": "warmup_inverse_decay", "warmup": 0.9},
        {"type": "slanted_triangular", "cut_frac": 0.5},
    ],
)
def test_warm_up_within_training(scheduler: dict[str, Any], tmp_path: Path) -> None:
    assert warnings(tmp_path, scheduler) == []


def test_the_number_of_updates(tmp_path: Path) -> None:
    sampler = {"type": "max_tokens_sampler", "max_tokens": 300, "sorting_keys": ["tokens"]}
    trainer = built(tmp_path / "a", data_loader={"batch_size": None, "batch_sampler": sampler})
    before = random.getstate()
    updates = updates_of(trainer)
    assert random.getstate() == before and updates == 3 * len(list(trainer.data_loader))
    assert updates_of(built(tmp_path / "b", data_loader={"max_instances_in_memory": 8})) is None
