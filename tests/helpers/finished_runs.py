"""Folders of finished training runs, without training."""

import json
from pathlib import Path
from typing import Any

FIGURES = {
    "seqeval/micro_precision": 0.8, "seqeval/micro_recall": 0.7, "seqeval/micro_f1": 0.75, "seqeval/macro_f1": 0.7,
    "seqeval/人名/f1": 0.8, "seqeval/人名/support": 30.0, "seqeval/a|b/f1": 0.6, "seqeval/a|b/support": 10.0,
}  # fmt: skip


def config_of(seed: int = 1, **model: Any) -> dict[str, Any]:
    """A config of AllenNLP's."""
    return {
        "random_seed": seed, "numpy_seed": seed, "pytorch_seed": seed,
        "train_data_path": "corpus#train", "validation_data_path": "corpus#dev",
        "model": {"type": "biaffine", **model},
        "trainer": {"type": "ner", "seed": seed, "validation_metric": "+seqeval/micro_f1"},
    }  # fmt: skip


def data_of(part: str, digest: str = "ab", sentences: int = 100, path: str | None = None) -> dict[str, Any]:
    """What `run.json` says about data."""
    file = {"file": f"corpus/{part}.txt", "bytes": 10, "sha256": digest * 32}
    return {"path": path or f"corpus#{part}", "sentences": sentences, "tokens": 900, "files": [file]}


def write_run(
    folder: Path,
    config: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    exit: str = "finished",
    **figures: float,
) -> Path:
    """The files of a run; `figures` replace those of its best epoch."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config_of() if config is None else config))
    best = {f"best_validation_{name}": value for name, value in {**FIGURES, **figures}.items()}
    (folder / "metrics.json").write_text(json.dumps({"best_epoch": 3, **best}))
    data = {"train": data_of("train"), "validation": data_of("dev")} if data is None else data
    (folder / "run.json").write_text(json.dumps({"format_version": 1, "exit": exit, "data": data}))
    return folder
