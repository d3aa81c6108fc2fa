"""
Efficiency of training in several processes on a CPU: `allennlp train` in one process against `distributed` in two.

Every process has one thread and batches of the same size, and all train on the same sentences, in turns. The efficiency
is the time of one process over the processes times theirs. Beside it stand as many independent runs at once, each on a
share of the sentences: what the machine allows without any exchange. The first epoch warms up; the others count,
without evaluation and checkpoints.

    python benchmarks/distributed.py
    python benchmarks/distributed.py --processes 4 --repeats 5
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from results import machine, table, versions
from training import ENCODER, PER_BATCH, SLACK, prepare
from training_runs import ALLENNLP, ROOT

ONE, INDEPENDENT = "one process", "independent runs at once"


def arguments_of(command_line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=800, help="of CLUENER")
    parser.add_argument("--data", help="the corpus's training file, gzipped")
    parser.add_argument("--encoder", default=str(ENCODER))
    parser.add_argument("--head", default="crf_tagger", help="a config of training_config/")
    parser.add_argument("--accumulate", type=int, default=1, help="batches per update")
    parser.add_argument("--epochs", type=int, default=2, help="the first is not counted")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args(command_line)
    arguments.corpus, arguments.warm_up, arguments.device, arguments.bfloat16 = "cluener", 1, "cpu", False
    return arguments


def overrides(arguments: argparse.Namespace, train: str, budget: int, processes: int) -> dict[str, Any]:
    """The overrides of a run on the sentences in `train`."""
    changes: dict[str, Any] = {
        "train_data_path": train,
        "trainer.num_epochs": arguments.epochs,
        "trainer.cuda_device": -1,
        "trainer.validation_metric": "-loss",
        "trainer.num_gradient_accumulation_steps": arguments.accumulate,
        "trainer.checkpointer": {"save_completed_epochs": False, "save_every_num_seconds": None},
        "data_loader.batch_sampler.budget": budget,
    }
    if processes > 1:
        changes["distributed"] = {"cuda_devices": [-1] * processes}
    return changes


def start(arguments: argparse.Namespace, changes: dict[str, Any], folder: Path) -> Any:
    """Start `allennlp train`, without validation data."""
    code = (
        "import json, sys; import ner_plugins; from allennlp.common import Params; "
        "config = Params.from_file(sys.argv[1], sys.argv[2]).as_dict(quiet=True); "
        "[config.pop(name, None) for name in ('validation_data_path', 'validation_data_loader')]; "
        "json.dump(config, open(sys.argv[3], 'w'))"
    )
    environment = {**os.environ, "NER_ENCODER": arguments.encoder, "NER_READER": "cluener", "HF_HUB_OFFLINE": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    config = folder.with_suffix(".json")
    head = f"training_config/{arguments.head}.jsonnet"
    # Options that the config lacks cannot be overridden by their path alone.
    distributed = changes.get("distributed")
    given = {name: value for name, value in changes.items() if name != "distributed"}
    subprocess.run(
        [sys.executable, "-c", code, head, json.dumps(given), str(config)], cwd=ROOT, env=environment, check=True
    )
    if distributed is not None:
        config.write_text(json.dumps({**json.loads(config.read_text()), "distributed": distributed}))
    command = [ALLENNLP, "train", str(config), "-s", str(folder), "--include-package", "ner_plugins"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def seconds_of(process: Any, folder: Path, epochs: int) -> float:
    """The seconds of the epochs that count, when the run has ended."""
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{folder.name} failed\n{output[-4000:]}")
    first, last = (
        duration(json.loads((folder / f"metrics_epoch_{epoch}.json").read_text())["training_duration"])
        for epoch in (0, epochs - 1)
    )
    return last - first


def duration(text: str) -> float:
    """The seconds of a duration as AllenNLP writes it, such as `0:01:02.5`."""
    hours, minutes, seconds = text.split(":")
    return datetime.timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds)).total_seconds()


def shares(train: Path, number: int) -> list[str]:
    """Write every `number`-th sentence to a file, as the processes share them."""
    lines = train.read_text(encoding="utf-8").splitlines(keepends=True)
    paths = [train.with_name(f"sentences{place}.json") for place in range(number)]
    for place, path in enumerate(paths):
        path.write_text("".join(lines[place::number]), encoding="utf-8")
    return [str(path) for path in paths]


def measure(arguments: argparse.Namespace, train: Path, budget: int, folder: Path) -> dict[str, float]:
    """The seconds of each side."""
    found = {}
    for name, processes in ((ONE, 1), (f"`distributed`, {arguments.processes} processes", arguments.processes)):
        run = folder / f"{processes}"
        process = start(arguments, overrides(arguments, str(train), budget, processes), run)
        found[name] = seconds_of(process, run, arguments.epochs)
        print(f"{name}: {found[name]:.1f} s", flush=True)
    runs = {folder / f"share{place}": path for place, path in enumerate(shares(train, arguments.processes))}
    started = {run: start(arguments, overrides(arguments, path, budget, 1), run) for run, path in runs.items()}
    found[INDEPENDENT] = max(seconds_of(process, run, arguments.epochs) for run, process in started.items())
    print(f"{INDEPENDENT}: {found[INDEPENDENT]:.1f} s", flush=True)
    return found


def report(found: list[dict[str, float]], sentences: int, processes: int) -> str:
    """A table of all repeats; efficiencies are of the repeat's own single process."""
    rows = []
    for name in found[0]:
        seconds = [one[name] for one in found]
        rows_of = 1 if name == ONE else processes
        efficiency = [one[ONE] / (rows_of * one[name]) for one in found]
        middle = statistics.median(seconds)
        rows.append(
            [
                name,
                f"{middle:.1f} s ({min(seconds):.1f}–{max(seconds):.1f})",
                f"{sentences / middle:.1f}",
                f"{statistics.median(efficiency):.2f} ({min(efficiency):.2f}–{max(efficiency):.2f})",
            ]
        )
    return table("side | counted epochs, median (range) | sentences/s | efficiency", rows)


def main(command_line: list[str] | None = None) -> None:
    arguments = arguments_of(command_line)
    print(f"{machine()}; {versions('torch', 'transformers', 'allennlp')}")
    found = []
    for repeat in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as name:
            job, corpus = prepare(arguments, Path(name))
            budget = round(PER_BATCH * corpus["tokens"] / corpus["sentences"] * SLACK)
            print(f"{repeat + 1}: {corpus}, budget {budget}", flush=True)
            found.append(measure(arguments, Path(job["train"]), budget, Path(name)))
    print(report(found, corpus["sentences"] * (arguments.epochs - 1), arguments.processes))


if __name__ == "__main__":
    main()
