"""The facts of a run for `run.json`: versions, device, seeds, data, sizes, memory."""

import json
import logging
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Optional

import torch

from ner_plugins.distributed import world_size
from ner_plugins.files.data_paths import DataPath, selected_files
from ner_plugins.files.digests import sha256
from ner_plugins.files.opening import local_path, names_in
from ner_plugins.training.trainer_access import instances_of, validation_loader
from ner_plugins.version import VERSION

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "transformers", "tokenizers", "allennlp", "allennlp-models", "numpy", "numba")
_MEBIBYTE = 1 << 20


def versions() -> dict[str, str]:
    """The versions of Python, of this package and of what it computes with."""
    found = {"python": platform.python_version(), "ner_plugins": VERSION}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def device_facts(device: torch.device) -> dict[str, Any]:
    """The device of the first rank, its name, the number of processes, and torch's threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": str(device),
        "name": name,
        "processes": world_size(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
    }


def _processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def seeds(folder: Path) -> dict[str, Any]:
    """The seeds in the run's `config.json`; AllenNLP's defaults where it has none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    defaults = {"random_seed": 13370, "numpy_seed": 1337, "pytorch_seed": 133}
    return {name: config.get(name, default) for name, default in defaults.items()}


def data_facts(trainer: Any) -> dict[str, Any]:
    """For `train` and `validation`: the data path, its files with their digests, the sentences and tokens."""
    loaders = {"train": trainer.data_loader, "validation": validation_loader(trainer)}
    return {name: _of_loader(loader) for name, loader in loaders.items() if loader is not None}


def _of_loader(loader: Any) -> dict[str, Any]:
    path = getattr(loader, "data_path", None)
    facts: dict[str, Any] = {"path": None if path is None else str(path)}
    instances = instances_of(loader)
    if instances is not None:
        facts["sentences"] = len(instances)
        facts["tokens"] = sum(len(one["tokens"]) for one in instances if "tokens" in one.fields)
    if path is not None:
        facts["files"] = digests(str(path), getattr(loader, "reader", None))
    return facts


def digests(path: str, reader: Any = None) -> list[dict[str, Any]]:
    """
    The files that a data path stands for: name, bytes and SHA-256 of each.

    # Parameters

    path : `str`
        An archive has one digest, of the whole file.
    reader : `Any`
        The dataset reader, which chooses the files of a split in a folder.

    # Returns

    `list[dict[str, Any]]`
        Empty if the files cannot be found, as with a path that only the reader of another package understands.
    """
    try:
        return [
            {"file": str(file), "bytes": file.stat().st_size, "sha256": sha256(file)}
            for file in _files(DataPath.parse(path), getattr(reader, "choose_files", None))
        ]
    except Exception as error:  # the reader has read the data: nothing is wrong with them
        logger.debug("%s: no digest: %r", path, error)
        return []


def _files(place: DataPath, choose: Any) -> list[Path]:
    if not os.path.isdir(place.path):
        return [Path(local_path(place.path))]
    names = names_in(place) or ([place.member] if place.member else [])
    if choose is not None and place.split:
        names = list(selected_files(place, names, choose, files_have_splits=True))
    return [Path(place.path, name) for name in names]


def parameters(model: Any) -> dict[str, int]:
    """The numbers of all parameters and of those that learn at present."""
    sizes = [(one.numel(), one.requires_grad) for one in model.parameters()]
    return {"all": sum(size for size, _ in sizes), "trainable": sum(size for size, learns in sizes if learns)}


def peak_memory(device: torch.device) -> dict[str, Optional[float]]:
    """
    The most memory of this process in MiB, and of its tensors on the GPU since AllenNLP or anything else last reset
    that count; `None` where the platform does not count it.
    """
    cuda = torch.cuda.max_memory_allocated(device) / _MEBIBYTE if device.type == "cuda" else None
    return {"process": _peak_of_process(), "cuda": cuda and round(cuda, 1)}


def _peak_of_process() -> Optional[float]:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (_MEBIBYTE if sys.platform == "darwin" else 1024), 1)
