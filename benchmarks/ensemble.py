"""
CLUENER2020: ensembles of five trainings of one config against the mean of the five, in micro F1 on dev.

    python benchmarks/ensemble.py [--epochs 4] [--seeds 1 2 3 4 5] [--bfloat16] [--threads 1]

What is chosen on labelled data (thresholds of votes, the members of a greedy soup) is chosen on the even sentences of
dev and measured on the odd ones, against the members on these. Trainings are resumable as `variants.py` says, but their
archives stay.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import results
import variants
from training_runs import ALLENNLP, LEARNING_RATE, ROOT, mean_of, run_all
from variants import Variant

SCRIPT, TITLE = "ensemble", "Ensembles"
MEMBER = Variant("member", "", {})
Found = list[tuple[set[Any], set[Any]]]  # of each sentence: what is predicted, and the gold


def arguments_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    variants.add_arguments(parser, 4, [])
    parser.add_argument("--measure-only", action="store_true", help="train nothing: the finished members are enough")
    parser.set_defaults(seeds=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs" / SCRIPT
    arguments.records = arguments.records or ROOT / "benchmarks/records" / SCRIPT
    return arguments


def trained_members(arguments: argparse.Namespace) -> list[Path]:
    """Train what is not trained, and return the archives."""
    corpus = variants.corpus_of(arguments)
    runs = list(variants.runs_of(corpus, [MEMBER], arguments))
    if not arguments.measure_only:
        run_all(corpus, runs, arguments.runs, arguments.minutes, records=arguments.records)
    finished = [run for run in runs if (arguments.records / f"{run.name}.json").is_file()]
    if len(finished) < 2:
        sys.exit(f"{len(finished)} of {len(runs)} members are trained: at least two are needed")
    return [arguments.runs / run.name / "model.tar.gz" for run in finished]


def development_file(arguments: argparse.Namespace) -> Path:
    """The corpus's dev as one file."""
    file: Path = arguments.runs / "data/dev.json"
    if not file.exists():
        command = [ALLENNLP, "ner-data", "convert", f"{arguments.data}#dev", str(file), "--to", "cluener"]
        subprocess.run(command, cwd=ROOT, check=True)
    return file


def micro_f1(found: Found) -> float:
    right = sum(len(predicted & gold) for predicted, gold in found)
    total = sum(len(predicted) + len(gold) for predicted, gold in found)
    return 2 * right / total if total else 0.0


def of_run(run: Any) -> Found:
    return [(set(sentence.predicted), set(sentence.gold)) for sentence in run.sentences]


