"""`allennlp train --dry-run`: what it reports, and that it leaves nothing behind."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.training.trainer import Trainer

from ner_plugins.commands.checks.data import Split
from ner_plugins.commands.dry_run import memory
from ner_plugins.commands.dry_run.batches import BatchSizes, DrawnBatches, length_of
from ner_plugins.commands.dry_run.memory import MemoryMeter, optimizer_bytes, tensor_bytes
from ner_plugins.commands.dry_run.report import format_report
from ner_plugins.commands.dry_run.run import dry_run
from ner_plugins.commands.dry_run.trial import Memory, Trial, try_step
from ner_plugins.errors import ConfigError, NerError

CPU = torch.device("cpu")
EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
CONFIG = {
    "dataset_reader": {"type": "cluener", "max_instances": 30},
    "train_data_path": "fixtures/sample#train",
    "validation_data_path": "fixtures/sample#dev",
    "model": {"type": "crf_tagger", "text_field_embedder": EMBEDDER},
    "data_loader": {"batch_size": 8},
    "trainer": {"num_epochs": 3, "cuda_device": -1, "optimizer": {"type": "adam"}},
}


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def config(**parts: Any) -> Any:
    given = {**CONFIG, **{name: {**CONFIG.get(name, {}), **part} for name, part in parts.items()}}  # type: ignore[dict-item]
    return json.loads(json.dumps(given))


def built(folder: Path, **parts: Any) -> Any:
    return TrainModel.from_params(Params(config(**parts)), serialization_dir=str(folder), local_rank=0).trainer


def test_the_report(tmp_path: Path) -> None:
    params = Params(config(trainer={"no_grad": ["^text_field_embedder"]}))
    before = json.dumps(params.as_dict(quiet=True))
    report = dry_run(params)
    assert json.dumps(params.as_dict(quiet=True)) == before and list(tmp_path.iterdir()) == []
    lines = [" ".join(line.split()) for line in report.splitlines()]
    assert lines[:2] == ["checks", "nothing to remark"]
    assert "data train validation" in lines and "sentences 30 30" in lines
    assert any(re.fullmatch(r"text_field_embedder 0 [\d,]+", line) for line in lines)
    assert "batches of an epoch 4 4" in lines and "sentences of a batch 7.5 7.5" in lines
    for pattern in (
        r"a step .* s for \d+ tokens with padding, loss .+",
        r"3 epochs .+",
        r"activations .+B",
        r"in all .+",
    ):
        assert any(re.fullmatch(pattern, line) for line in lines), pattern


def test_the_command_leaves_nothing(allennlp: Any, tmp_path: Path, tiny_overrides: str, repository: Path) -> None:
    run = ["train", "training_config/biaffine.jsonnet", "--include-package", "ner_plugins", "-o", tiny_overrides]
    before = sorted(path.name for path in repository.iterdir())
    done = allennlp(*run, "-s", tmp_path / "run", "--dry-run")
    assert done.returncode == 0 and "at the peak of a step" in done.stdout, done.stderr
    assert "serialization directory" not in done.stdout and not (tmp_path / "run").exists()
    assert allennlp(*run, "--dry-run").returncode == 0
    assert sorted(path.name for path in repository.iterdir()) == before


def test_a_run_in_the_folder_stays_as_it_is(allennlp: Any, trained: Path, tiny_overrides: str) -> None:
    run = ["train", "training_config/biaffine.jsonnet", "--include-package", "ner_plugins", "-s", trained, "--recover"]
    more = json.dumps({**json.loads(tiny_overrides), "trainer.num_epochs": 7})
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    done = allennlp(*run, "-o", more, "--dry-run")
    assert done.returncode == 0 and "7 epochs" in done.stdout, done.stderr
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    other = json.dumps({**json.loads(tiny_overrides), "model.projection.dim": 17})
    assert "model.projection.dim was 16 and is 17" in allennlp(*run, "-o", other, "--dry-run").stderr


def test_remarks_are_in_the_report() -> None:
    report = dry_run(Params(config(model={"type": "biaffine", "max_span_width": 1})))
    assert "  - train_data_path: " in report and "wider than max_span_width, 1 tokens" in report


def test_one_of_several_processes() -> None:
    given = {**config(), "distributed": {"cuda_devices": [-1, -1]}, "evaluation": {}, "random_seed": 3}
    del given["trainer"]["cuda_device"]
    assert "one of 2 that share the data" in dry_run(Params(given))


def test_the_message_of_a_step_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer = built(tmp_path)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise DataProblem("this sentence cannot be scored")

    class DataProblem(NerError):
        pass

    monkeypatch.setattr(trainer.model, "forward", fail)
    with pytest.raises(DataProblem, match="this sentence cannot be scored"):
        try_step(trainer)


def test_out_of_memory_names_the_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trainer = built(tmp_path)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.model, "forward", fail)
    tokens = DrawnBatches(trainer.data_loader, CPU).sizes.largest
    with pytest.raises(NerError, match=f"the largest batch: [0-9]+ sentences, {tokens:,} tokens with padding"):
        try_step(trainer)


def test_a_figure_that_a_model_of_others_does_not_produce(tmp_path: Path) -> None:
    (tmp_path / "stock.txt").write_text("他###O 在###O\n")
    encoder = {"type": "lstm", "input_size": 4, "hidden_size": 4}
    given = {
        **config(),
        "dataset_reader": {"type": "sequence_tagging"},
        "model": {"type": "simple_tagger", "text_field_embedder": EMBEDDER, "encoder": encoder},
        "train_data_path": str(tmp_path / "stock.txt"),
        "validation_data_path": str(tmp_path / "stock.txt"),
    }
    good = json.loads(json.dumps(given))
    good["trainer"]["validation_metric"] = "+accuracy"
    assert "an epoch" in dry_run(Params(good))
    given["trainer"]["validation_metric"] = "+acuracy"
    with pytest.raises(ConfigError, match="has 'acuracy', but the model produces accuracy, accuracy3, loss"):
        dry_run(Params(given))


def test_a_trainer_of_another_kind() -> None:
    @Trainer.register("dry_run_test", exist_ok=True)
    class Own(Trainer):
        def __init__(self, model: Any) -> None:
            self.model = model

    given = config()
    given["trainer"] = {"type": "dry_run_test"}
    with pytest.raises(ConfigError, match="cannot try a step with the trainer Own, which has no optimizer"):
        dry_run(Params(given))


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
    report = format_report([], try_step(streamed), streamed, 3, [])
    assert "unknown: the data are streamed" in report and "\ndata" not in report


def test_the_largest_and_a_typical_batch(tmp_path: Path) -> None:
    batches = DrawnBatches(built(tmp_path).data_loader, CPU)
    padded = [batches.padded_tokens(places) for places in batches.places]
    assert batches.padded_tokens(batches.largest()) == max(padded)
    assert batches.padded_tokens(batches.typical()) in padded
    assert batches.tensors(batches.largest())["tokens"]["tokens"]["tokens"].numel() == max(padded)
    assert length_of(batches.instances[0]) == len(batches.instances[0]["tokens"])


def test_memory_of_a_model_of_known_size(tmp_path: Path) -> None:
    trainer = built(tmp_path)
    found = try_step(trainer).memory
    size = sum(4 * parameter.numel() for parameter in trainer.model.parameters())
    assert (found.parameters, found.gradients) == (size, size)
    assert 2 * size <= found.optimizer <= 2 * size + 100 * len(list(trainer.model.parameters()))


def test_the_meter_sees_a_tensor() -> None:
    meter = MemoryMeter(CPU)
    if meter.peak() is None:
        pytest.skip("this system cannot measure it")
    tensor = torch.ones(8 << 20)  # 32 MB
    del tensor
    peak = meter.peak()
    assert peak is not None and peak > 24 << 20


def test_memory_that_cannot_be_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(memory, "_FORGET", tmp_path / "none/none")
    assert MemoryMeter(CPU).peak() is None
    trainer = built(tmp_path / "run")
    report = format_report([], try_step(trainer), trainer, None, [])
    assert "activations             not measured" in report or "not measured" in report
    assert "at the peak" not in report


def test_bytes() -> None:
    pair = (torch.zeros(3), {"a": torch.zeros(2, dtype=torch.float64)}, [torch.zeros(1)], 5, None)
    assert tensor_bytes(pair) == 12 + 16 + 4
    parameter = torch.nn.Parameter(torch.ones(5))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.sum().backward()
    optimizer.step()
    assert optimizer_bytes(optimizer) == 20


def sizes(batches: int = 10, padded: int = 1000) -> BatchSizes:
    return BatchSizes(batches, sentences=40, tokens=900, padded=padded, largest=200, whole=True)


def trial(validation: Any = None) -> Trial:
    seconds = {"step_seconds": 0.5, "update_seconds": 0.1, "validation_seconds": 0.25}
    tokens = {"step_tokens": 100, "validation_tokens": 50 if validation else 0}
    held = Memory(parameters=100, gradients=100, optimizer=200, activations=1000, step=1050)
    return Trial(device=CPU, training=sizes(), validation=validation, loss=1.0, memory=held, **seconds, **tokens)


def test_estimates() -> None:
    assert trial().epoch_seconds() == (pytest.approx(0.5 * 10 + 0.1 * 10), 0.0)
    assert trial(sizes(3, 500)).epoch_seconds(4) == (pytest.approx(5.0 + 0.1 * 3), pytest.approx(2.5))
    assert trial().memory.total == 100 + 1100 + 200
    assert Memory(1, 1, 1, None, None).total is None


def test_stages_are_not_in_the_estimate(tmp_path: Path) -> None:
    trainer = built(tmp_path, trainer={"callbacks": [{"type": "two_stage", "freeze": "^text"}]})
    trainer._num_gradient_accumulation_steps = 4
    report = format_report(
        [Split("train_data_path", trainer.data_loader._instances)], trial(), trainer, 3, ["a remark"]
    )
    assert "not included" in report and "TwoStage" in report and "  - a remark" in report
    assert re.search(r"batches of an update +4", report)
