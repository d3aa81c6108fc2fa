"""Files of JSON that the package writes and reads again, and those of sweeps, catalogues, lexicons and thresholds."""

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finished_runs import FIGURES, config_of, data_of

from fuzzing.mutations import flipped, inserted, mutated, value_changed
from fuzzing.outcomes import check_message
from ner_plugins.comparison.prediction_files import PredictionFile, read_predictions
from ner_plugins.comparison.runs import grouped, read_trained_run
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.data_tools.download.catalogue import load_catalogue
from ner_plugins.entities import Entity
from ner_plugins.errors import NerError
from ner_plugins.exports.card_facts import scores_of_run
from ner_plugins.files.export_manifest import ExportManifest, is_export
from ner_plugins.lexicon.word_files import WordFile
from ner_plugins.reports.run_comparison import compare, read_run
from ner_plugins.sweeps.plan import runs_of
from ner_plugins.sweeps.sweep_file import parse_sweep
from ner_plugins.thresholds import threshold_values

ROOT = Path(__file__).resolve().parents[3]

_TEXT = "雾港大学的林晓彤"
_RUN: dict[str, Any] = {
    "format_version": 1,
    "exit": "finished",
    "started": "2026-01-31T12:00:00.000+00:00",
    "parts": [{"started": "2026-01-31T12:00:00.000+00:00", "seconds": 3.5, "exit": "finished", "process": 7}],
    "seconds": 3.5,
    "data": {"train": data_of("train"), "validation": data_of("dev")},
    "versions": {"torch": "2.13"},
    "devices": [{"name": "cpu", "peak_bytes": 10}],
}
_FILES: dict[str, Any] = {
    "config.json": config_of(),
    "metrics.json": {"best_epoch": 3, **{f"best_validation_{name}": value for name, value in FIGURES.items()}},
    "run.json": _RUN,
    "manifest.json": {
        "format": "ner_plugins export", "target": "onnx", "types": ["PER"], "archive_digest": "ab", "archive": "a",
        "package_version": "1.0", "format_version": 1, "details": {"quantize": None},
    },
    "predictions.jsonl": {"text": _TEXT, "entities": [{"start": 0, "end": 4, "type": "ORG", "score": 0.5}], "id": 0},
}  # fmt: skip
_SWEEP: dict[str, Any] = {
    "config": "a.jsonnet",
    "overrides": {"trainer.num_epochs": 1},
    "axes": {"model": {"biaffine": {"config": "b.jsonnet"}, "span": {"environment": {"NER_DATA": "x"}}}},
    "grid": {"model.dropout": [0.1, 0.2]},
    "seeds": [1, 2],
    "optuna": {
        "trials": 3,
        "choose": ["model"],
        "parameters": {"lr": {"low": 1e-5, "high": 1e-3, "log": True}, "dim": [8, 16], "depth": {"low": 1, "high": 3}},
    },
    "include_package": ["ner_plugins"],
    "keep": "archive",
}
_CATALOGUE: dict[str, Any] = json.loads(
    (ROOT / "ner_plugins/data_tools/download/catalogue.json").read_text(encoding="utf-8")
)
_DEEP = b"[" * 100_000


def _changed(value: Any, chance: random.Random) -> bytes:
    """A JSON value with parts replaced, or its bytes changed."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        value = value_changed(value, chance)
    data = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    act = chance.random()
    return _DEEP if act < 0.01 else mutated(data, chance) if act < 0.2 else data


def attack_record(chance: random.Random, folder: Path) -> int:
    """The files of a run, an export or predictions, one of them changed, for all that reads them."""
    changed = chance.choice(sorted(_FILES))
    place = folder / "run"
    place.mkdir(exist_ok=True)
    for name, value in _FILES.items():
        (place / name).write_bytes(_changed(value, chance) if name == changed else json.dumps(value).encode())
    gold = [PredictedSentence(_TEXT, [Entity(0, 4, "ORG")], ())]
    uses: dict[str, list[Callable[[], object]]] = {
        "manifest.json": [lambda: is_export(place), lambda: ExportManifest.read(place)],
        "predictions.jsonl": [lambda: read_predictions(PredictionFile(place / changed), gold)],
    }
    runs: list[Callable[[], object]] = [
        lambda: compare([read_run(place), read_run(place)]),
        lambda: grouped([read_trained_run(place)]),
        lambda: scores_of_run(place, config_of(), ["人名", "a|b"]),
    ]
    for use in uses.get(changed, runs):
        try:
            use()
        except NerError as error:
            check_message(error)
    return (place / changed).stat().st_size


def attack_setting(chance: random.Random, folder: Path) -> int:
    """The content of a sweep, a user's catalogue, or thresholds."""
    kind = chance.randrange(3)
    value: Any = (_SWEEP, _catalogue(chance), {"PER": 0.5, "LOC": 0.1})[kind]
    for _ in range(chance.choice([1, 1, 2, 3])):
        value = value_changed(value, chance)
    try:
        if kind == 0:
            sweep = parse_sweep(value)
            if sweep.search is None:
                list(runs_of(sweep))
        elif kind == 1:
            path = folder / "catalogue.json"
            path.write_bytes(_changed(value, chance))
            load_catalogue(str(path))
        else:
            threshold_values(value, ["PER", "LOC", "ORG"])
    except NerError as error:
        check_message(error)
    return len(str(value))


def _catalogue(chance: random.Random) -> Any:
    name = chance.choice(sorted(_CATALOGUE))
    return {name: _CATALOGUE[name]}


@functools.cache
def _word_files() -> tuple[bytes, ...]:
    names = ("words.txt", "words.vec", "words.bin", "characters.vec")
    start = [(ROOT / "fixtures/lexicon" / name).read_bytes() for name in names]
    return (*(data[:8000] for data in start), start[2], b"\xe6\x9e\x97 3 nr\n\xe9\x9b\xbe\xe6\xb8\xaf 20 ns\n")


def attack_words(chance: random.Random, folder: Path) -> int:
    """A file of words or vectors: all of its words and some of their vectors."""
    data = chance.choice(_word_files())
    data = chance.choice([flipped, inserted, mutated, mutated])(data, chance)
    path = folder / chance.choice(["words.txt", "words.vec", "words.bin", "words.txt.gz"])
    path.write_bytes(data)
    format = chance.choice([None, None, None, "words", "jieba", "word2vec_text", "word2vec_binary"])
    try:
        for _, word, vector in WordFile(str(path), format).entries(lambda word: len(word) % 2 == 0):
            assert isinstance(word, str) and (vector is None or vector.dtype == "float32")
    except NerError as error:
        check_message(error)
    path.unlink()
    return len(data)


