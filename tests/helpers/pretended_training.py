"""
A program that behaves as `allennlp train` in what a sweep sees of it, within milliseconds. `program` is its command.

The environment variable PRETENDED says what happens: nothing (it finishes), `fail`, `wait` (until it is stopped, after
a checkpoint), `ignore` (SIGTERM too), or `unreadable` (the data for `ner-compare`, which it pretends to be as well).
F1 is 0.9, less the square of the distance of `model.dropout` from 0.3, plus a thousandth of the seed.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def program() -> list[str]:
    """The command, to be put in place of `ner_plugins.sweeps.training.PROGRAM`."""
    return [sys.executable, "-S", "-E", str(Path(__file__).resolve())]


def calls(sweep: Path) -> list[dict[str, Any]]:
    """What the program was called with: `words`, `environment`, in the order of the calls."""
    file = sweep / "calls.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def main() -> None:
    words = sys.argv[1:]
    folder = Path(words[words.index("-s") + 1] if "-s" in words else words[1])
    overrides = json.loads(words[words.index("-o") + 1]) if "-o" in words else {}
    named = {name: value for name, value in os.environ.items() if name.startswith(("NER_", "CUDA_", "PRETENDED"))}
    with open(folder.parent.parent / "calls.jsonl", "a") as file:
        file.write(f"{json.dumps({'words': words, 'environment': named, 'began': time.time()})}\n")
    if words[0] == "ner-compare":
        assert (folder / "model.tar.gz").exists()
        (folder / "predictions").mkdir(exist_ok=True)
        sys.exit(os.environ.get("PRETENDED") == "unreadable")
    folder.mkdir(parents=True, exist_ok=True)
    seed = int(os.environ.get("NER_SEED", "0"))
    config = {"random_seed": seed, "train_data_path": os.environ.get("NER_DATA"), "trainer": {}, "model": overrides}
    (folder / "config.json").write_text(json.dumps(config))
    print(f"training {folder.name}", flush=True)
    if "--recover" not in words:
        act(folder)
    f1 = 0.9 - (overrides.get("model.dropout", 0.3) - 0.3) ** 2 + seed / 1000
    names = ("micro_precision", "micro_recall", "micro_f1", "macro_f1", "PER/f1")
    best = {f"best_validation_seqeval/{name}": f1 for name in names}
    best["best_validation_seqeval/PER/support"] = 7.0
    (folder / "best.th").touch()
    (folder / "model.tar.gz").touch()
    (folder / "metrics.json").write_text(json.dumps({"best_epoch": 2, "test_loss": 1.0, **best}))
    (folder / "run.json").write_text(json.dumps({"format_version": 1, "exit": "finished"}))


def act(folder: Path) -> None:
    action = os.environ.get("PRETENDED")
    if action == "fail":
        print("error: the loss became NaN", file=sys.stderr)
        sys.exit(1)
    if action in ("wait", "ignore"):
        stop = signal.SIG_IGN if action == "ignore" else lambda *_: sys.exit(143)
        signal.signal(signal.SIGTERM, stop)  # type: ignore[arg-type]
        (folder / "model_state_e0_b0.th").touch()
        time.sleep(60)


if __name__ == "__main__":
    main()
