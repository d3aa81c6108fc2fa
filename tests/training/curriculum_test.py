"""`curriculum`: its shares, the loss of each epoch, and recovery."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from allennlp.training.callbacks import TrainerCallback
from killed_runs import assert_same, events, run
from staged_runs import experiment, train

from ner_plugins.errors import ConfigError
from ner_plugins.models.sentence_weights import SentenceWeights
from ner_plugins.training.curriculum import CurriculumCallback

LINES = [
    {"text": "林晓彤在青禾银行", "label": {"name": {"林晓彤": [[0, 2]]}, "company": {"青禾银行": [[4, 7]]}}},
    {"text": "阿宝去了雾港", "label": {"name": {"阿宝": [[0, 1]]}}, "weight": 0.5},
    {"text": "下雨了", "label": {}, "weight": 0.25},
    {"text": "白塔书局开门了", "label": {"company": {"白塔书局": [[0, 3]]}}},
    {"text": "云杉影业关门了", "label": {"company": {"云杉影业": [[0, 3]]}}, "weight": 2.0},
]


@TrainerCallback.register("weights_for_test")
class Weights(TrainerCallback):
    """What the model weighs sentences with, in training and in evaluation, after each epoch's first update."""

    seen: ClassVar[list[list[float]]]

    def on_start(self, trainer: Any, is_primary: bool = True, **kwargs: Any) -> None:
        super().on_start(trainer, is_primary=is_primary, **kwargs)
        Weights.seen = []

    def on_epoch(self, trainer: Any, metrics: dict[str, Any], epoch: int, **kwargs: Any) -> None:
        weights: SentenceWeights = trainer.model.sentence_weights
        metadata = [{"weight": 0.5}, {"weight": 2.0}]
        both = [weights(metadata, torch.device("cpu"), training=training) for training in (True, False)]
        Weights.seen.append([float(value) for one in both if one is not None for value in one])


def settings(folder: Path, *callbacks: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    file = folder / "train.json"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES), encoding="utf-8")
    made = experiment(*callbacks, type="ner", **trainer)
    made["train_data_path"] = str(file)
    made["data_loader"] = {"batch_size": 2, "shuffle": True}
    return made


def test_the_shares_of_epochs() -> None:
    assert [CurriculumCallback("", 1, 3).share(epoch) for epoch in range(5)] == [0, 1 / 3, 2 / 3, 1, 1]
    assert [CurriculumCallback("").share(epoch) for epoch in range(3)] == [0, 1, 1]
    assert [CurriculumCallback("", 0, 1).share(epoch) for epoch in range(3)] == [0.5, 1, 1]


def test_low_weights_come_in_over_the_epochs(tmp_path) -> None:
    curriculum = {"type": "curriculum", "start_epoch": 1, "full_epoch": 2}
    model = train(settings(tmp_path, curriculum, {"type": "weights_for_test"}, num_epochs=3), tmp_path / "run")
    assert Weights.seen == [[0.0, 2.0, 0.5, 2.0], [0.25, 2.0, 0.5, 2.0], [0.5, 2.0, 0.5, 2.0]]
    assert model.sentence_weights.share == 1.0


def test_a_sentence_that_does_not_count_yet_teaches_nothing(tmp_path) -> None:
    """A first epoch without them has the weights of one whose data lack them, in batches of one sentence."""
    found = []
    for name, lines in (("all", LINES), ("some", [line for line in LINES if line.get("weight", 1.0) >= 1])):
        (tmp_path / name).mkdir()
        made = settings(tmp_path / name, {"type": "curriculum"}, num_epochs=1, num_gradient_accumulation_steps=8)
        file = Path(made["train_data_path"])
        file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        made["data_loader"] = {"batch_size": 1, "shuffle": False}
        made["trainer"]["optimizer"] = {"type": "sgd", "lr": 0.1}
        made["model"]["dropout"] = 0.0
        vocabulary = {"type": "from_files", "directory": str(tmp_path / "all" / "run" / "vocabulary")}
        if name == "some":
            made["vocabulary"] = vocabulary
        found.append(train(made, tmp_path / name / "run"))
    for (name, one), (_, other) in zip(*(model.named_parameters() for model in found), strict=True):
        assert torch.allclose(one, other, atol=1e-6), name


def test_a_killed_run_ends_as_an_unbroken_one(tmp_path) -> None:
    curriculum = {"type": "curriculum", "start_epoch": 1, "full_epoch": 3}
    checkpointer = {"save_every_num_batches": 1}
    made = settings(tmp_path, curriculum, {"type": "r_drop"}, num_epochs=3, checkpointer=checkpointer)
    assert run(made, tmp_path / "whole")
    assert not run(made, tmp_path / "killed", kill=events(tmp_path / "whole") * 3 // 4)
    assert run(made, tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"start_epoch": -1}, "curriculum.start_epoch is -1, but has to be 0 or more"),
        ({"start_epoch": 3, "full_epoch": 2}, "curriculum.full_epoch is 2, before start_epoch, which is 3"),
    ],
)
def test_options_out_of_range(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CurriculumCallback("", **options)
