"""
CLUENER2020 and Resume with label errors put in on purpose: how many of them `ner-audit` ranks first.

    python benchmarks/audit.py cluener|resume [--sentences N] [--epochs 4] [--folds 3] [--share 0.05] [--bfloat16]

One error in each of a share of the sentences, the kinds in equal parts (see `seeded_errors.py`); out-of-fold
predictions by `allennlp ner-folds`, resumable. Sentences are ranked by their most likely error. `--share 0` seeds
nothing, for the errors that a corpus has of its own. Compared with self-confidence over the same predictions, and with
cleanlab's ranking of sentences (Wang & Mueller 2022) where cleanlab is installed.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import results
from corpora import ENCODER, FILES
from seeded_errors import KINDS, SeededError, seed_errors
from training_runs import ALLENNLP, HEADS, IMPORTED, LEARNING_RATE, ROOT, SHARED, optimizer_with_rate, precision

from ner_plugins.audit.ranking import audit
from ner_plugins.audit.suspects import Suspect
from ner_plugins.data_tools.corpora import make_reader
from ner_plugins.data_tools.formats import write_corpus
from ner_plugins.data_tools.sampling import sample_sentences
from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord, read_records

DATA = {"cluener": "cluener2020", "resume": FILES["resume"]}
FIRST = 0.1


def seeded_corpus(arguments: argparse.Namespace) -> list[SeededError]:
    """Write the training data with errors, and return the errors."""
    data = f"{arguments.data}#train"
    sentences = list(make_reader(arguments.corpus, data).sentences(data))
    if arguments.sentences:
        sentences = sample_sentences(sentences, arguments.sentences, 1)
    changed, errors = seed_errors(sentences, arguments.share, arguments.seed)
    arguments.runs.mkdir(parents=True, exist_ok=True)
    if not (arguments.runs / "train.json").exists():
        write_corpus(changed, arguments.runs / "train.json", "cluener")
    return errors


def out_of_fold(arguments: argparse.Namespace) -> list[FoldRecord]:
    """Train the folds, unless they are there, and read their predictions."""
    config, folder = HEADS[arguments.head], arguments.runs / "folds"
    environment = {
        **os.environ,
        "NER_READER": "cluener",
        "NER_TRAIN": str(arguments.runs / "train.json"),
        "NER_ENCODER": arguments.encoder,
        "NER_SEED": str(arguments.seed),
        "NER_EPOCHS": str(arguments.epochs),
        "PYTHONPATH": IMPORTED,
    }
    # Without validation data, every model is that of the last epoch.
    overrides = {
        "validation_data_path": None,
        "trainer.validation_metric": "-loss",
        "trainer.optimizer": optimizer_with_rate(config, arguments.learning_rate, environment),
        **precision(arguments),
    }
    command = [ALLENNLP, "ner-folds", config, "-o", str(folder), "-k", str(arguments.folds)]
    command += ["--overrides", json.dumps(overrides), "--include-package", "ner_plugins"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return list(read_records(folder)[1])


def f1_of(records: Sequence[FoldRecord]) -> float:
    """Micro F1 of the out-of-fold predictions against the labels with their errors."""
    right = sum(len(set(record.gold) & set(record.predicted)) for record in records)
    return 2 * right / max(sum(len(record.gold) + len(record.predicted) for record in records), 1)


def of_suspects(suspects: Sequence[Suspect], number: int) -> list[float]:
    """The score of each sentence: that of its most likely error."""
    scores = [0.0] * number
    for suspect in suspects:
        scores[suspect.record.id] = max(scores[suspect.record.id], suspect.score)
    return scores


def by_self_confidence(records: Sequence[FoldRecord]) -> list[float]:
    """The score of each sentence by Northcutt et al. (2021): one minus the lowest probability of what is labelled."""
    scores = []
    for record in records:
        wrong = [1.0 - (entity.score or 0.0) for entity in record.gold]
        free = [c for c in record.candidates if not any(c.overlaps(entity) for entity in record.gold)]
        scores.append(max([0.0, *wrong, *(candidate.score or 0.0 for candidate in free)]))
    return scores


def by_cleanlab(records: Sequence[FoldRecord]) -> list[float] | None:
    """The score of each sentence by cleanlab, by each character's probabilities; `None` if it is not installed."""
    try:
        from cleanlab.token_classification.rank import get_label_quality_scores
    except ImportError:
        return None
    types = sorted({entity.type for record in records for entity in record.gold})
    labels, probabilities = [], []
    columns = {type_: place for place, type_ in enumerate(types, 1)}
    for record in records:
        of_types = np.zeros((max(len(record.text), 1), len(types) + 1))  # Shape: (characters, 1 + types)
        own = [0] * len(of_types)
        for entity in {*record.gold, *record.candidates}:
            if entity.type in columns:
                of_types[entity.start : entity.end, columns[entity.type]] += entity.score or 0.0
        for entity in record.gold:
            own[entity.start : entity.end] = [columns[entity.type]] * entity.width
        of_types /= np.maximum(of_types.sum(1, keepdims=True), 1.0)  # spans of a head without a CRF can exceed one
        of_types[:, 0] = 1.0 - of_types.sum(1)
        labels.append(own)
        probabilities.append(of_types.clip(0.0, 1.0))
    quality, _ = get_label_quality_scores(labels, probabilities)
    return [1.0 - float(score) for score in quality]


def recalls(scores: Sequence[float], errors: Sequence[SeededError]) -> dict[str, float]:
    """The share of the errors, and of each kind, whose sentences are among the first tenth (of ties the first)."""
    ranked = sorted(range(len(scores)), key=lambda place: -scores[place])
    first = set(ranked[: round(FIRST * len(scores))])
    found = Counter(error.kind for error in errors if error.sentence in first)
    there = Counter(error.kind for error in errors)
    return {"all": found.total() / max(len(errors), 1), **{kind: found[kind] / max(there[kind], 1) for kind in KINDS}}


