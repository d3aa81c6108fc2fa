"""What a dry run prints."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from torch.nn import Module

from ner_plugins.commands.checks.data import Split, type_counts
from ner_plugins.commands.dry_run.batches import BatchSizes, length_of
from ner_plugins.commands.dry_run.trial import Memory, Trial
from ner_plugins.data_tools.statistics.tables import format_columns
from ner_plugins.metrics.report import type_name
from ner_plugins.training.stages.callback import StagedTraining
from ner_plugins.training.trainer_access import accumulated_batches, callbacks_of, number_of_epochs


def format_report(splits: Sequence[Split], trial: Trial, trainer: Any, found: Sequence[str]) -> str:
    """
    The report.

    # Parameters

    splits : `Sequence[Split]`
        The data in memory that have this package's fields.
    trial : `Trial`
    trainer : `Any`
        The trainer that was tried.
    found : `Sequence[str]`
        Remarks of the checks.
    """
    accumulated = accumulated_batches(trainer)
    remarks = [f"  - {remark}" for remark in found] or ["  nothing to remark"]
    blocks = [
        ["checks", *remarks],
        list(_data(splits)),
        ["model", *_indented(_model(trainer.model))],
        ["batches", *_indented(_batches(trial, accumulated))],
        ["time, estimated from one step" + _where(trial), *_indented(_time(trial, trainer))],
        ["memory, estimated from the largest batch" + _where(trial), *_indented(_memory(trial.memory))],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _where(trial: Trial) -> str:
    return f" on {'the CPU' if trial.device.type == 'cpu' else trial.device}"


def _indented(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"  {line}" for line in format_columns(rows)]


def _data(splits: Sequence[Split]) -> Iterator[str]:
    if not splits:
        return
    counts = {split.name: type_counts(split.instances) for split in splits}
    lengths = {split.name: [length_of(instance) for instance in split.instances] for split in splits}
    rows = [
        ["data", *counts],
        ["  sentences", *(f"{len(split.instances):,}" for split in splits)],
        ["  tokens", *(f"{sum(found):,}" for found in lengths.values())],
        ["  tokens of the longest", *(f"{max(found):,}" for found in lengths.values())],
        ["  entities", *(f"{sum(found.values()):,}" for found in counts.values())],
    ]
    for type_ in sorted(set().union(*counts.values())):
        rows.append([f"    {type_name(type_)}", *(f"{found[type_]:,}" for found in counts.values())])
    yield from format_columns(rows)


def _model(model: Module) -> list[list[str]]:
    trainable: Counter[str] = Counter()
    frozen: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        (trainable if parameter.requires_grad else frozen)[name.partition(".")[0]] += parameter.numel()
    rows = [["parameters", "trainable", "frozen"]]
    parts = dict.fromkeys(name.partition(".")[0] for name, _ in model.named_parameters())
    rows += [[part, f"{trainable[part]:,}", f"{frozen[part]:,}"] for part in parts]
    return [*rows, ["in all", f"{sum(trainable.values()):,}", f"{sum(frozen.values()):,}"]]


def _batches(trial: Trial, accumulated: int) -> list[list[str]]:
    given: dict[str, BatchSizes] = {"train": trial.training}
    if trial.validation is not None:
        given["validation"] = trial.validation
    sizes = list(given.values())
    number = "batches of an epoch" if all(size.whole for size in sizes) else "batches of a sample of the data"
    rows = [
        ["", *given],
        [number, *(f"{size.batches:,}" for size in sizes)],
        ["sentences of a batch", *(f"{size.sentences / max(size.batches, 1):,.1f}" for size in sizes)],
        ["tokens of a batch", *(f"{size.tokens / max(size.batches, 1):,.0f}" for size in sizes)],
        ["largest, with padding", *(f"{size.largest:,}" for size in sizes)],
        ["padding", *(f"{size.padding:.1%}" for size in sizes)],
    ]
    if accumulated > 1:
        rows.append(["batches of an update", str(accumulated), *("" for _ in sizes[1:])])
    return rows


def _time(trial: Trial, trainer: Any) -> list[list[str]]:
    training, validation = trial.epoch_seconds(accumulated_batches(trainer))
    step = trial.step_seconds + trial.update_seconds
    rows = [["a step", f"{step:.2f} s for {trial.step_tokens:,} tokens with padding, loss {trial.loss:.4g}"]]
    if not trial.training.whole or (trial.validation is not None and not trial.validation.whole):
        return [*rows, ["an epoch", "unknown: the data are streamed, and were not read to their end"]]
    parts = f" ({_seconds(training)} of training, {_seconds(validation)} of validation)" if validation else ""
    rows.append(["an epoch", _seconds(training + validation) + parts])
    epochs = number_of_epochs(trainer)
    rows.append([f"{epochs} epochs", _seconds(epochs * (training + validation))])
    stages = [callback.name for callback in callbacks_of(trainer) if isinstance(callback, StagedTraining)]
    if stages:
        rows.append(["not included", f"the stages before training: {', '.join(stages)}"])
    return _left_aligned(rows)


def _memory(memory: Memory) -> list[list[str]]:
    rows = [
        ["parameters", _bytes(memory.parameters)],
        ["gradients", _bytes(memory.gradients)],
        ["state of the optimizer", _bytes(memory.optimizer)],
        ["activations", "not measured" if memory.activations is None else _bytes(memory.activations)],
    ]
    if memory.total is not None:
        rows.append(["at the peak of a step", _bytes(memory.total)])
    return rows


def _left_aligned(rows: list[list[str]]) -> list[list[str]]:
    width = max(len(row[1]) for row in rows)
    return [[row[0], row[1].ljust(width)] for row in rows]


def _seconds(seconds: float) -> str:
    """A duration in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s" if minutes < 10 else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def _bytes(number: int) -> str:
    """A number of bytes with a unit of 1,000s."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} B"
