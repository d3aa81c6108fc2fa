"""
Speed of training: `allennlp train` with this package against the `Trainer` of Transformers.

Both train the same encoder on the same sentences for the same epochs, with AdamW, gradients clipped at 1 and warm-up,
in turns and each in a fresh process, without evaluation. Transformers trains a token classifier over batches of 32
sentences, in random order (its default) and grouped by length, and cuts texts at 512 pieces. Ours cuts none; its
batches have a budget of as many tokens as 32 sentences have on average. The clock runs during the training loop alone;
the time of the whole process, with imports, reading and loading, is shown beside.

    python benchmarks/training.py --threads 2
    python benchmarks/training.py --corpus msra --threads 2
    python benchmarks/training.py --device cuda --bfloat16 --heads biaffine crf_tagger --epochs 4 --warm-up 1

The Trainer of Transformers needs accelerate and psutil: `make bench` puts them beside .venv, on PYTHONPATH.
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from results import machine, table, versions
from training_runs import ROOT, SHARED

SENTENCES = {"cluener": 2000, "msra": 4000}
FILES = {"cluener": "data/cluener2020/train.json.gz", "msra": "data/msra_bio/msra_train_bio.gz"}
ENCODER = SHARED / "encoders/bge-small-zh-v1.5-int8deq"
SIDES = ["hf", "hf-grouped", "ours"]
PER_BATCH = 32
# Batches stay below the budget by twice the sampler's noise, and some of them is padding.
SLACK = 1.05


def arguments_of(command_line: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=sorted(SENTENCES), default="cluener")
    parser.add_argument("--data", help="the corpus's training file, gzipped")
    parser.add_argument("--encoder", default=str(ENCODER))
    parser.add_argument("--sentences", type=int, help="the first so many (default: 2,000 of CLUENER, 4,000 of MSRA)")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=0, help="epochs before those that count, for a GPU")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--heads", nargs="+", default=["crf_tagger_softmax"], help="configs of training_config/")
    parser.add_argument("--trainer", help="the type of our trainer, if not the config's")
    parser.add_argument("--budget", type=int, help=f"tokens of our batches (default: those of {PER_BATCH} sentences)")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=JSON",
        help="train ours with these overrides of the config too; may be repeated",
    )
    return parser.parse_args(command_line)


def prepare(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Write the sentences for either side; the settings that both share, and the corpus's figures."""
    number = arguments.sentences or SENTENCES[arguments.corpus]
    path = Path(arguments.data or SHARED / FILES[arguments.corpus])
    separator = "\n\n" if arguments.corpus == "msra" else "\n"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = file.read().split(separator)[:number]
    train = folder / ("train.json" if arguments.corpus == "cluener" else "train.txt")
    train.write_text(separator.join(blocks) + separator, encoding="utf-8")
    tagged = [tagged_json(block) if arguments.corpus == "cluener" else tagged_columns(block) for block in blocks]
    (folder / "tagged.jsonl").write_text("\n".join(map(json.dumps, tagged)) + "\n", encoding="utf-8")
    lengths = [len(sentence["tokens"]) for sentence in tagged]
    job = {
        "train": str(train),
        "tagged": str(folder / "tagged.jsonl"),
        "encoder": arguments.encoder,
        "epochs": arguments.epochs,
        "warm_up": arguments.warm_up,
        "device": arguments.device,
        "bfloat16": arguments.bfloat16,
    }
    return job, {
        "sentences": len(lengths),
        "tokens": sum(lengths),
        "longest": max(lengths),
        "cut": sum(min(length, 510) for length in lengths),
    }


def tagged_json(line: str) -> dict[str, list[str]]:
    """Characters and BIO tags of a line of CLUENER; of overlapping entities the first."""
    record = json.loads(line)
    tokens = list(record["text"])
    tags = ["O"] * len(tokens)
    for name, surfaces in record["label"].items():
        for places in surfaces.values():
            for first, last in places:
                if set(tags[first : last + 1]) == {"O"}:
                    tags[first : last + 1] = [f"B-{name}"] + [f"I-{name}"] * (last - first)
    return {"tokens": tokens, "tags": tags}


def tagged_columns(block: str) -> dict[str, list[str]]:
    rows = [line.split("\t") for line in block.splitlines() if line.strip()]
    return {"tokens": [row[0] for row in rows], "tags": [row[1] for row in rows]}


