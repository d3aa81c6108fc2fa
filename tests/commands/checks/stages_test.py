"""Stages before training that a config or a model makes impossible."""

import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import TrainModel
from allennlp.common import Params
from dry_runs import config
from tiny_encoders import make_encoder

from ner_plugins.commands.checks.built import check_before_training
from ner_plugins.commands.checks.config import check_config, walk_config
from ner_plugins.commands.checks.stages import without_transformer
from ner_plugins.commands.dry_run.run import dry_run
from ner_plugins.errors import ConfigError


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.chdir(repository)


def over(encoder: str, callback: Any, **embedder: Any) -> dict[str, Any]:
    indexers = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    tokens = {"type": "ner_transformer", "model_name": encoder, **embedder}
    made: dict[str, Any] = config(
        dataset_reader={"token_indexers": indexers},
        model={"text_field_embedder": {"token_embedders": {"tokens": tokens}}},
        trainer={"callbacks": [callback]},
    )
    return made


def messages(given: dict[str, Any]) -> list[str]:
    walk = walk_config(given)
    assert walk.mistakes == []
    return [mistake.text for mistake in without_transformer(walk)]


def test_a_model_without_a_transformer(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    given = config(trainer={"callbacks": ["ner_epoch_lines", {"type": "ner_mlm"}]})
    [message] = messages(given)
    assert message.startswith("trainer.callbacks.1 (ner_mlm) trains a transformer, but the model has none")
    [message] = messages(over(encoder, "ner_mlm", train_parameters=False))
    assert message.startswith("trainer.callbacks.0 (ner_mlm) trains the transformer, but model.text_field_embedder.")
    assert messages(over(encoder, "ner_mlm")) == []
    assert messages(config(trainer={"callbacks": [{"type": "ner_mlm", "epochs": 0}]})) == []
    given["model"] = {"type": "from_archive", "archive_file": "model.tar.gz"}
    assert messages(given) == []


@pytest.mark.parametrize(
    "options, said",
    [
        ({"mlm_probability": 1}, "mlm_probability is 1, but has to be more than 0 and less than 1"),
        ({"epochs": -1}, "epochs is -1, but has to be 0 or more"),
        ({"batch_size": 0}, "batch_size is 0, but has to be 1 or more"),
        ({"data_path": "fixtures/txet.txt"}, "data_path: fixtures/txet.txt: no such file"),
        ({"lexicon": {"path": "fixtures/words.txt"}}, "lexicon.path: fixtures/words.txt: no such file"),
        ({"lexikon": 1}, "lexikon"),
    ],
)
def test_options_are_checked_before_anything_is_read(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = over(make_encoder(tmp_path / "encoder"), {"type": "ner_mlm", **options})
    with pytest.raises(ConfigError) as found:
        check_config(given, tmp_path / "run")
    assert said in str(found.value) and "trainer.callbacks.0" in str(found.value)


def test_a_dry_run_tells_what_the_stage_would_stumble_over(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    assert "the stages before training: ner_mlm" in dry_run(Params(over(encoder, {"type": "ner_mlm"})))
    encoder = make_encoder(tmp_path / "without")
    path = tmp_path / "without/tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mask_token": None}))
    with pytest.raises(ConfigError, match="has no mask token"):
        dry_run(Params(over(encoder, {"type": "ner_mlm"})))


def test_a_corpus_of_another_reader_is_told(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    callback = {"type": "ner_mlm", "data_path": "fixtures/weibo/weiboNER_2nd_conll.dev"}
    given = over(encoder, callback)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(given))
    built = TrainModel.from_params(Params(given), serialization_dir=str(tmp_path / "run"), local_rank=0)
    with pytest.raises(ConfigError, match=r"^ner_mlm\.data_path: .* looks like a corpus of the reader"):
        check_before_training(built)
