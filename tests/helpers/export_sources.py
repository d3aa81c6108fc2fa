"""Small models in memory for exports: a transformer under a softmax tagger that knows a few sentences, and others."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gpu_cases import build_with_reader

from ner_plugins.exports.target import ExportSource

SENTENCES = ["张三在北京大学读书", "我在上海", "abc", "张三在北京大学 ", "我在上海\t", "我在上海Y"]


def source_of(
    folder: Path,
    head: dict[str, Any] | None = None,
    family: str = "bert",
    steps: int = 0,
    change: Callable[[dict[str, Any]], None] | None = None,
    encoder: str = "transformer",
) -> ExportSource:
    """
    A model with the head `tags`, its decoder `softmax`, and the options `head`. `steps` of training make it right about
    `gpu_cases.TEXTS`. `change` changes the model's configuration.
    """
    config: dict[str, Any] = {"dataset_reader": {"type": "cluener"}}
    changed = partial(_change, head=head or {}, further=change, config=config)
    model, reader, batch = build_with_reader("softmax", encoder, folder, family, changed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(steps):
        optimizer.zero_grad()
        model(**batch)["loss"].backward()
        optimizer.step()
    return ExportSource(str(folder / "model.tar.gz"), model.eval(), reader, config)


def _change(params: dict[str, Any], head: dict[str, Any], further: Any, config: dict[str, Any]) -> None:
    params["head"].update(head)
    del params["thresholds"]
    if further is not None:
        further(params)
    config["model"] = params