def sides_of(arguments: argparse.Namespace, budget: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each side's name, the program's argument, and its own settings."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, grouped in (("hf", False), ("hf-grouped", True)):
        if name in arguments.sides:
            label = "Trainer of Transformers" + (", grouped by length" if grouped else "")
            found[label] = ("hf", {"grouped": grouped})
    if "ours" in arguments.sides:
        shared: dict[str, Any] = {"data_loader.batch_sampler.budget": budget}
        if arguments.trainer:
            shared["trainer.type"] = arguments.trainer
        variants = dict([("", "{}"), *(variant.split("=", 1) for variant in arguments.variant)])
        for head in arguments.heads:
            for name, overrides in variants.items():
                settings = {"config": f"training_config/{head}.jsonnet", "overrides": shared | json.loads(overrides)}
                found[f"ours, `{head}`" + (f", {name}" if name else "")] = ("ours", settings)
    return found


def run(program: str, job: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one side in a process of its own."""
    command = [sys.executable, str(ROOT / "benchmarks/training_sides.py"), program, json.dumps(job)]
    threads = str(arguments.threads)
    environment = {**os.environ, "NER_ENCODER": arguments.encoder, "NER_READER": arguments.corpus}
    environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "HF_HUB_OFFLINE": "1"}
    if arguments.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program}: failed\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def row_of(name: str, program: str, runs: list[dict[str, Any]], corpus: dict[str, int], epochs: int) -> list[str]:
    """A row of the table, from all repeats of a side."""
    tokens = corpus["cut" if program == "hf" else "tokens"] * epochs
    seconds = [run["seconds"] for run in runs]
    middle = statistics.median(seconds)
    special = 2 * corpus["sentences"] * epochs
    padding = statistics.median(1 - (tokens + special) / run["positions"] for run in runs)
    memory = statistics.median(run["memory"].get("cuda", run["memory"]["rss"]) for run in runs)
    cells = [name, f"{middle:.1f} s ({min(seconds):.1f}–{max(seconds):.1f})", f"{runs[0]['steps']}"]
    cells += [f"{corpus['sentences'] * epochs / middle:.1f}", f"{tokens / middle:,.0f}", f"{padding:.1%}"]
    cells += [f"{memory:,.0f} MiB", f"{statistics.median(run['process'] for run in runs):.1f} s"]
    if runs[0]["busy"] is not None:
        cells.append(f"{statistics.median(run['busy'] for run in runs):.0%}")
    return cells


def report(
    sides: dict[str, tuple[str, dict[str, Any]]],
    found: dict[str, list[dict[str, Any]]],
    corpus: dict[str, int],
    epochs: int,
) -> str:
    header = "side | training loop, median (range) | updates | sentences/s | tokens/s | padding | peak memory | process"
    header += " | GPU busy" if any(run["busy"] is not None for runs in found.values() for run in runs) else ""
    rows = [row_of(name, sides[name][0], runs, corpus, epochs) for name, runs in found.items()]
    medians = {name: statistics.median(run["seconds"] for run in runs) for name, runs in found.items()}
    lines = [table(header, rows)]
    for ours in (name for name in found if sides[name][0] == "ours"):
        ratios = [
            f"{medians[peer] / medians[ours]:.2f} times {peer}"
            for peer in found
            if peer != ours and (sides[peer][0] == "hf" or ours.startswith(f"{peer},"))
        ]
        lines.append(f"{ours}: {', '.join(ratios)}")
    return "\n".join(lines)


def main(command_line: list[str] | None = None) -> None:
    arguments = arguments_of(command_line)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job, corpus = prepare(arguments, folder)
        budget = arguments.budget or round(PER_BATCH * corpus["tokens"] / corpus["sentences"] * SLACK)
        sides = sides_of(arguments, budget)
        print(f"{machine()}; {versions('torch', 'transformers', 'accelerate', 'allennlp')}")
        print(f"{arguments.corpus}: {corpus}, budget {budget}, {arguments.threads} threads", flush=True)
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for repeat in range(arguments.repeats):
            for side, (program, settings) in sides.items():
                run_folder = str(folder / f"run-{len(found[side])}-{list(sides).index(side)}")
                found[side].append(run(program, {**job, **settings, "folder": run_folder}, arguments))
                print(f"{repeat + 1} {side}: {found[side][-1]}", flush=True)
        print(f"\n{report(sides, found, corpus, arguments.epochs)}")


if __name__ == "__main__":
    main()
