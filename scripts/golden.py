"""
Golden numbers: the losses of twenty training steps of each config, and the predictions of a batch.

    python scripts/golden.py run FOLDER [--encoder ENCODER] [--only PART] [--double]
    python scripts/golden.py against COMMIT [--only PART]

`run` writes a JSON file per config of the tree in the current directory. `against` (`make golden BASE=COMMIT`) runs
this tree and a commit on this machine, and expects equality, bit for bit. This script uses AllenNLP's interface alone,
so it runs on any commit. `tests/golden` holds the figures of `run tests/golden --double`, which `tests/golden_test.py`
compares with a tolerance.
"""

import argparse
import contextlib
import functools
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, Optional

os.environ.setdefault("TQDM_DISABLE", "1")

ROOT = Path(__file__).resolve().parent.parent
STEPS = 20
BATCH = 4
SENTENCES = 16  # four steps an epoch where a fixture has as many
PREDICTED = 2
_BUCKET = {"type": "bucket", "sorting_keys": ["tokens"]}
FIXTURES = {
    "data/cluener": "fixtures/cluener",
    "data/kmou": "fixtures/kmou",
    "data/conll2003": "fixtures/conll2003",
    "data/weibo": "fixtures/weibo",
    "data/resume": "fixtures/resume",
    "data/msra": "fixtures/msra",
    "words.vec": "fixtures/lexicon/words.vec",
    "characters.vec": "fixtures/lexicon/characters.vec",
}


def configs(root: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Name, path and settings of each experiment: `plain` (a BiLSTM, or no encoder) and `encoder` (a transformer)."""
    for path in sorted((root / "training_config").rglob("*.jsonnet")):
        name = str(path.relative_to(root / "training_config").with_suffix(""))
        if path.parent.name != "benchmarks":
            yield f"{name}/plain", str(path), {}
            yield f"{name}/encoder", str(path), {"NER_ENCODER": "yes"}
        else:  # a published one says what it is run with
            yield name, str(path), published_settings(path)


def published_settings(path: Path) -> dict[str, str]:
    """What a published experiment says it is run with, on the fixtures."""
    lines = re.findall("//   export ([^#\n]*)", path.read_text(encoding="utf-8"))
    settings = dict(setting.split("=") for line in lines for setting in line.split())
    return {name: FIXTURES.get(value, value) for name, value in settings.items()}


def run(path: str, settings: dict[str, str], encoder: str, double: bool) -> dict[str, Any]:
    """Losses of `STEPS` steps on the fixtures, and what the model predicts of `PREDICTED` sentences."""
    from allennlp.commands.train import train_model
    from allennlp.common import Params
    from allennlp.training.callbacks import TrainerCallback

    recorder = _recorder_class()
    with _environment(settings, encoder), tempfile.TemporaryDirectory(prefix="golden-") as folder:
        config = Params.from_file(path, json.dumps(_small(path))).as_dict(quiet=True)
        # First, so that a stage before training is in float64 as well.
        callbacks = config["trainer"].setdefault("callbacks", [])
        callbacks.insert(0, {"type": "golden_recorder", "double": double})
        if "ner_curves" in TrainerCallback.list_available():  # drawing takes longer than the training
            callbacks.append({"type": "ner_curves", "picture": False})
        with contextlib.suppress(recorder.Enough):
            train_model(Params(config), folder)
    return {"losses": recorder.losses, "predictions": recorder.predictions}


@contextlib.contextmanager
def _environment(settings: dict[str, str], encoder: str) -> Iterator[None]:
    """The settings of one experiment and no others."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("NER_")]:
        del os.environ[name]
    os.environ.update({**settings, "NER_ENCODER": encoder if settings.get("NER_ENCODER") else ""})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _small(path: str) -> dict[str, Any]:
    """Overrides that fit a config to the fixtures."""
    small: dict[str, Any] = {
        "dataset_reader.max_instances": SENTENCES,
        "trainer.num_epochs": STEPS,  # an upper bound: the recorder ends training
        "trainer.patience": None,
        "trainer.cuda_device": -1,
        "data_loader.batch_sampler": {**_BUCKET, "batch_size": BATCH},
        "validation_data_loader.batch_sampler": {**_BUCKET, "batch_size": 64},
    }
    if "nerco" in Path(path).name:
        small |= {"trainer.callbacks.0.epochs": 2, "trainer.callbacks.0.head_only_epochs": 1}
    if "msra" in Path(path).name:  # whose fixture is small
        small["dataset_reader.dev_fraction"] = 0.5
    return small


@functools.cache
def _recorder_class() -> Any:
    """The callback that records losses and predictions, on the class; registered, so that a config can name it."""
    from allennlp.training.callbacks import TrainerCallback

    @TrainerCallback.register("golden_recorder")
    class GoldenRecorder(TrainerCallback):
        class Enough(Exception):
            """Raised when all steps are recorded."""

        losses: list[float]
        predictions: list[Any]

        def __init__(self, serialization_dir: str, double: bool) -> None:
            super().__init__(serialization_dir)
            self.double = double
            GoldenRecorder.losses = []

        def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
            if self.double:
                trainer.model.double()

        def on_batch(self, trainer: Any, *args: Any, is_training: bool, **kwargs: Any) -> None:
            if is_training:
                GoldenRecorder.losses += [output["loss"].item() for output in args[1]]
            if len(self.losses) == STEPS:
                instances = list(itertools.islice(trainer.data_loader.iter_instances(), PREDICTED))
                _randomise(trainer.model)
                outputs = trainer.model.eval().forward_on_instances(instances)
                rows = [output["entities"] for output in outputs]
                GoldenRecorder.predictions = [[[e["start"], e["end"], e["type"], e["score"]] for e in r] for r in rows]
                raise self.Enough

    return GoldenRecorder


def _randomise(model: Any) -> None:
    """Weights at random, in order of the parameters: after `STEPS` steps a model predicts nothing, so these do."""
    import numpy
    import torch

    draw = numpy.random.RandomState(STEPS)  # the same numbers on every processor
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(draw.normal(scale=0.3, size=tuple(parameter.shape))))


