"""Every experiment in training_config builds, and trains a step, with and without a pretrained encoder."""

import json
from pathlib import Path

import pytest
from allennlp.commands.train import train_model_from_file
from allennlp.common import Params
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "training_config").rglob("*.jsonnet"))
SMALL = {
    "dataset_reader.max_instances": 12,
    "trainer.num_epochs": 1,
    "trainer.cuda_device": -1,
    "data_loader.batch_sampler.batch_size": 4,
}


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("NER_DATA", "NER_READER", "NER_ENCODER", "NER_TRAIN", "NER_DEV", "NER_EPOCHS", "NER_SEED"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("pretrained", [False, True], ids=["from-nothing", "pretrained"])
def test_it_trains_a_step(config: Path, pretrained: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if pretrained:
        monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    model = train_model_from_file(config, tmp_path / "run", overrides=json.dumps(SMALL))
    assert model is not None and (tmp_path / "run/model.tar.gz").exists()
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["best_validation_gold"] > 0


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


def test_each_parameter_is_in_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.data import Vocabulary
    from allennlp.models import Model
    from allennlp.training.optimizers import Optimizer

    from ner_plugins.dataset_readers.cluener import CluenerReader

    monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    config = Params.from_file("training_config/biaffine.jsonnet")
    vocab = Vocabulary.from_instances(CluenerReader().read("fixtures/cluener/train.json"))
    model = Model.from_params(config.pop("model"), vocab=vocab)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    optimizer = Optimizer.from_params(config.pop("trainer").pop("optimizer"), model_parameters=named)
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in named:
        group = settings[id(parameter)]
        assert group["lr"] == (5e-5 if "token_embedder" in name else 1e-3), name
        assert (group["weight_decay"] == 0) == (name.endswith("bias") or "Norm" in name), name
