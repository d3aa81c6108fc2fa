"""Configurations of archives, and options of configs for training."""

import functools
import json
import random
import shutil
import tarfile
from pathlib import Path
from typing import Any

from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.data import DatasetReader, Vocabulary
from allennlp.models import Model
from allennlp.models.archival import load_archive
from allennlp.training.optimizers import Optimizer

from fuzzing.mutations import WRONG, flipped, inserted, mutated, value_changed
from fuzzing.outcomes import check_described
from ner_plugins.archives.config import ArchivedParams
from ner_plugins.archives.parts import check_parts
from ner_plugins.commands.checks.config import check_config
from ner_plugins.errors import NerError

ROOT = Path(__file__).resolve().parents[3]
_NAMES = (
    "biaffine", "crf_tagger", "span", "flat", "ner", "cluener", "msra", "lstm", "gru", "pass_through", "from_archive",
    "basic", "ner_embedding", "subprocess.Popen", "os.system", "ner_plugins.models.ner_model.NerModel",
    "bag_of_embeddings", "pretrained_transformer", "hf://a/b", "https://example.org/x", "/dev/zero", "adam",
    "huggingface_adamw",
)  # fmt: skip
_WRONG = (*WRONG, *_NAMES, *({"type": name} for name in _NAMES))


@functools.cache
def _archive(name: str, folder: Path) -> tuple[Path, dict[str, bytes]]:
    """An archive of the fixtures extracted, and its small files."""
    place = folder / name
    with tarfile.open(ROOT / "fixtures/archives" / name) as archive:
        archive.extractall(place, filter="data")
    files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    return place, files


def attack_archive(chance: random.Random, folder: Path) -> int:
    """The JSON, the vocabulary or the weights of an archive changed: it is loaded, or one message says why not."""
    name = chance.choice(["crf_tagger.tar.gz", "biaffine.tar.gz", "span_pointer.tar.gz", "flat.tar.gz"])
    place, files = _archive(name, folder)
    kind = chance.random()
    if kind < 0.75:
        changed = "config.json"
        config = json.loads(files[changed])
        for _ in range(chance.choice([1, 1, 2])):
            config = value_changed(config, chance, _WRONG)
        data = json.dumps(config).encode() if kind < 0.65 else mutated(files[changed], chance)
    else:
        changed = chance.choice(sorted(files))
        data = chance.choice([flipped, inserted, mutated])(files[changed] or b"\n", chance)
    (place / changed).write_bytes(data)
    try:
        if kind < 0.6 and chance.random() < 0.7:  # without building it
            check_parts(ArchivedParams.from_file(place / changed).params, str(place))
        else:
            load_archive(place)
    except Exception as error:
        check_described(error)
    finally:
        (place / changed).write_bytes(files[changed])
    return len(data)


@functools.cache
def _configs() -> list[dict[str, Any]]:
    """Configs of every experiment, as JSON."""
    paths = sorted((ROOT / "training_config").glob("*.jsonnet"))
    paths += sorted((ROOT / "fixtures/experiments").glob("*.json"))
    return [Params.from_file(str(path)).as_dict(quiet=True) for path in paths]


def attack_options(chance: random.Random, folder: Path) -> int:
    """A config with wrong values: the checks before training, and what is built of it, end in messages."""
    config = chance.choice(_configs())
    for _ in range(chance.choice([1, 1, 2, 4])):
        config = value_changed(config, chance, _WRONG)
    text = json.dumps(config)
    if not isinstance(config, dict):
        return len(text)
    if chance.random() < 0.6:
        try:
            check_config(json.loads(text), folder / "new")
        except (NerError, ConfigurationError) as error:
            check_described(error)
    else:
        _build(json.loads(text), chance)
    shutil.rmtree(folder / "new", ignore_errors=True)
    return len(text)


def _build(config: dict[str, Any], chance: random.Random) -> None:
    key = chance.choice(["dataset_reader", "model"])
    try:
        check_config(config, Path("new"))
    except Exception:  # `train` would stop here
        return
    try:
        params = Params(config)
        if key == "dataset_reader":
            DatasetReader.from_params(params.pop(key))
        else:
            vocab = Vocabulary(tokens_to_add={"tokens": ["我"], "entity_labels": ["X", "Y"]})
            model = Model.from_params(params.pop(key), vocab=vocab)
            if "optimizer" in params.get("trainer", {}):
                named = [list(pair) for pair in model.named_parameters()]
                Optimizer.from_params(params["trainer"]["optimizer"], model_parameters=named)
    except Exception as error:
        check_described(error)
