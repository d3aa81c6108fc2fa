"""
Runs of `allennlp train` for each head and seed, resumable, with one JSON file for each finished run.

The score is that of the best epoch on dev, which `allennlp train` selects. A labelled test file is evaluated once, with
the weights of that epoch. Used by `cluener.py`, `corpora.py`, `lattice.py` and `variants.py`.
"""

import argparse
import csv
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import machine, versions

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
ALLENNLP = str(Path(sys.executable).with_name("allennlp"))
HEADS = {
    "crf_tagger": "training_config/crf_tagger.jsonnet",
    "crf_tagger_softmax": "training_config/crf_tagger_softmax.jsonnet",
    "span_pointer": "training_config/span_pointer.jsonnet",
    "span": "training_config/span.jsonnet",
    "biaffine": "training_config/biaffine.jsonnet",
    "efficient_global_pointer": "training_config/efficient_global_pointer.jsonnet",
}
# Chosen by training biaffine on 2,400 sentences of CLUENER2020's train and scoring 600 others of it: after 3 epochs
# 5e-5 had .645, 1e-4 .671 and 2e-4 .697. The rate in the configs, 5e-5, is for encoders of base size.
LEARNING_RATE = 2e-4
IMPORTED = f"{ROOT / 'benchmarks'}{os.pathsep}{ROOT}"  # this tree's package, not the one that is installed
FIGURES = {
    "dev micro F1 (seqeval, strict)": "dev_micro_f1",
    "dev macro F1 (seqeval)": "dev_macro_f1",
    "dev macro F1 (official)": "dev_official_macro_f1",
    "test micro F1 (seqeval, strict)": "test_micro_f1",
    "test macro F1 (seqeval)": "test_macro_f1",
}


@dataclass
class Corpus:
    """
    The corpus of a run.

    # Parameters

    name : `str`
    reader : `str`
        The reader of `train`, `dev` and `test`.
    train, dev : `str`
        Data paths.
    test : `Optional[str]`
        A labelled data path, or `None`.
    """

    name: str
    reader: str
    train: str
    dev: str
    test: str | None = None

    def environment(self, encoder: str, seed: int, epochs: int) -> dict[str, str]:
        """The settings of an experiment."""
        return {
            "NER_READER": self.reader,
            "NER_TRAIN": self.train,
            "NER_DEV": self.dev,
            "NER_ENCODER": encoder,
            "NER_SEED": str(seed),
            "NER_EPOCHS": str(epochs),
        }


def add_arguments(parser: argparse.ArgumentParser, encoder: str, epochs: int, heads: Sequence[str]) -> None:
    parser.add_argument("--encoder", default=encoder)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="of the encoder, for every head")
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision, on a CPU too")
    parser.add_argument("--models", nargs="+", choices=sorted(heads), default=list(heads))
    parser.add_argument("--minutes", type=float, help="start no further run after this time; the others are 'not run'")


@dataclass
class Run:
    """
    One training.

    # Parameters

    model : `str`
        Its name in tables.
    name : `str`
        The name of its folder and result file, which includes all settings that the result depends on.
    config : `str`
    environment : `dict[str, str]`
        Settings, as environment variables.
    overrides : `dict[str, Any]`
        Overrides of the config.
    facts : `dict[str, Any]`
        Facts that are recorded with its result.
    encoder_rate : `float | None`
        The encoder's learning rate, if it is not the config's.
    """

    model: str
    name: str
    config: str
    environment: dict[str, str]
    overrides: dict[str, Any]
    facts: dict[str, Any]
    encoder_rate: float | None = None

    def changes(self) -> dict[str, Any]:
        """The overrides, including the encoder's rate."""
        if self.encoder_rate is None:
            return self.overrides
        groups = groups_with_rate(self.config, self.encoder_rate, self.environment)
        return {"trainer.optimizer.parameter_groups": groups, **self.overrides}


def runs_of(corpus: Corpus, heads: Mapping[str, str], arguments: argparse.Namespace) -> Iterator[Run]:
    """The runs of every head over one encoder, seed by seed."""
    encoder, rate, epochs = Path(arguments.encoder).name, arguments.learning_rate, arguments.epochs
    for seed in arguments.seeds:
        environment = corpus.environment(arguments.encoder, seed, epochs)
        facts = {"encoder": encoder, "seed": seed, "epochs": epochs, "encoder_learning_rate": rate}
        for head in arguments.models:
            name = f"{head}-{encoder}-e{epochs}-lr{rate:g}-s{seed}" + ("-bf16" if arguments.bfloat16 else "")
            yield Run(head, name, heads[head], environment, precision(arguments), facts, rate)


def precision(arguments: argparse.Namespace) -> dict[str, Any]:
    """The overrides for the precision chosen on the command line."""
    return {"trainer.use_amp": True, "trainer.amp_dtype": "bfloat16"} if arguments.bfloat16 else {}


def groups_with_rate(config: str, rate: float, environment: Mapping[str, str]) -> list[Any]:
    """The config's parameter groups, with another rate for the encoder."""
    groups: list[Any] = optimizer_with_rate(config, rate, environment)["parameter_groups"]
    return groups