def pointed_at(suspects: Sequence[Suspect], errors: Sequence[SeededError], number: int) -> dict[str, float]:
    """Of the first suspects, as many as a tenth of the sentences: the share of errors that they overlap, and undo."""
    first: dict[int, list[Suspect]] = defaultdict(list)
    for suspect in suspects[: round(FIRST * number)]:
        first[suspect.record.id].append(suspect)

    def touches(suspect: Suspect, error: SeededError) -> bool:
        return any(one.overlaps(place) for one in (*suspect.remove, *suspect.add) for place in error.places)

    def undoes(suspect: Suspect, error: SeededError) -> bool:
        return (set(suspect.remove), set(suspect.add)) == (_set_of(error.wrong), _set_of(error.right))

    return {
        name: sum(any(is_found(one, error) for one in first[error.sentence]) for error in errors) / max(len(errors), 1)
        for name, is_found in (("overlapped", touches), ("undone", undoes))
    }


def _set_of(entity: Entity | None) -> set[Entity]:
    return set() if entity is None else {entity}


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a corpus."""
    errors = seeded_corpus(arguments)
    records = out_of_fold(arguments)
    suspects = audit(records)
    sides = {"ner-audit": of_suspects(suspects, len(records)), "self-confidence": by_self_confidence(records)}
    peer = by_cleanlab(records)
    if peer is not None:
        sides["cleanlab"] = peer
    return {
        "corpus": arguments.corpus,
        "sentences": len(records),
        "labels": sum(len(record.gold) for record in records),
        "errors": len(errors),
        "f1": f1_of(records),
        "recall": {side: recalls(scores, errors) for side, scores in sides.items()},
        "suspects": pointed_at(suspects, errors, len(records)),
        "settings": {name: getattr(arguments, name) for name in ("head", "epochs", "folds", "share", "seed")},
        "encoder": Path(arguments.encoder).name,
        "machine": results.machine(),
        "versions": results.versions("torch", "transformers", "allennlp", *(["cleanlab"] if peer is not None else [])),
    }


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """A row for each corpus and side."""
    rows = []
    for one in found:
        size = f"{one['corpus']}, {one['sentences']:,} sentences, {one['errors']} errors"
        for side, recall in one["recall"].items():
            rows.append([size, f"{one['f1']:.3f}", side, *(f"{100 * recall[name]:.1f} %" for name in ("all", *KINDS))])
    return results.table(f"data | out-of-fold F1 | ranking | recall | {' | '.join(KINDS)}", rows)


def section(found: Sequence[Mapping[str, Any]]) -> str:
    """The text of the results: how they were measured, and the tables."""
    commands = [
        f"`python benchmarks/audit.py {one['corpus']} --sentences {one['sentences']} "
        f"--epochs {one['settings']['epochs']} --folds {one['settings']['folds']} --bfloat16`"
        for one in found
    ]
    rows = [
        [one["corpus"], *(f"{100 * one['suspects'][name]:.1f} %" for name in ("overlapped", "undone"))] for one in found
    ]
    suspects = results.table("data | overlapped by a suspect | undone by its suggestion", rows)
    one = found[0]
    return (
        f"{', '.join(commands)}: `{one['settings']['head']}` over {one['encoder']}, one seed; an error is put into "
        f"{100 * one['settings']['share']:g} % of the sentences, the kinds in equal parts. Recall is the share of the "
        "errors whose sentences are among the first 10 % of the sentences, ranked by their most likely error.\n"
        f"{one['machine']}; {one['versions']}.\n\n{table(found)}\nOf the first suspects, as many as 10 % of the "
        f"sentences, the share of the errors that are\n\n{suspects}"
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", choices=sorted(DATA))
    parser.add_argument("--data", help="folder of the corpus")
    parser.add_argument("--encoder", default=str(ENCODER))
    parser.add_argument("--head", choices=sorted(HEADS), default="crf_tagger")
    parser.add_argument("--sentences", type=int, help="size of the training sample (default: all)")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05, help="of the sentences, with an error")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--runs", type=Path, help="where data and folds are kept")
    parser.add_argument("--records", type=Path, default=ROOT / "benchmarks/records/audit")
    parser.add_argument("--results", type=Path, help="the file whose section gets the tables of all records")
    arguments = parser.parse_args()
    arguments.data = arguments.data or str(SHARED / "data" / DATA[arguments.corpus])
    for path in (arguments.data, arguments.encoder):
        if not (ROOT / path).exists():
            sys.exit(f"{path}: not found; name the corpus with --data and a pretrained encoder with --encoder")
    name = f"{arguments.corpus}-{arguments.head}-n{arguments.sentences or 'all'}-e{arguments.epochs}"
    arguments.name = f"{name}-k{arguments.folds}-share{arguments.share:g}-s{arguments.seed}"
    arguments.runs = arguments.runs or ROOT / "benchmarks/runs/audit" / arguments.name
    return arguments


def main() -> None:
    arguments = parse()
    found = measured(arguments)
    arguments.records.mkdir(parents=True, exist_ok=True)
    (arguments.records / f"{arguments.name}.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{table([found])}")
    print(", ".join(f"{name}: {100 * share:.1f} %" for name, share in found["suspects"].items()))
    if arguments.results is not None:
        every = [json.loads(file.read_text()) for file in sorted(arguments.records.glob("*.json"))]
        results.replace_section(arguments.results, "Label audit", section(every))


if __name__ == "__main__":
    main()
