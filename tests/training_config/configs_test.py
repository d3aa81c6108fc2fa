"""
Every experiment in training_config builds, and `allennlp train` trains it for a step, with and without a pretrained
encoder.

That it trains is what `golden_test` finds as well, for every one; so `make test` takes one of each family through the
whole command, and `make test-all` takes all of them.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import train_model_from_file
from allennlp.common import Params
from tiny_encoders import make_encoder
from training_configs import CONFIGS, PUBLISHED, ROOT, published_settings

from ner_plugins.settings import SETTINGS

SMALL = {
    "dataset_reader.max_instances": 12,
    "trainer.num_epochs": 1,
    "trainer.cuda_device": -1,
    "data_loader.batch_sampler": {"type": "token_budget", "budget": 200, "max_sentences": 4},
}


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    # It takes longer than the training.
    monkeypatch.setattr("ner_plugins.training.watching.curves_picture.draw_curves", lambda rows, file: b"")


def train_a_step(config: Path, folder: Path) -> None:
    small = dict(SMALL)
    if "nerco" in config.name:
        small |= {"trainer.callbacks.0.epochs": 1, "trainer.callbacks.0.head_only_epochs": 1}
    if "msra" in config.name:  # whose fixture is small
        small["dataset_reader.dev_fraction"] = 0.5
    model = train_model_from_file(config, folder, overrides=json.dumps(small))
    assert model is not None and (folder / "model.tar.gz").exists()
    assert json.loads((folder / "metrics.json").read_text())["best_validation_gold"] > 0


def params(paths: list[Path], *quick: str) -> list[Any]:
    """These configs, all but the quick ones marked exhaustive."""
    assert set(quick) <= {path.stem for path in paths}
    return [pytest.param(path, marks=() if path.stem in quick else pytest.mark.exhaustive) for path in paths]


OWN = [path for path in CONFIGS if path not in PUBLISHED]


@pytest.mark.parametrize("config", params(OWN, "biaffine", "crf_tagger_bilstm", "flat", "span_bigru"), ids=str)
def test_it_trains_a_step_from_nothing(config: Path, tmp_path: Path) -> None:
    train_a_step(config, tmp_path / "run")


@pytest.mark.parametrize(
    "config",
    params(
        OWN, "crf_tagger", "crf_tagger_softmax", "nerco", "span", "span_dense", "span_pointer",
        "efficient_global_pointer",
    ),
    ids=str,
)
def test_it_trains_a_step_pretrained(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    train_a_step(config, tmp_path / "run")


@pytest.mark.parametrize(
    "config",
    params(PUBLISHED, "bert4ner_span_v3", "biaffine_bert_sampling", "conll2003_bilstm_crf", "flat_weibo", "nerco_msra"),
    ids=str,
)
def test_a_published_one_trains_a_step_as_it_says(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in published_settings(config, tmp_path).items():
        monkeypatch.setenv(name, value)
    train_a_step(config, tmp_path / "run")


@pytest.mark.parametrize("config", PUBLISHED, ids=str)
def test_a_published_one_asks_for_its_settings(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = published_settings(config, tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    Params.from_file(config)
    for name in ("NER_DATA", "NER_LEXICON" if "NER_LEXICON" in settings else "NER_ENCODER"):
        if settings[name]:
            monkeypatch.delenv(name)
            with pytest.raises(RuntimeError, match=f"set {name} to"):
                Params.from_file(config)
            monkeypatch.setenv(name, "x")


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_it_is_short_and_says_how_it_is_run(config: Path) -> None:
    text = (ROOT / config).read_text()
    assert len(text.splitlines()) <= 25
    assert f"allennlp train {config}" in text


def test_settings_reach_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NER_DATA", "corpus.zip")
    monkeypatch.setenv("NER_DEV", "own/dev.json")
    monkeypatch.setenv("NER_SEED", "7")
    monkeypatch.setenv("NER_EPOCHS", "3")
    config = Params.from_file("training_config/biaffine.jsonnet")
    assert config["train_data_path"] == "corpus.zip#train" and config["validation_data_path"] == "own/dev.json"
    assert config["pytorch_seed"] == 7 and config["trainer"]["num_epochs"] == 3
    assert config["dataset_reader"]["type"] == "cluener"
    monkeypatch.setenv("NER_READER", "weibo")
    assert Params.from_file("training_config/biaffine.jsonnet")["dataset_reader"]["type"] == "weibo"
    monkeypatch.setenv("NER_READER", '{"type": "msra", "dev_fraction": 0.1}')
    assert Params.from_file("training_config/biaffine.jsonnet")["dataset_reader"]["dev_fraction"] == 0.1


@pytest.mark.parametrize(
    "name", ["biaffine", "span_pointer", "crf_tagger", "crf_tagger_softmax", "span_bilstm", "efficient_global_pointer"]
)
def test_each_parameter_is_in_one_group(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.data import Vocabulary
    from allennlp.models import Model
    from allennlp.training.optimizers import Optimizer

    from ner_plugins.dataset_readers.json.cluener import CluenerReader

    monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    config = Params.from_file(f"training_config/{name}.jsonnet")
    vocab = Vocabulary.from_instances(CluenerReader().read("fixtures/cluener/train.json"))
    model = Model.from_params(config.pop("model"), vocab=vocab)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = Optimizer.from_params(config.pop("trainer").pop("optimizer"), model_parameters=named)
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in named:
        group = settings[id(parameter)]
        rate = 1e-2 if name.startswith("head.crf.") else 1e-3
        assert group["lr"] == (5e-5 if "token_embedder" in name else rate), name
        no_decay = name.startswith("head.crf.") or re.search("bias|norm", name.lower())
        assert (group["weight_decay"] == 0) == bool(no_decay), name
