"""
Variants of one config, trained on the first sentences of CLUENER2020: what each adds to the base in dev micro F1, and
what it costs in time. Used by `regularisers.py` and `batching.py`.

Seed by seed, the base is trained first and the variants after it, so that times are compared within a few minutes.
Resumable: each finished run leaves a JSON file in benchmarks/records/ and is not repeated, an interrupted run is
resumed, and after `--minutes` no run is started. Weights are deleted when a run has finished.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import results
from training_runs import (
    ALLENNLP,
    HEADS,
    LEARNING_RATE,
    ROOT,
    SHARED,
    Corpus,
    Run,
    mean_of,
    optimizer_with_rate,
    precision,
    run_all,
)

Optimizer = dict[str, Any]


@dataclass
class Variant:
    """
    A variant.

    # Parameters

    name : `str`
    setting : `str`
        Its options, for the table.
    overrides : `dict[str, Any]`
        Of the config.
    optimizer : `Optional[Callable[[dict[str, Any]], dict[str, Any]]]`
        From the config's optimizer to this variant's; left out: the same.
    """

    name: str
    setting: str
    overrides: dict[str, Any]
    optimizer: Callable[[Optimizer], Optimizer] | None = None


def add_arguments(parser: argparse.ArgumentParser, epochs: int, names: Sequence[str]) -> None:
    parser.add_argument("--data", default=str(SHARED / "data/cluener2020"))
    parser.add_argument("--encoder", default=str(SHARED / "encoders/bge-small-zh-v1.5-int8deq"))
    parser.add_argument("--head", choices=sorted(HEADS), default="crf_tagger")
    parser.add_argument(
        "--sentences", type=int, default=2000, help="the first ones of the training data (default: 2000)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="of the encoder")
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision, on a CPU too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="these and the base")
    parser.add_argument("--minutes", type=float, help="start no further run after this time; the others are 'not run'")
    parser.add_argument("--runs", type=Path, help="a folder for the runs (default: benchmarks/runs/SCRIPT)")
    parser.add_argument("--records", type=Path, help="one for finished ones (default: benchmarks/records/SCRIPT)")
    parser.add_argument("--results", type=Path, help="a file such as RESULTS.md, whose section is replaced")


def corpus_of(arguments: argparse.Namespace) -> Corpus:
    """The first sentences of the training data, written to a file, and all of dev."""
    for path in (arguments.data, arguments.encoder):
        if not (ROOT / path).exists():
            sys.exit(f"{path}: not found; name the corpus with --data and a pretrained encoder with --encoder")
    whole, file = (arguments.runs / "data" / name for name in ("train.json", f"train_{arguments.sentences}.json"))
    whole.parent.mkdir(parents=True, exist_ok=True)
    if not whole.exists():
        command = [ALLENNLP, "ner-data", "convert", f"{arguments.data}#train", str(whole), "--to", "cluener"]
        subprocess.run(command, cwd=ROOT, check=True)
    lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) < arguments.sentences:
        sys.exit(f"{arguments.data}: the training data have only {len(lines)} sentences; set --sentences lower")
    file.write_text("".join(lines[: arguments.sentences]), encoding="utf-8")
    return Corpus(f"cluener2020, {arguments.sentences} sentences", "cluener", str(file), f"{arguments.data}#dev")


def runs_of(corpus: Corpus, variants: Sequence[Variant], arguments: argparse.Namespace) -> Iterator[Run]:
    """The runs of the base and of the chosen variants, seed by seed."""
    base, *others = variants
    chosen = [base, *(one for one in others if arguments.only is None or one.name in arguments.only)]
    config, encoder = HEADS[arguments.head], Path(arguments.encoder).name
    given: Optimizer | None = None
    for seed in arguments.seeds:
        environment = corpus.environment(arguments.encoder, seed, arguments.epochs)
        environment |= {"OMP_NUM_THREADS": str(arguments.threads), "MKL_NUM_THREADS": str(arguments.threads)}
        given = given or optimizer_with_rate(config, arguments.learning_rate, environment)
        facts = {
            "head": arguments.head, "encoder": encoder, "seed": seed, "epochs": arguments.epochs,
            "encoder_learning_rate": arguments.learning_rate, "threads": arguments.threads,
        }  # fmt: skip
        for variant in chosen:
            optimizer = given if variant.optimizer is None else variant.optimizer(given)
            overrides = {"trainer.optimizer": optimizer, **variant.overrides, **precision(arguments)}
            digest = hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest()[:6]
            name = f"{variant.name}-{arguments.head}-{encoder}-n{arguments.sentences}-e{arguments.epochs}-s{seed}"
            name += f"-t{arguments.threads}{'-bf16' * arguments.bfloat16}-{digest}"
            yield Run(variant.name, name, config, environment, overrides, {**facts, "setting": variant.setting})


def seconds_of(result: Mapping[str, Any]) -> float:
    """The seconds of a typical epoch of a run, with validation."""
    return statistics.median(result["epoch_seconds"])


def table(found: Sequence[Mapping[str, Any]], variants: Sequence[Variant]) -> str:
    """A row for each variant with means and standard deviations over its seeds, each compared with the base's."""
    bases = {one["seed"]: one for one in found if one["model"] == variants[0].name}
    rows = []
    for variant in variants:
        own = [one for one in found if one["model"] == variant.name and one["seed"] in bases]
        if not own:
            rows.append([f"`{variant.name}`", variant.setting, "not run", "", "", ""])
            continue
        row = [f"`{variant.name}`", variant.setting, str(len(own)), mean_of([one["dev_micro_f1"] for one in own])]
        if variant is variants[0]:
            row += ["", f"{statistics.mean(map(seconds_of, own)):.1f} s an epoch"]
        else:
            gains = [one["dev_micro_f1"] - bases[one["seed"]]["dev_micro_f1"] for one in own]
            ratios = [seconds_of(one) / seconds_of(bases[one["seed"]]) for one in own]
            row += [_signed(gains), f"{statistics.mean(ratios):.2f} times"]
        rows.append(row)
    return results.table("variant | setting | seeds | dev micro F1 | gain | time", rows)


