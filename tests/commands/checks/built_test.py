"""Checks of data and model before the first step, on real experiments."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.commands.train import TrainModel, train_model
from allennlp.common import Params
from tiny_encoders import make_encoder

from ner_plugins.commands.checks.built import check_before_training, splits_of
from ner_plugins.errors import ConfigError

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
TRAIN = [("小明在北京读书", {"name": {"小明": [[0, 1]]}, "place": {"北京": [[3, 4]]}}), ("天气很好", {})]


def write(path: Path, sentences: Any, labelled: bool = True) -> str:
    rows = [{"text": text, "label": label} if labelled else {"text": text} for text, label in sentences]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def experiment(folder: Path, dev: Any = TRAIN, labelled: bool = True, **parts: Any) -> TrainModel:
    config = {
        "dataset_reader": {"type": "cluener"},
        "train_data_path": write(folder / "train.json", TRAIN),
        "validation_data_path": write(folder / "dev.json", dev, labelled),
        "model": {"type": "span", "head": "pairs", "text_field_embedder": EMBEDDER},
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 1, "cuda_device": -1, "optimizer": "adam", "validation_metric": "+seqeval/micro_f1"},
        **parts,
    }
    (folder / "run").mkdir()
    (folder / "run/config.json").write_text(json.dumps(config))
    return TrainModel.from_params(
        Params(json.loads(json.dumps(config))), serialization_dir=str(folder / "run"), local_rank=0
    )


def test_nothing_to_remark_and_no_random_number_drawn(tmp_path: Path) -> None:
    built = experiment(tmp_path)
    before = torch.get_rng_state()
    assert check_before_training(built) == []
    assert torch.equal(before, torch.get_rng_state())
    assert [split.key for split in splits_of(built)] == ["train_data_path", "validation_data_path"]


def test_development_data_without_labels(tmp_path: Path) -> None:
    built = experiment(tmp_path, labelled=False)
    with pytest.raises(
        ConfigError, match=r"^validation_data_path has no labels \(.*dev\.json:1 has none\), so it cannot"
    ):
        built.run()


def test_test_data_without_labels_matter_if_they_are_evaluated(tmp_path: Path) -> None:
    path = write(tmp_path / "test.json", TRAIN, labelled=False)
    built = experiment(tmp_path, test_data_path=path, evaluate_on_test=True)
    with pytest.raises(ConfigError, match=r"^test_data_path has no labels"):
        check_before_training(built)
    built.evaluate_on_test = False
    assert check_before_training(built) == []


def test_types_that_the_training_data_lack(tmp_path: Path) -> None:
    dev = [
        ("小明在北大读书", {"name": {"小明": [[0, 1]]}, "school": {"北大": [[3, 4]]}}),
        ("读书", {"work": {"书": [[1, 1]]}}),
    ]
    assert check_before_training(experiment(tmp_path, dev)) == [
        "validation_data_path has 2 entities of types that the training data lack, which the model cannot learn: "
        "school (1), work (1)"
    ]


def test_gold_wider_than_the_head_scores(tmp_path: Path) -> None:
    dev = [("小明在北京大学读书", {"place": {"北京大学": [[3, 6]]}})]
    model = {"type": "span", "head": "pairs", "text_field_embedder": EMBEDDER, "max_span_width": 1}
    assert check_before_training(experiment(tmp_path, dev, model=model)) == [
        "train_data_path: 2 of 2 entities (100.0%) are wider than max_span_width, 1 tokens, and cannot be predicted; "
        "the widest has 2",
        "validation_data_path: 1 of 1 entities (100.0%) are wider than max_span_width, 1 tokens, and cannot be "
        "predicted; the widest has 4",
    ]


def test_texts_longer_than_the_encoder(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder", positions=8)
    transformer = {"type": "ner_transformer", "model_name": encoder}
    built = experiment(
        tmp_path,
        dev=[("北京", {}), ("北京上海大学", {}), ("北京上海大学读书", {})],
        dataset_reader={"type": "cluener", "token_indexers": {"tokens": transformer}},
        model={"type": "crf_tagger", "text_field_embedder": {"token_embedders": {"tokens": transformer}}},
    )
    train, dev = check_before_training(built)
    assert train.startswith(
        "train_data_path: 1 of 2 texts have more pieces than the encoder reads at once (6), the longest 7"
    )
    assert dev.startswith("validation_data_path: 1 of 3 texts") and "windows, and nothing is cut off" in dev


def test_parameter_groups_that_match_nothing(tmp_path: Path) -> None:
    groups = [[["token_embeder"], {"lr": 1e-5}], [["^head"], {"lr": 1e-3}]]
    trainer = {"cuda_device": -1, "optimizer": {"type": "adam", "parameter_groups": groups}, "no_grad": ["^crf"]}
    with pytest.raises(ConfigError) as caught:
        check_before_training(experiment(tmp_path, trainer=trainer))
    told = str(caught.value)
    assert "the config has 2 mistakes" in told and "trainer.no_grad: '^crf' matches no parameter" in told
    assert "parameter_groups.0: 'token_embeder' matches no parameter of the model (did you mean" in told


def test_groups_of_frozen_parameters_are_no_mistake(tmp_path: Path) -> None:
    optimizer = {"type": "adam", "parameter_groups": [[["^text_field_embedder"], {"lr": 1e-5}]]}
    trainer = {"cuda_device": -1, "optimizer": optimizer, "no_grad": ["^text_field_embedder"]}
    assert check_before_training(experiment(tmp_path, trainer=trainer)) == []


@pytest.mark.parametrize("entry, known", [("+seqeval/name/f1", True), ("+seqeval/school/f1", False)])
def test_a_validation_metric_of_a_type(entry: str, known: bool, tmp_path: Path) -> None:
    built = experiment(tmp_path, trainer={"cuda_device": -1, "validation_metric": entry})
    if known:
        assert check_before_training(built) == []
        return
    with pytest.raises(ConfigError, match=r"the data have no entity type 'school': they have name, place$"):
        check_before_training(built)


def test_a_streamed_corpus_is_not_read_again(tmp_path: Path) -> None:
    loader = {"batch_size": 2, "max_instances_in_memory": 2}
    built = experiment(tmp_path, labelled=False, data_loader=loader, validation_data_loader=loader)
    assert splits_of(built) == [] and check_before_training(built) == []


def test_other_models_readers_and_commands_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "stock.txt").write_text("他###O 在###O\n")
    encoder = {"type": "lstm", "input_size": 4, "hidden_size": 4}
    built = experiment(
        tmp_path,
        dataset_reader={"type": "sequence_tagging"},
        model={"type": "simple_tagger", "text_field_embedder": EMBEDDER, "encoder": encoder},
        train_data_path=str(tmp_path / "stock.txt"),
        validation_data_path=str(tmp_path / "stock.txt"),
    )
    assert splits_of(built) == [] and check_before_training(built) == []
    (tmp_path / "run/config.json").unlink()  # built without `allennlp train`
    assert check_before_training(built) == []


def test_any_way_of_training_is_checked(tmp_path: Path) -> None:
    config = {
        "dataset_reader": {"type": "cluener"},
        "train_data_path": write(tmp_path / "train.json", TRAIN),
        "validation_data_path": write(tmp_path / "dev.json", [("书", {"work": {"书": [[0, 0]]}})]),
        "model": {"type": "crf_tagger", "text_field_embedder": EMBEDDER},
        "data_loader": {"batch_size": 2},
        "trainer": {"num_epochs": 1, "cuda_device": -1},
    }
    train_model(Params(config), str(tmp_path / "run"))
    log = (tmp_path / "run/out.log").read_text(encoding="utf-8")
    assert log.count("validation_data_path has 1 entities of types that the training data lack") == 1
