"""
CLUENER2020: dev F1 of our models and of a plain softmax BIO tagger over the same encoder, epochs and seeds.

    python benchmarks/cluener.py [--data DIR] [--encoder DIR] [--seeds 1 2 3] [--epochs 4]

Each finished run leaves one JSON file and is not run again; one that was cut off is taken up where it was. The score is
that of the epoch which is best on dev, as `allennlp train` selects it; the test file of CLUENER2020 has no labels.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from results import machine, versions

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
CONFIGS = {"biaffine": "training_config/biaffine.jsonnet", "softmax_peer": "benchmarks/softmax_peer.jsonnet"}
PEER = "softmax_peer"
PEER_AT_LEAST = 0.67
MARGIN = 0.005


# Chosen by training biaffine on 2,400 sentences of train and scoring 600 others of train: after 3 epochs 5e-5 had .645,
# 1e-4 .671 and 2e-4 .697. The rate in the config, 5e-5, is for encoders of base size.
LEARNING_RATE = 2e-4


def encoder_learning_rate(rate: float) -> str:
    """The override that sets it: the parameter groups of `training_config/lib/encoder.libsonnet` with another rate."""
    groups = [
        [["^(?=.*token_embedder)(?=.*(bias|[Nn]orm))"], {"lr": rate, "weight_decay": 0.0}],
        [["^(?=.*token_embedder)(?!.*(bias|[Nn]orm))"], {"lr": rate}],
        [["^(?!.*token_embedder).*bias"], {"weight_decay": 0.0}],
    ]
    return json.dumps({"trainer.optimizer.parameter_groups": groups})


def digest(folder: Path) -> dict[str, str]:
    """The first 12 digits of the SHA-256 of each file that the experiment reads."""
    files = sorted(path for path in folder.iterdir() if path.name.startswith(("train", "dev")))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files}


def train(model: str, seed: int, folder: Path, arguments: argparse.Namespace) -> None:
    """Run `allennlp train`, or take up the run that `folder` holds."""
    command = [str(Path(sys.executable).with_name("allennlp")), "train", CONFIGS[model], "-s", str(folder)]
    command += ["--include-package", "ner_plugins", "--include-package", "softmax_peer"]
    command += ["-o", encoder_learning_rate(arguments.learning_rate)]
    if (folder / "config.json").exists():
        command.append("--recover")
    environment = {
        **os.environ,
        "NER_DATA": arguments.data,
        "NER_ENCODER": arguments.encoder,
        "NER_SEED": str(seed),
        "NER_EPOCHS": str(arguments.epochs),
        "PYTHONPATH": str(ROOT / "benchmarks"),
    }
    print(f"{model}, seed {seed}: {' '.join(command[1:])}", flush=True)
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def result_of(model: str, seed: int, folder: Path, arguments: argparse.Namespace) -> dict:
    metrics = json.loads((folder / "metrics.json").read_text())
    epochs = sorted(folder.glob("metrics_epoch_*.json"), key=lambda path: int(path.stem.rpartition("_")[2]))
    curve = [json.loads(path.read_text())["validation_seqeval/micro_f1"] for path in epochs]
    return {
        "model": model,
        "data": Path(arguments.data).name,
        "sha256": digest(ROOT / arguments.data),
        "encoder": Path(arguments.encoder).name,
        "seed": seed,
        "epochs": arguments.epochs,
        "encoder_learning_rate": arguments.learning_rate,
        "best_epoch": metrics["best_epoch"],
        "dev_micro_f1": metrics["best_validation_seqeval/micro_f1"],
        "dev_official_macro_f1": metrics["best_validation_cluener/macro_f1"],
        "dev_micro_f1_by_epoch": curve,
        "machine": machine(),
        "versions": versions("torch", "transformers", "allennlp"),
    }


def run(model: str, seed: int, arguments: argparse.Namespace) -> dict:
    name = f"{model}-{Path(arguments.encoder).name}-e{arguments.epochs}-lr{arguments.learning_rate:g}-s{seed}"
    file = arguments.runs / f"{name}.json"
    if not file.exists():
        train(model, seed, arguments.runs / name, arguments)
        result = result_of(model, seed, arguments.runs / name, arguments)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(result, indent=1))
        partial.replace(file)
    return json.loads(file.read_text())


def table(results: list[dict]) -> dict[str, float]:
    """Print a row per model, and return the mean dev micro F1 of each."""
    print("\n| model | encoder | epochs | seeds | dev micro F1 (seqeval strict) | dev macro F1 (official) |")
    print("| --- | --- | --- | --- | --- | --- |")
    means = {}
    for model in CONFIGS:
        rows = [result for result in results if result["model"] == model]
        micro, macro = ([row[key] for row in rows] for key in ("dev_micro_f1", "dev_official_macro_f1"))
        means[model] = statistics.mean(micro)
        spreads = [f" ± {statistics.stdev(v):.4f}" if len(v) > 1 else "" for v in (micro, macro)]
        print(
            f"| {model} | {rows[0]['encoder']} | {rows[0]['epochs']} | {', '.join(str(r['seed']) for r in rows)} "
            f"| {means[model]:.4f}{spreads[0]} | {statistics.mean(macro):.4f}{spreads[1]} |"
        )
    return means


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "data/cluener2020"))
    parser.add_argument("--encoder", default=str(SHARED / "encoders/bge-small-zh-v1.5-int8deq"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="of the encoder, for both models")
    parser.add_argument("--models", nargs="+", choices=sorted(CONFIGS), default=sorted(CONFIGS))
    parser.add_argument("--runs", type=Path, default=ROOT / "benchmarks/runs/cluener")
    arguments = parser.parse_args()
    for path in (arguments.data, arguments.encoder):
        if not (ROOT / path).exists():
            sys.exit(f"{path}: not found; name the corpus with --data and a pretrained encoder with --encoder")
    arguments.runs.mkdir(parents=True, exist_ok=True)
    results = [run(model, seed, arguments) for seed in arguments.seeds for model in arguments.models]
    if set(arguments.models) != set(CONFIGS):
        return
    means = table(results)
    if means[PEER] < PEER_AT_LEAST:
        sys.exit(f"the peer reaches {means[PEER]:.4f}, less than {PEER_AT_LEAST}: it is no measure")
    if means["biaffine"] < means[PEER] - MARGIN:
        sys.exit("biaffine is more than half a point below the peer")


if __name__ == "__main__":
    main()
