"""One side of `training.py`: trains once in this process and prints what it measured as JSON, in the last line."""

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

START = time.perf_counter()

import ner_plugins  # noqa: E402, F401  (before allennlp)

HF_LENGTH = 512


class Clock:
    """
    Measures the training loop from the first step of the first counted epoch to the end of the last step, and counts
    the positions that the encoder computes.

    # Parameters

    warm_up : `int`
        The number of epochs that are not counted.
    """

    def __init__(self, warm_up: int) -> None:
        self.warm_up = warm_up
        self.start = self.end = 0.0
        self.steps = self.positions = 0
        self._utilisation = Utilisation()

    def begin_epoch(self, finished: int) -> None:
        """Call before each epoch, with the number of finished ones."""
        if finished == self.warm_up:
            _synchronize()
            self.steps = self.positions = 0
            self._utilisation.start()
            self.start = time.perf_counter()

    def step(self) -> None:
        """Call after each step."""
        self.steps += 1
        self.end = time.perf_counter()

    def finish(self) -> dict[str, Any]:
        """The figures, after the last step."""
        _synchronize()
        if _on_gpu():
            self.end = time.perf_counter()
        return {
            "seconds": self.end - self.start,
            "steps": self.steps,
            "positions": self.positions,
            "busy": self._utilisation.finish(),
            "memory": _peak_memory(),
        }

    def watch(self, encoder: Any) -> None:
        """Count the positions that `encoder`, a model of Transformers, is called with."""

        def count(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            ids = kwargs["input_ids"] if "input_ids" in kwargs else args[0]
            self.positions += ids.numel()

        encoder.register_forward_pre_hook(count, with_kwargs=True)


class Utilisation:
    """The share of the time in which a GPU runs kernels, as `nvidia-smi` samples it; nothing without a GPU."""

    def __init__(self) -> None:
        self._process: Any = None
        self._samples: list[float] = []

    def start(self) -> None:
        if not _on_gpu():
            return
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except OSError:
            return
        threading.Thread(target=self._read, daemon=True).start()

    def finish(self) -> float | None:
        if self._process is None:
            return None
        self._process.terminate()
        return sum(self._samples) / len(self._samples) / 100 if self._samples else None

    def _read(self) -> None:
        for line in self._process.stdout:
            if line.strip().isdigit():
                self._samples.append(float(line))


def _on_gpu() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_initialized()


def _synchronize() -> None:
    if _on_gpu():
        import torch

        torch.cuda.synchronize()


def _peak_memory() -> dict[str, float]:
    """MiB: of the process, and of a GPU's tensors."""
    import torch

    found = {"rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if _on_gpu():
        found["cuda"] = torch.cuda.max_memory_allocated() / 2**20
    return found


def train_ours(job: dict[str, Any]) -> dict[str, Any]:
    """`allennlp train` in this process: its config, its trainer, its data loader."""
    from allennlp.commands.train import train_model
    from allennlp.common import Params
    from allennlp.training.callbacks import TrainerCallback

    clock = Clock(job["warm_up"])

    @TrainerCallback.register("benchmark_clock")
    class ClockCallback(TrainerCallback):
        def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
            clock.watch(trainer.model.text_field_embedder.token_embedder_tokens.encoder)
            clock.begin_epoch(0)

        def on_batch(self, *args: Any, is_training: bool, **kwargs: Any) -> None:
            if is_training:
                clock.step()

        def on_epoch(self, trainer: Any, metrics: Any, epoch: int, is_primary: bool = True, **kwargs: Any) -> None:
            clock.begin_epoch(epoch + 1)

    overrides = {
        "train_data_path": job["train"],
        "trainer.num_epochs": job["epochs"] + job["warm_up"],
        "trainer.cuda_device": 0 if job["device"] == "cuda" else -1,
        "trainer.validation_metric": "-loss",
        "trainer.callbacks": [{"type": "benchmark_clock"}],
        **({"trainer.use_amp": True, "trainer.amp_dtype": "bfloat16"} if job["bfloat16"] else {}),
        **job["overrides"],
    }
    config = Params.from_file(job["config"], json.dumps(overrides)).as_dict(quiet=True)
    for name in ("validation_data_path", "validation_data_loader"):
        config.pop(name, None)
    train_model(Params(config), job["folder"])
    return clock.finish()


def train_hf(job: dict[str, Any]) -> dict[str, Any]:
    """The `Trainer` of Transformers over a token classifier with BIO tags, as its documentation shows it."""
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    torch.manual_seed(1)
    sentences = [json.loads(line) for line in Path(job["tagged"]).read_text(encoding="utf-8").splitlines()]
    tags = sorted({tag for sentence in sentences for tag in sentence["tags"]})
    ids = {tag: number for number, tag in enumerate(tags)}
    tokenizer = AutoTokenizer.from_pretrained(job["encoder"])
    words = [[character.lower() for character in sentence["tokens"]] for sentence in sentences]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=HF_LENGTH)
    data = []
    for place, sentence in enumerate(sentences):
        labels = [-100 if word is None else ids[sentence["tags"][word]] for word in encoded.word_ids(place)]
        pieces = encoded["input_ids"][place]
        data.append({"input_ids": pieces, "attention_mask": [1] * len(pieces), "labels": labels, "length": len(pieces)})
    clock = Clock(job["warm_up"])

    class ClockCallback(TrainerCallback):
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.begin_epoch(round(state.epoch or 0))

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            clock.step()

    model = AutoModelForTokenClassification.from_pretrained(
        job["encoder"], num_labels=len(tags), dtype=torch.float32, attn_implementation="sdpa"
    )
    clock.watch(model.base_model)
    arguments = TrainingArguments(
        output_dir=job["folder"],
        per_device_train_batch_size=32,
        num_train_epochs=job["epochs"] + job["warm_up"],
        learning_rate=2e-4,
        weight_decay=0.01,
        warmup_steps=20,
        bf16=job["bfloat16"],
        use_cpu=job["device"] == "cpu",
        train_sampling_strategy="group_by_length" if job["grouped"] else "random",
        save_strategy="no",
        report_to="none",
        seed=1,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        callbacks=[ClockCallback()],
    )
    trainer.train()
    return clock.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["ours", "hf"])
    parser.add_argument("job", help="JSON; see training.py")
    arguments = parser.parse_args()
    job = json.loads(arguments.job)
    sides = {"ours": train_ours, "hf": train_hf}
    figures = sides[arguments.side](job)
    print(json.dumps({**figures, "process": time.perf_counter() - START}), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
