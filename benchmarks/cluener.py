"""
CLUENER2020: dev F1 of every head, and of a plain softmax BIO tagger over the same encoder, epochs and seeds.

    python benchmarks/cluener.py [--data DIR] [--encoder DIR] [--seeds 1 2 3] [--epochs 4] [--minutes N]

Each finished run leaves a JSON file and is not repeated; an interrupted run is resumed. CLUENER2020's test file has no
labels.
"""

import argparse
import statistics
import sys
from pathlib import Path

from training_runs import HEADS, ROOT, SHARED, Corpus, add_arguments, run_all, runs_of, table

PEER = "softmax_peer"
CONFIGS = {**HEADS, PEER: "benchmarks/softmax_peer.jsonnet"}
PEER_AT_LEAST = 0.67  # after 4 epochs
MARGIN = 0.005


def check(results: list[dict]) -> None:
    """Exit unless the peer reaches its minimum and every head is at most half a point below the peer."""
    scores = {m: [r["dev_micro_f1"] for r in results if r["model"] == m and r["epochs"] >= 4] for m in CONFIGS}
    means = {model: statistics.mean(found) for model, found in scores.items() if found}
    if PEER in means and means[PEER] < PEER_AT_LEAST:
        sys.exit(f"the peer reaches only {means[PEER]:.4f}, but needs {PEER_AT_LEAST} for a fair comparison")
    for model, mean in means.items():
        if mean < means.get(PEER, 0.0) - MARGIN:
            sys.exit(f"{model} is more than half a point below the peer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=str(SHARED / "data/cluener2020"))
    parser.add_argument("--runs", type=Path, default=ROOT / "benchmarks/runs/cluener")
    add_arguments(parser, str(SHARED / "encoders/bge-small-zh-v1.5-int8deq"), 4, list(CONFIGS))
    arguments = parser.parse_args()
    for path in (arguments.data, arguments.encoder):
        if not (ROOT / path).exists():
            sys.exit(f"{path}: not found; name the corpus with --data and a pretrained encoder with --encoder")
    corpus = Corpus("cluener2020", "cluener", f"{arguments.data}#train", f"{arguments.data}#dev")
    results = run_all(corpus, runs_of(corpus, CONFIGS, arguments), arguments.runs, arguments.minutes)
    print(f"\n{table(results, list(CONFIGS))}")
    check(results)


if __name__ == "__main__":
    main()
