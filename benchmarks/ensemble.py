"""
CLUENER2020: ensembles of five trainings against the mean of the five, in dev micro F1.

    python benchmarks/ensemble.py [--epochs 4] [--seeds 1 2 3 4 5] [--bfloat16] [--threads 1] [--half]

Resumable as `variants.py` says, but archives stay until all seeds have finished.
"""

import argparse
from pathlib import Path

import variants
from training_runs import ROOT, run_all
from variants import Variant

SCRIPT = "ensemble"
MEMBER = Variant("member", "", {})


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    variants.add_arguments(parser, 4, [])
    parser.set_defaults(seeds=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs" / SCRIPT
    arguments.records = arguments.records or ROOT / "benchmarks/records" / SCRIPT
    return arguments


def train_members(arguments: argparse.Namespace) -> list[Path]:
    """Train what is not trained, and return the archives."""
    corpus = variants.corpus_of(arguments)
    runs = list(variants.runs_of(corpus, [MEMBER], arguments))
    run_all(corpus, runs, arguments.runs, arguments.minutes, records=arguments.records)
    return [arguments.runs / run.name / "model.tar.gz" for run in runs]


if __name__ == "__main__":
    train_members(arguments_of())