def run_all(root: Path, folder: Path, only: Optional[str], encoder: str, double: bool) -> None:
    """Write the golden numbers of every config whose name contains `only`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path, settings in configs(root):
        if only is None or only in name:
            found = run(path, settings, encoder, double)
            print(f"{name}: {found['losses'][0]:.6f} … {found['losses'][-1]:.6f}", file=sys.stderr)
            rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in found["predictions"])
            losses = ",\n  ".join(map(repr, found["losses"]))
            text = f'{{"losses": [\n  {losses}\n],\n"predictions": [\n  {rows}\n]}}\n'
            (folder / file_name(name)).write_text(text, encoding="utf-8")


def file_name(name: str) -> str:
    """The file of a config: `benchmarks/flat_weibo` is in `benchmarks-flat_weibo.json`."""
    return name.replace("/", "-") + ".json"


def differences(a: Path, b: Path) -> list[str]:
    """What is not the same in two folders, bit for bit."""
    files = [{path.name: json.loads(path.read_text("utf-8")) for path in folder.iterdir()} for folder in (a, b)]
    rows = [f"{name}: only on one side" for name in sorted(files[0].keys() ^ files[1].keys())]
    for name in sorted(files[0].keys() & files[1].keys()):
        for what in ("losses", "predictions"):
            old, new = (side[name][what] for side in files)
            if old != new:
                first = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(old))
                rows.append(f"{name}: {what} differ from number {first} on")
    return rows


def against(commit: str, only: Optional[str]) -> list[str]:
    """Run this tree and `commit` with one thread, and say what differs."""
    with tempfile.TemporaryDirectory(prefix="golden-") as name:
        folder = Path(name)
        encoder = _make_encoder(folder / "encoder")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", folder / "base", commit], cwd=ROOT, check=True)
        try:
            for tree, side in ((folder / "base", "a"), (ROOT, "b")):
                command = [sys.executable, __file__, "run", folder / side, "--encoder", encoder]
                command += ["--only", only] if only else []
                environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
                subprocess.run(command, cwd=tree, env=environment, check=True)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder / "base"], cwd=ROOT, check=True)
        return differences(folder / "a", folder / "b")


def _make_encoder(folder: Path) -> str:
    sys.path.append(str(ROOT / "tests/helpers"))
    from tiny_encoders import make_encoder

    return make_encoder(folder)


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_run = commands.add_parser("run")
    of_run.add_argument("folder", type=Path)
    of_run.add_argument("--encoder", help="folder of a tiny encoder; by default the tests' own")
    of_run.add_argument("--double", action="store_true", help="in float64")
    of_against = commands.add_parser("against")
    of_against.add_argument("commit")
    for command in (of_run, of_against):
        command.add_argument("--only", help="part of a config's name")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.command == "against":
        rows = against(args.commit, args.only)
        print("\n".join(rows) or "losses and predictions are the same, bit for bit")
        sys.exit(bool(rows))
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        encoder = args.encoder or _make_encoder(Path(folder) / "encoder")
        run_all(Path.cwd(), args.folder, args.only, encoder, args.double)


if __name__ == "__main__":
    main()