def _signed(gains: Sequence[float]) -> str:
    """The mean, standard deviation and range of gains."""
    if len(gains) == 1:
        return f"{gains[0]:+.4f}"
    return f"{statistics.mean(gains):+.4f} ± {statistics.stdev(gains):.4f} ({min(gains):+.4f} to {max(gains):+.4f})"


def main(
    doc: str | None,
    title: str,
    script: str,
    epochs: int,
    names: Sequence[str],
    variants_of: Callable[[argparse.Namespace, Corpus], Sequence[Variant]],
) -> None:
    """
    Do the runs and print the table.

    # Parameters

    doc : `Optional[str]`
        For `--help`.
    title : `str`
        Of the section in a results file.
    script : `str`
        The script's name.
    epochs : `int`
        The default.
    names : `Sequence[str]`
        Of the variants besides the base.
    variants_of : `Callable[[argparse.Namespace, Corpus], Sequence[Variant]]`
        The base first.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, epochs, names)
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs" / script
    arguments.records = arguments.records or ROOT / "benchmarks/records" / script
    corpus = corpus_of(arguments)
    variants = variants_of(arguments, corpus)
    runs = runs_of(corpus, variants, arguments)
    found = run_all(corpus, runs, arguments.runs, arguments.minutes, keep_weights=False, records=arguments.records)
    text = table(found, variants)
    print(f"\n{text}")
    if arguments.results is not None and found:
        results.replace_section(arguments.results, title, f"{_heading(script, arguments, found)}\n\n{text}")


def _heading(script: str, arguments: argparse.Namespace, found: Sequence[Mapping[str, Any]]) -> str:
    options = f" --threads {arguments.threads}" + " --bfloat16" * arguments.bfloat16
    return (
        f"`python benchmarks/{script}.py --sentences {arguments.sentences} --epochs {arguments.epochs}{options}`: "
        f"`{arguments.head}` over {Path(arguments.encoder).name}, encoder's learning rate {arguments.learning_rate:g}. "
        "F1 is of the best epoch on dev; ± is the standard deviation over seeds. Gains and times are compared seed by "
        f"seed.\n{found[0]['machine']}; {found[0]['versions']}."
    )
