"""Fixtures that all tests share. Nothing here reaches a network, a GPU, or anything outside the repository but data."""

import os

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")
if "PYTEST_XDIST_WORKER" in os.environ:  # beside others, each on a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ner_plugins  # noqa: F401  (before anything imports allennlp)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

CommandRunner = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def repository() -> Path:
    return ROOT


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs {folder}, which is not part of the project")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real corpora."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_encoders() -> Path:
    """Real pretrained encoders."""
    return _shared("encoders")


def run_command(
    *arguments: Any,
    input: str | bytes | None = None,
    program: list[str] | None = None,
    cwd: Path = ROOT,
    **environment: str,
) -> subprocess.CompletedProcess:
    """Run `allennlp ARGUMENTS` as a user does, in a process of its own; text in and out unless `input` is bytes."""
    program = program or [str(Path(sys.executable).with_name("allennlp"))]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("NER_", "ALLENNLP_"))}
    return subprocess.run(
        [*program, *map(str, arguments)],
        cwd=cwd,
        env={**known, "OMP_NUM_THREADS": "2", **environment},
        input=input,
        capture_output=True,
        text=not isinstance(input, bytes),
        encoding=None if isinstance(input, bytes) else "utf-8",
        timeout=600,
    )


@pytest.fixture(scope="session")
def allennlp() -> CommandRunner:
    return run_command


# Overrides that make the experiment of a config a matter of seconds.
TINY = {
    "model.projection.dim": 16,
    "model.max_span_width": 12,
    "model.init": "xavier",
    "trainer.num_epochs": 1,
    "trainer.cuda_device": -1,
    "dataset_reader.max_instances": 120,
}


@pytest.fixture(scope="session")
def tiny_overrides() -> str:
    return json.dumps(TINY)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: str) -> Iterator[Path]:
    """The serialization directory of a small biaffine model, trained by the real command on the bundled sample."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    config = "training_config/biaffine.jsonnet"
    done = run_command("train", config, "-s", folder, "-o", tiny_overrides, "--include-package", "ner_plugins")
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
