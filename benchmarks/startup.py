"""
Seconds from the command to the first training batch: ours against stock AllenNLP 2.10.1 with allennlp-models.

Both read the bundled sample and train a BiLSTM of the same size: ours with `biaffine`, stock with its `crf_tagger`.
Stock runs in the same environment, with only those of our stand-ins and names that it needs to import. The two
alternate, after one uncounted run of each. The clock stops after the first batch; the result is the ratio of the
medians.

    python benchmarks/startup.py [--repeats 7]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import machine, spread, versions

ROOT = Path(__file__).resolve().parent.parent
BOUND = 0.65

# Replaces the `allennlp` script on the stock side, with only those patches that it needs to start. They include the one
# of NLTK's download, which would stall without a network, to our advantage.
STOCK = """
import sys
from ner_plugins.compat import hook
needed = ("supply_", "nltk_kept_offline")
hook.PATCHES = tuple(p for p in hook.PATCHES if p[3].startswith(needed) and p[3] != "supply_external_variables")
from allennlp.__main__ import run
run()
"""


def stock_config(train: str) -> dict:
    return {
        "dataset_reader": {"type": "cluener_tags"},
        "train_data_path": train,
        "model": {
            "type": "crf_tagger",
            "label_encoding": "BIO",
            "text_field_embedder": {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 128}}},
            "encoder": {"type": "lstm", "input_size": 128, "hidden_size": 128, "bidirectional": True},
        },
        "data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 32, "sorting_keys": ["tokens"]}},
        "trainer": {
            "num_epochs": 1,
            "optimizer": "adamw",
            "callbacks": ["first_batch"],
            "run_confidence_checks": False,
        },
    }


def seconds_to_first_batch(command: list[str], folder: Path) -> float:
    stamp = folder / "stamp"
    stamp.unlink(missing_ok=True)
    environment = {**os.environ, "FIRST_BATCH_FILE": str(stamp), "PYTHONPATH": str(ROOT / "benchmarks")}
    with tempfile.TemporaryDirectory(dir=folder) as run:
        started = time.time()
        done = subprocess.run([*command, "-s", f"{run}/out"], cwd=ROOT, env=environment, capture_output=True, text=True)
        if not stamp.exists():
            sys.exit(f"{' '.join(command[:4])} …: no batch was reached\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return float(stamp.read_text()) - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    train = str(ROOT / "fixtures/sample/train.json")
    callbacks = json.dumps({"trainer.callbacks": ["first_batch"], "train_data_path": train})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "stock.json"
        config.write_text(json.dumps(stock_config(train)))
        ours = [str(Path(sys.executable).with_name("allennlp")), "train", "training_config/biaffine.jsonnet"]
        ours += ["--include-package", "ner_plugins", "--include-package", "first_batch", "-o", callbacks]
        stock = [sys.executable, "-c", STOCK, "train", str(config), "--include-package", "first_batch"]
        times: dict[str, list[float]] = {"ours": [], "stock": []}
        for repeat in range(repeats + 1):
            for side, command in (("ours", ours), ("stock", stock)):
                seconds = seconds_to_first_batch(command, folder)
                if repeat:  # the first run of each warms the disk cache
                    times[side].append(seconds)
                    print(f"{side:6s} {seconds:6.2f} s", flush=True)
    ratio = statistics.median(times["ours"]) / statistics.median(times["stock"])
    print(f"\n{machine()}; {versions('torch', 'transformers', 'allennlp', 'allennlp-models')}")
    for side, seconds in times.items():
        print(f"{side}: {spread(seconds, 's')}")
    print(f"ratio of medians: {ratio:.3f} (bound {BOUND})")
    sys.exit(ratio > BOUND)


if __name__ == "__main__":
    main()
