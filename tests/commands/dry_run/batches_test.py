"""The sizes of batches, as the loaders make them."""

from pathlib import Path
from typing import Any

import pytest
from dry_runs import CPU, built

from ner_plugins.commands.dry_run.batches import DrawnBatches, length_of
from ner_plugins.commands.dry_run.report import format_report
from ner_plugins.commands.dry_run.trial import try_step


@pytest.mark.parametrize(
    "loader",
    [
        {"batch_size": 7},
        {"batch_size": None, "batch_sampler": {"type": "bucket", "batch_size": 7, "sorting_keys": ["tokens"]}},
        {
            "batch_size": None,
            "batch_sampler": {"type": "max_tokens_sampler", "max_tokens": 300, "sorting_keys": ["tokens"]},
        },
    ],
)
def test_the_sizes_are_those_of_the_loaders_batches(loader: dict[str, Any], tmp_path: Path) -> None:
    trainer = built(tmp_path, data_loader=loader)
    sizes = DrawnBatches(trainer.data_loader, CPU).sizes
    masks = [batch["tokens"]["tokens"]["tokens"] != 0 for batch in trainer.data_loader]
    assert sizes.whole and (sizes.batches, sizes.sentences) == (len(masks), 30)
    assert sizes.tokens == sum(int(mask.sum()) for mask in masks)
    assert 0 <= sizes.padding < 1
    if "batch_sampler" not in loader:  # without noise in the order
        assert sizes.padded == sum(mask.numel() for mask in masks)
        assert sizes.largest == max(mask.numel() for mask in masks)


def test_batches_of_streamed_data_and_fewer_than_there_are(tmp_path: Path) -> None:
    streamed = built(tmp_path / "a", data_loader={"max_instances_in_memory": 8})
    sizes = DrawnBatches(streamed.data_loader, CPU).sizes
    assert not sizes.whole and sizes.batches == 4
    few = built(tmp_path / "b", data_loader={"batches_per_epoch": 2})
    sizes = DrawnBatches(few.data_loader, CPU).sizes
    assert sizes.whole and (sizes.batches, sizes.sentences) == (2, 15)
    report = format_report([], try_step(streamed), streamed, [])
    assert "unknown: the data are streamed" in report and "\ndata" not in report


def test_the_largest_and_a_typical_batch(tmp_path: Path) -> None:
    batches = DrawnBatches(built(tmp_path).data_loader, CPU)
    padded = [batches.padded_tokens(places) for places in batches.places]
    assert batches.padded_tokens(batches.largest()) == max(padded)
    assert batches.padded_tokens(batches.typical()) in padded
    assert batches.tensors(batches.largest())["tokens"]["tokens"]["tokens"].numel() == max(padded)
    assert length_of(batches.instances[0]) == len(batches.instances[0]["tokens"])
