"""All checks of a config together: no valid config is refused, and all mistakes come in one message."""

import copy
import json
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from allennlp.models import Model
from tiny_encoders import make_encoder
from training_configs import CONFIGS, PUBLISHED, published_settings

from ner_plugins.commands.checks.config import check_config, walk_config
from ner_plugins.errors import ConfigError
from ner_plugins.settings import SETTINGS

SECONDS = 0.2
"""More than a check may take."""


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def check(config: dict[str, Any], folder: Path) -> None:
    before = copy.deepcopy(config)
    check_config(config, folder / "run")
    assert config == before and not (folder / "run").exists()


@pytest.mark.parametrize("config", [path for path in CONFIGS if path not in PUBLISHED], ids=str)
def test_our_configs_have_no_mistake(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(Params.from_file(config).as_dict(quiet=True), tmp_path)
    monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    given = Params.from_file(config).as_dict(quiet=True)
    check(given, tmp_path)  # imports what training would import
    start = time.perf_counter()
    check(given, tmp_path)
    assert time.perf_counter() - start < SECONDS


@pytest.mark.parametrize("config", PUBLISHED, ids=str)
def test_the_published_configs_have_no_mistake(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in published_settings(config, tmp_path).items():
        monkeypatch.setenv(name, value)
    given = Params.from_file(config).as_dict(quiet=True)
    check(given, tmp_path)
    walk = walk_config(given)
    # Whatever has a type is found, so nothing in these configs is left unchecked.
    typed = {key.removesuffix(".type") for key in _flat(given) if key.endswith(".type")}
    assert typed <= {found.key for found in walk.objects}


def _flat(value: Any, key: str = "") -> list[str]:
    if not isinstance(value, (dict, list)):
        return [key]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [inner for name, one in items for inner in _flat(one, f"{key}.{name}" if key else str(name))]


EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
NER = {"type": "crf_tagger", "text_field_embedder": EMBEDDER}
BASE: dict[str, Any] = {
    "dataset_reader": {"type": "cluener", "max_instances": 6},
    "train_data_path": "fixtures/sample#train",
    "validation_data_path": "fixtures/sample#dev",
    "model": NER,
    "data_loader": {"batch_size": 3},
    "trainer": {"num_epochs": 1, "cuda_device": -1},
}
SGD = {"type": "sgd", "lr": 0.1}
STOCK_READER = {"type": "sequence_tagging", "max_instances": 2}
STOCK_MODEL = {
    "type": "simple_tagger",
    "text_field_embedder": EMBEDDER,
    "encoder": {"type": "lstm", "input_size": 4, "hidden_size": 4},
}
# Valid ones that differ from ours. Each is built, which shows that it is valid.
ODD: dict[str, dict[str, Any]] = {
    "bare": {},
    "seeds": {
        "random_seed": 1,
        "numpy_seed": 2,
        "pytorch_seed": None,
        "evaluation": {"x": 1},
        "include_in_archive": ["a"],
    },
    "named by path": {
        "dataset_reader": {"type": "ner_plugins.dataset_readers.json.cluener.CluenerReader", "max_instances": 6},
        "trainer": {"optimizer": {"type": "allennlp.training.optimizers.SgdOptimizer", "lr": 0.1}},
    },
    "streamed": {
        "data_loader": {"batch_size": 3, "max_instances_in_memory": 4, "batches_per_epoch": 2},
        "trainer": {"optimizer": SGD, "learning_rate_scheduler": {"type": "step", "step_size": 1}},
    },
    "trainer": {
        "trainer": {
            "type": "gradient_descent",
            "optimizer": {**SGD, "momentum": 0.9},
            "checkpointer": None,
            "grad_norm": True,
            "validation_metric": ["+seqeval/micro_f1", "-loss"],
            "moving_average": {"type": "exponential", "decay": 0.9},
            "momentum_scheduler": {"type": "inverted_triangular", "cool_down": 1, "warm_up": 1},
            "no_grad": ["head"],
            "callbacks": ["tensorboard", {"type": "track_epoch_callback"}],
            "run_sanity_checks": False,
            "patience": None,
        }
    },
    "groups": {
        "trainer": {
            "optimizer": {
                "type": "multi",
                "optimizers": {"default": SGD, "head": {"type": "adam"}},
                "parameter_groups": [[["^head"], {"optimizer_name": "head", "lr": 0.0}]],
            }
        }
    },
    "combined schedules": {
        "trainer": {
            "optimizer": SGD,
            "learning_rate_scheduler": {
                "type": "combined",
                "schedulers": [[1, {"type": "constant"}], [2, {"type": "noam", "model_size": 3, "warmup_steps": 2}]],
            },
        }
    },
    "initializer": {
        "model": {
            **NER,
            "initializer": {"regexes": [["head.*weight", {"type": "xavier_uniform"}], ["bias", "zero"]]},
            "regularizer": {"regexes": [["weight", {"type": "l2", "alpha": 0.1}]]},
            "training_metrics": True,
            "thresholds": {"name": 0.5},
        }
    },
    "stock model and reader": {
        "dataset_reader": STOCK_READER,
        "model": STOCK_MODEL,
        "trainer": {"validation_metric": "+accuracy"},
        "train_data_path": "STOCK",
        "validation_data_path": "STOCK",
    },
    "archive": {
        "model": {"type": "from_archive", "archive_file": "fixtures/archives/crf_tagger.tar.gz"},
        "vocabulary": {"type": "from_files", "directory": "fixtures/archives/crf_tagger.tar.gz!vocabulary"},
        "trainer": {"validation_metric": "+seqeval/micro_f1"},
    },
    "paths": {
        "train_data_path": "ZIP!inner#train",
        "validation_data_path": "TAR#dev",
        "test_data_path": "ZIP!inner/test.json",
    },
    "samplers": {
        "data_loader": {"batch_sampler": {"type": "max_tokens_sampler", "max_tokens": 200, "sorting_keys": ["tokens"]}},
        "validation_data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 2, "sorting_keys": ["tokens"]}},
    },
}


def placed(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A config with the names of files made in `folder`."""
    (folder / "stock.txt").write_text("他###O 在###O\n京###B\n")
    with zipfile.ZipFile(folder / "data.zip", "w") as archive:
        for split in ("train", "test"):
            archive.write(f"fixtures/sample/{split}.json", f"inner/{split}.json")
    with tarfile.open(folder / "data.tar.gz", "w:gz") as tar:
        tar.add("fixtures/sample/dev.json", "dev.json")
    names = {"STOCK": folder / "stock.txt", "ZIP": folder / "data.zip", "TAR": folder / "data.tar.gz"}
    text = json.dumps(config)
    for name, path in names.items():
        text = text.replace(name, str(path))
    return dict(json.loads(text))


@pytest.mark.parametrize("name", ODD)
def test_odd_configs_that_can_be_built_have_no_mistake(name: str, tmp_path: Path) -> None:
    config = placed({**BASE, **ODD[name]}, tmp_path)
    config["trainer"] = {**BASE["trainer"], **config["trainer"]}
    check(config, tmp_path)
    for key in ("evaluation", "include_in_archive", "random_seed", "numpy_seed", "pytorch_seed"):
        config.pop(key, None)
    TrainModel.from_params(Params(config), serialization_dir=str(tmp_path / "built"), local_rank=0)


def test_distributed_training_on_a_cpu(tmp_path: Path) -> None:
    check({**BASE, "trainer": {}, "distributed": {"cuda_devices": [-1, -1], "ddp_accelerator": "torch"}}, tmp_path)


def test_a_command_of_another_package_with_a_trainer_of_its_own(tmp_path: Path) -> None:
    @TrainModel.register("config_test", exist_ok=True)
    class Own(TrainModel):
        def __init__(self, serialization_dir: str, local_rank: int, model: Model, steps: int) -> None:
            pass

    check({"type": "config_test", "model": NER, "steps": 3}, tmp_path)


def test_data_for_the_vocabulary(tmp_path: Path) -> None:
    check({**BASE, "datasets_for_vocab_creation": ["train", "validation"]}, tmp_path)
    with pytest.raises(ConfigError, match=r'^datasets_for_vocab_creation has "test"; it can have train, validation$'):
        check_config({**BASE, "datasets_for_vocab_creation": ["test"]}, tmp_path / "run")


def test_all_mistakes_come_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = {
        **BASE,
        "train_data_path": "nowhere/train.json",
        "validation_data_path": "nowhere/train.json",
        "model": {**NER, "dropout": 2.0, "scheme": 3},
        "trainer": {
            "num_epochs": 0, "cuda_device": 99, "validation_metric": "+f1", "callbacks": ["nercoo"],
            "optimizer": {**SGD, "parameter_groups": [[["("], {}]]},
        },
        "modle": 1,
    }  # fmt: skip
    del config["data_loader"]
    with pytest.raises(ConfigError) as caught:
        check_config(config, tmp_path / "file/run")
    first, *told = str(caught.value).splitlines()
    assert first == "the config has 11 mistakes:" and len(told) == 11
    for number, part in enumerate(told, 1):
        assert part.startswith(f"  {number}. ")
    for expected in (
        "the config has no option 'modle': did you mean 'model'?",
        "the config has no data_loader",
        "model.dropout is 2.0",
        "model.scheme is 3, but has to be a string",
        "trainer.num_epochs is 0",
        "trainer.cuda_device is 99",
        "does not produce 'f1'",
        "trainer.callbacks.0.type: there is no 'nercoo'",
        "is not a regular expression",
        "train_data_path and validation_data_path: nowhere/train.json: no such file",
        "file is a file",
    ):
        assert sum(expected in part for part in told) == 1, expected