def optimizer_with_rate(config: str, rate: float, environment: Mapping[str, str]) -> dict[str, Any]:
    """The config's optimizer, with another rate for the encoder."""
    code = "import json, sys, ner_plugins; from allennlp.common import Params; " + (
        "print(json.dumps(Params.from_file(sys.argv[1]).as_dict(quiet=True)['trainer']['optimizer']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, config],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    optimizer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    for patterns, settings in optimizer["parameter_groups"]:
        if patterns[0].startswith("^(?=.*token_embedder)"):
            settings["lr"] = rate
    return optimizer


def digests(corpus: Corpus) -> dict[str, str]:
    """The first 12 digits of the SHA-256 of each data file."""
    found = {}
    for path in filter(None, (corpus.train, corpus.dev, corpus.test)):
        place, _, split = path.partition("#")
        files = [ROOT / place] if (ROOT / place).is_file() else sorted((ROOT / place).iterdir())
        for file in files:
            if (ROOT / place).is_file() or split in file.name:
                found[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return found


def train(run: Run, folder: Path) -> float:
    """Run `allennlp train`, or resume the run in `folder`; the seconds taken."""
    command = [ALLENNLP, "train", run.config, "-s", str(folder), "--include-package", "ner_plugins"]
    command += ["--include-package", "softmax_peer", "-o", json.dumps(run.changes())]
    if (folder / "config.json").exists():
        command.append("--recover")
    print(f"{folder.name}: {' '.join(command[1:])}", flush=True)
    started = time.monotonic()
    environment = {**os.environ, **run.environment, "PYTHONPATH": IMPORTED}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return time.monotonic() - started


def evaluate(folder: Path, data: str) -> dict[str, Any]:
    """The figures of the run's archive on other data."""
    command = [ALLENNLP, "evaluate", str(folder / "model.tar.gz"), data, "--include-package", "ner_plugins"]
    command += ["--include-package", "softmax_peer", "--output-file", str(folder / "test.json")]
    environment = {**os.environ, "PYTHONPATH": IMPORTED}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads((folder / "test.json").read_text())
    return found


def result_of(run: Run, corpus: Corpus, folder: Path) -> dict[str, Any]:
    metrics = json.loads((folder / "metrics.json").read_text())
    epochs = sorted(folder.glob("metrics_epoch_*.json"), key=lambda path: int(path.stem.rpartition("_")[2]))
    result = {
        "model": run.model,
        "data": corpus.name,
        "sha256": digests(corpus),
        **run.facts,
        "precision": "bfloat16" if run.overrides.get("trainer.use_amp") else "float32",
        "best_epoch": metrics["best_epoch"],
        "dev_micro_f1": metrics["best_validation_seqeval/micro_f1"],
        "dev_macro_f1": metrics["best_validation_seqeval/macro_f1"],
        "dev_official_macro_f1": metrics["best_validation_cluener/macro_f1"],
        "dev_micro_f1_by_epoch": [json.loads(p.read_text())["validation_seqeval/micro_f1"] for p in epochs],
        "epoch_seconds": epoch_seconds(folder),
        "machine": machine(),
        "versions": versions("torch", "transformers", "allennlp"),
    }
    if corpus.test is not None:
        test = evaluate(folder, corpus.test)
        result |= {f"test_{name}": test[f"seqeval/{name}"] for name in ("micro_f1", "macro_f1")}
    return result


def epoch_seconds(folder: Path) -> list[float]:
    """The seconds of each epoch of a run, with validation."""
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        return [float(row["seconds"]) for row in csv.DictReader(file)]


def run_all(
    corpus: Corpus,
    runs: Iterable[Run],
    folder: Path,
    minutes: float | None,
    keep_weights: bool = True,
    records: Path | None = None,
) -> list[dict[str, Any]]:
    """
    Do all unfinished runs, starting none after `minutes`, and return the results of the finished ones, whose files are
    in `records` (left out: in `folder`).
    """
    started, results = time.monotonic(), []
    records = records or folder
    for place in (folder, records):
        place.mkdir(parents=True, exist_ok=True)
    for run in runs:
        file = records / f"{run.name}.json"
        if not file.exists():
            if minutes is not None and time.monotonic() - started > 60 * minutes:
                continue
            seconds = train(run, folder / run.name)
            result = result_of(run, corpus, folder / run.name)
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps({**result, "seconds": round(seconds)}, indent=1))
            partial.replace(file)
            if not keep_weights:
                for weights in [*(folder / run.name).glob("*.th"), folder / run.name / "model.tar.gz"]:
                    weights.unlink(missing_ok=True)
        results.append(json.loads(file.read_text()))
    return results


def table(results: Sequence[Mapping[str, Any]], heads: Sequence[str]) -> str:
    """A row for each head with mean and standard deviation over its seeds, or `not run`."""
    figures = {title: key for title, key in FIGURES.items() if any(key in result for result in results)}
    lines = [f"| model | encoder | epochs | seeds | {' | '.join(figures)} |", "| --- " * (4 + len(figures)) + "|"]
    for head in heads:
        rows = [result for result in results if result["model"] == head]
        if not rows:
            lines.append(f"| {head} | | | | {' | '.join(['not run'] * len(figures))} |")
            continue
        seeds = ", ".join(str(row["seed"]) for row in rows)
        cells = [mean_of([row[key] for row in rows]) for key in figures.values()]
        lines.append(f"| {head} | {rows[0]['encoder']} | {rows[0]['epochs']} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def mean_of(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{spread}"
