"""
Fixtures that all tests share. Nothing here reaches a network, anything outside the repository but data, or a GPU: the
tests marked `gpu` need `NER_TEST_GPU=1` too.
"""

import os

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
if os.environ.get("NER_TEST_GPU") != "1":  # scripts/gpu_check sets it, and runs the tests marked `gpu`
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
if "PYTEST_XDIST_WORKER" in os.environ:  # beside others, each on a core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import json
import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import torch
from allennlp_command import CommandRunner, run_command, run_command_afresh

import ner_plugins  # noqa: F401  (before anything imports allennlp)

# The files that take longest, which are begun first: one of them at the end would keep a single worker busy. The first
# compiles the CRF's kernels, unless they are; the second does not need them meanwhile.
LONGEST = (
    "golden_test.py", "compat/deferred_test.py", "readme_test.py", "training/trainer_test.py",
    "gpu_readiness/pretended_test.py", "dataset_readers/training_test.py", "commands/train_test.py",
    "dataset_readers/hostile_input_test.py", "bulk/pipeline_test.py", "compat/plugins_test.py",
    "training/nerco_test.py",
    "tagger/archive_test.py", "training/masked_lm/callback_test.py", "training/regularisers/averages_test.py",
    "training/regularisers/mixed_precision_test.py", "training/recovery_test.py", "training/distributed_test.py",
    "training/trainer_distributed_test.py", "training_config/configs_test.py", "dataset_readers/lattice_test.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, and skip the tests marked `gpu` where there is none."""
    places = {str(ROOT / "tests" / name): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and NER_TEST_GPU=1"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """
    Restore the process after each test, fixtures of a wider scope included: a training in it sets the root logger's
    level and adds handlers to streams that are closed later, a script disables warnings or garbage collection.
    """
    root = logging.getLogger()
    level, handlers, disabled, collects = root.level, root.handlers[:], root.manager.disable, gc.isenabled()
    try:
        return (yield)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.disable(disabled)
        (gc.enable if collects else gc.disable)()


ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


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


@pytest.fixture(scope="session")
def allennlp() -> CommandRunner:
    """Runs a command with its own standard streams, folder and environment, in a process forked after the imports."""
    return run_command


@pytest.fixture(scope="session")
def allennlp_afresh() -> CommandRunner:
    """The same in a process of its own from the start: for tests of starting, and one of each command."""
    return run_command_afresh


# Overrides that make the experiment of a config a matter of seconds.
TINY = {
    "model.projection.dim": 16,
    "model.max_span_width": 12,
    "model.init": "xavier",
    "trainer.num_epochs": 1,
    "trainer.cuda_device": -1,
    "trainer.callbacks": [{"type": "ner_curves", "picture": False}],  # drawing takes longer than the training
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