def measured(archives: Sequence[Path], dev: Path) -> dict[str, Any]:
    """F1 of the members and of each ensemble, on dev and on its odd sentences, with choices made on the even ones."""
    from ner_plugins.decoding.votes import candidates_of, elect
    from ner_plugins.ensembles import soups
    from ner_plugins.ensembles.ballots import best_ballot
    from ner_plugins.ensembles.making import Development, make_ensemble, make_soup
    from ner_plugins.ensembles.members import load_members
    from ner_plugins.reports.collect import Run

    data = Development(str(dev), cuda_device=-1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        members = load_members(list(map(str, archives)), stack, -1)
        weights, types = [1.0] * len(members), members[0].model.types
        runs, seconds = [], []
        for member in members:
            started = time.monotonic()
            runs.append(data.run(member.model, member.reader))
            seconds.append(time.monotonic() - started)

        def by_votes(agreement: float, thresholds: dict[str, float]) -> Found:
            shares = dict.fromkeys(types, agreement)
            sentences = zip(*(run.sentences for run in runs), strict=True)
            candidates = ((candidates_of([one.predicted for one in of], weights), of[0].gold) for of in sentences)
            return [(set(elect(counted, shares, thresholds)), set(gold)) for counted, gold in candidates]

        even = [Run(run.sentences[::2], {}) for run in runs]
        ballot, _ = best_ballot(even, weights, types, 0.5, "flat_greedy")
        found = {"votes": by_votes(0.5, dict.fromkeys(types, 0.0)), "votes, tuned": by_votes(*ballot)}
        make_ensemble(members, folder_in(folder, "scores"), weights, "scores")
        found["scores"] = of_run(data.run_folder(folder / "scores"))
        make_soup(members, folder_in(folder, "soup"), weights)
        found["soup"] = of_run(data.run_folder(folder / "soup"))
        file = folder / "even.json"
        file.write_text("".join(dev.read_text(encoding="utf-8").splitlines(keepends=True)[::2]), encoding="utf-8")
        score = scorer(members[0], Development(str(file), cuda_device=-1))
        ingredients = [{name: t.clone() for name, t in soups.weights_of(member).items()} for member in members]
        mixed, chosen, _ = soups.greedy(ingredients, [micro_f1(of_run(run)) for run in even], score)
        members[0].model.load_state_dict(mixed)
        found["greedy-soup"] = of_run(data.run(members[0].model, members[0].reader))
    alone = [of_run(run) for run in runs]
    return {
        "members": {"dev": list(map(micro_f1, alone)), "odd": [micro_f1(one[1::2]) for one in alone]},
        "ensembles": {name: {"dev": micro_f1(one), "odd": micro_f1(one[1::2])} for name, one in found.items()},
        "greedy_soup_of": chosen,
        "ballot": {"agreement": ballot.agreement, "thresholds": ballot.thresholds},
        "member_seconds": seconds,
        "machine": results.machine(),
        "versions": results.versions("torch", "transformers", "allennlp"),
    }


def folder_in(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def scorer(member: Any, data: Any) -> Callable[[Any], float]:
    """The F1 on some data of the member's model with other weights."""

    def score(weights: Any) -> float:
        member.model.load_state_dict(weights)
        return micro_f1(of_run(data.run(member.model, member.reader)))

    return score


def table(found: dict[str, Any]) -> str:
    members = found["members"]
    means = {part: statistics.mean(members[part]) for part in ("dev", "odd")}
    rows = [[f"mean of {len(members['dev'])} members", *(mean_of(members[part]) for part in ("dev", "odd"))]]
    rows.append(["best member", *(f"{max(members[part]):.4f}" for part in ("dev", "odd"))])
    for name, figures in found["ensembles"].items():
        chosen = name in ("votes, tuned", "greedy-soup")
        cells = [
            "" if chosen and part == "dev" else f"{figures[part]:.4f} ({figures[part] - means[part]:+.4f})"
            for part in ("dev", "odd")
        ]
        rows.append([f"`{name}`" if "," not in name else "`votes` with thresholds", *cells])
    return results.table("ensemble | dev | odd sentences of dev", rows)


def main() -> None:
    arguments = arguments_of()
    archives = trained_members(arguments)
    dev = development_file(arguments)
    name = f"ensemble-{arguments.head}-n{arguments.sentences}-e{arguments.epochs}-of{len(archives)}.json"
    file = arguments.records / name
    arguments.records.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        found = measured(archives, dev)
        file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    found = json.loads(file.read_text(encoding="utf-8"))
    text = table(found)
    print(f"\n{text}")
    if arguments.results is not None:
        results.replace_section(arguments.results, TITLE, f"{heading(arguments, found)}\n\n{text}")


def heading(arguments: argparse.Namespace, found: dict[str, Any]) -> str:
    seeds = " ".join(map(str, arguments.seeds))
    options = f"--seeds {seeds} --threads {arguments.threads}" + " --bfloat16" * arguments.bfloat16
    return (
        f"`python benchmarks/{SCRIPT}.py --sentences {arguments.sentences} --epochs {arguments.epochs} {options}`: "
        f"`{arguments.head}` over {Path(arguments.encoder).name}, encoder's learning rate {LEARNING_RATE:g}. Members "
        "differ in their seeds alone. What is chosen on labelled data is chosen on the even sentences of dev. In "
        "brackets the gain over the mean of the members; ± is the standard deviation.\n"
        f"{found['machine']}; {found['versions']}."
    )


if __name__ == "__main__":
    main()
