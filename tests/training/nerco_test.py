import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from allennlp.common import Params
from allennlp.models import Model
from staged_runs import NERCO, experiment, train
from tiny_encoders import make_encoder

from ner_plugins.archives import weights as safe_load
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.training import mixed_precision
from ner_plugins.training.nerco import HeadOnlyOptions
from ner_plugins.training.stages.objectives import ContrastiveObjective
from ner_plugins.training.stages.stage import Stage


def figures(folder: Path) -> list[dict[str, Any]]:
    """What ordinary training's epochs gave."""
    epochs = [json.loads(path.read_text()) for path in sorted(folder.glob("metrics_epoch_*.json"))]
    return [{name: value for name, value in e.items() if "duration" not in name and "_MB" not in name} for e in epochs]


def lines(folder: Path, name: str = "nerco") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name / "losses.jsonl").read_text().splitlines()]


def losses(folder: Path, stage: str = "contrastive", figure: str = "validation_loss") -> list[float]:
    return [line[figure] for line in lines(folder) if line.get("stage") == stage]


def same_weights(one: Model, other: Model) -> None:
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


STILL = {"type": "sgd", "lr": 0.0}


@pytest.mark.parametrize(
    "callback",
    [
        {**NERCO, "epochs": 0},
        {**NERCO, "optimizer": STILL},
        {**NERCO, "optimizer": STILL, "loss": {"type": "supcon", "projection_head": "mlp"}, "pictures": True},
        {**NERCO, "optimizer": STILL, "head_only_epochs": 2, "head_only": {"optimizer": STILL}, "tensorboard": True},
        {"type": "two_stage", "freeze": "embedder", "optimizer": STILL, "epochs": 2},
    ],
    ids=["no epochs", "still", "projection and picture", "head only", "two_stage"],
)
def test_ordinary_training_is_the_same_bit_by_bit_if_the_stages_change_nothing(callback, tmp_path) -> None:
    alone = train(experiment(), tmp_path / "alone")
    after = train(experiment(callback), tmp_path / "after")
    assert figures(tmp_path / "alone") == figures(tmp_path / "after")
    same_weights(alone, after)


def test_one_line_in_a_config_is_enough(tmp_path) -> None:
    train(experiment({"type": "nerco"}, num_epochs=1), tmp_path / "run")
    assert 11 <= len(losses(tmp_path / "run")) <= 100  # as patience has it
    assert (tmp_path / "run/nerco/tokens_by_type.png").stat().st_size > 1000
    moments = [line for line in lines(tmp_path / "run") if "moment" in line]
    assert [line["moment"] for line in moments] == ["before", "after"]
    assert sorted(path.name for path in (tmp_path / "run/nerco").iterdir()) == ["losses.jsonl", "tokens_by_type.png"]


def test_the_loss_falls_and_the_types_part(tmp_path) -> None:
    callback = {**NERCO, "epochs": 12, "batch_size": 20, "optimizer": {"type": "adam", "lr": 0.02}}
    settings = experiment(callback, num_epochs=1)
    settings["dataset_reader"]["max_instances"] = 60
    settings["validation_data_path"] = settings["train_data_path"]
    train(settings, tmp_path / "run")
    found = losses(tmp_path / "run")
    assert found[-1] < 0.8 * found[0]
    before, after = lines(tmp_path / "run")[-2:]
    assert (before["moment"], after["moment"]) == ("before", "after")
    assert after["silhouette"] > before["silhouette"] + 0.1
    assert after["within"] - after["between"] > before["within"] - before["between"] + 0.1


def test_the_best_state_of_the_encoder_is_carried_over_and_the_head_is_new(tmp_path, monkeypatch) -> None:
    seen = {}
    save = Stage._save

    def note(self, is_best, line):
        seen[line["epoch"]] = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        save(self, is_best, line)

    monkeypatch.setattr(Stage, "_save", note)
    scores = iter([(-3.0,), (-1.0,), (-2.0,), (-2.5,), (-9.0,)])
    monkeypatch.setattr(ContrastiveObjective, "score", lambda self, figures: next(scores))
    callback = {**NERCO, "epochs": 9, "patience": 3, "save_to": str(tmp_path / "to/stage1.th")}
    train(experiment(callback, num_epochs=1, optimizer=STILL), tmp_path / "run")
    assert sorted(seen) == [0, 1, 2, 3, 4]
    assert [line["best"] for line in lines(tmp_path / "run")[:-2]] == [True, True, False, False, False]
    saved = safe_load.load(tmp_path / "to/stage1.th")
    final = safe_load.load(tmp_path / "run/best.th")
    for name, tensor in saved.items():
        assert torch.equal(tensor, seen[1][name]) and torch.equal(tensor, final[name]), name
        unchanged = torch.equal(seen[0][name], seen[4][name])
        assert unchanged == name.startswith("head.") or tensor.dtype == torch.bool, name


def test_the_last_state_is_carried_over_if_asked_for(tmp_path, monkeypatch) -> None:
    callback = {**NERCO, "select_on": "last", "patience": 1, "save_to": str(tmp_path / "last.th")}
    train(experiment(callback, num_epochs=1), tmp_path / "run")
    assert len(lines(tmp_path / "run")) == 5  # three epochs, "before" and "after"
    assert "validation_loss" not in lines(tmp_path / "run")[0]


def test_a_state_is_loaded_in_place_of_the_stage(tmp_path) -> None:
    path = str(tmp_path / "stage1.th")
    first = train(experiment({**NERCO, "save_to": path}), tmp_path / "first")
    second = train(experiment({**NERCO, "load_from": path}), tmp_path / "second")
    assert not (tmp_path / "second/nerco/losses.jsonl").exists()
    assert figures(tmp_path / "first") == figures(tmp_path / "second")
    same_weights(first, second)


def test_a_state_of_another_model_is_refused(tmp_path) -> None:
    path = str(tmp_path / "stage1.th")
    train(experiment({**NERCO, "epochs": 1, "save_to": path}, num_epochs=1), tmp_path / "first")
    settings = experiment({**NERCO, "load_from": path})
    settings["model"]["encoder"]["hidden_size"] = 4
    with pytest.raises(ConfigError, match=r"nerco.load_from.*shapes differ for .*encoder"):
        train(settings, tmp_path / "second")
    with pytest.raises(ConfigError, match=r"nerco.load_from: .*none.th cannot be read \(No such file"):
        train(experiment({**NERCO, "load_from": str(tmp_path / "none.th")}), tmp_path / "third")


@pytest.mark.parametrize("holds", [[1, 2], {"weight": 3}], ids=["a list", "numbers"])
def test_a_file_without_weights_is_refused(holds, tmp_path) -> None:
    torch.save(holds, tmp_path / "other.th")
    with pytest.raises(ConfigError, match=r"nerco.load_from: .*other.th does not hold a model's weights"):
        train(experiment({**NERCO, "load_from": str(tmp_path / "other.th")}), tmp_path / "run")


def test_where_nothing_can_be_saved_is_told_before_anything_is_learnt(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file/weights.th", "/dev/null", ""):
        with pytest.raises(ConfigError, match=r"nerco.save_to: .* cannot be written"):
            train(experiment({**NERCO, "save_to": str(path)}), tmp_path / f"run{len(str(path))}")
    assert not list(tmp_path.glob("run*/nerco/losses.jsonl"))


def test_what_head_only_does_not_say_is_as_published() -> None:
    given = HeadOnlyOptions.from_params(Params({"optimizer": {"type": "adam", "lr": 0.1}, "batch_size": 3}))
    assert (given.patience, given.grad_clipping, given.dropout_when_frozen, given.batch_size) == (15, 5.0, True, 3)
    assert given.optimizer._params.as_dict() == {"type": "adam", "lr": 0.1}
    assert HeadOnlyOptions().optimizer._params.as_dict()["lr"] == 4e-4


def test_the_head_alone_learns_in_its_stage(tmp_path, monkeypatch) -> None:
    states = []

    def note(self, name, trainer):
        states.append({name: tensor.clone() for name, tensor in trainer.model.named_parameters()})

    monkeypatch.setattr("ner_plugins.training.nerco.NercoCallback.after_stage", note)
    callback = {**NERCO, "epochs": 1, "head_only_epochs": 3, "head_only": {"patience": None}}
    train(experiment(callback, num_epochs=1), tmp_path / "run")
    before, after = states
    for name, tensor in before.items():
        head = name.startswith("head.")
        assert torch.equal(tensor, after[name]) != head, name
    found = losses(tmp_path / "run", "head_only", "training_loss")
    assert len(found) == 3 and found[-1] < found[0]


@pytest.mark.parametrize("loss", [None, {"type": "supcon"}, {"positives": "same_type_other_entity"}])
def test_over_a_pretrained_transformer(loss, tmp_path, capsys) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    settings = experiment({"type": "nerco", "epochs": 2, "pictures": False, **({"loss": loss} if loss else {})})
    settings["dataset_reader"]["token_indexers"] = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    embedder = {"type": "ner_transformer", "model_name": encoder}
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = embedder
    del settings["model"]["encoder"]
    train(settings, tmp_path / "whole")
    assert "so it is not frozen" in capsys.readouterr().out
    found = [line["learning_rates"] for line in lines(tmp_path / "whole") if "epoch" in line]
    assert found == [[2e-5], [2e-5]]
    # With a layer on top of it, it is frozen, as published.
    settings["model"]["encoder"] = {"type": "lstm", "hidden_size": 4}
    settings["trainer"]["callbacks"][0]["save_to"] = str(tmp_path / "stage1.th")
    settings["trainer"]["num_epochs"] = 1
    train(settings, tmp_path / "top")
    assert "so it is not frozen" not in capsys.readouterr().out
    pretrained = safe_load.load(tmp_path / "stage1.th")
    from transformers import AutoModel

    expected = dict(AutoModel.from_pretrained(encoder).named_parameters())
    prefix = "text_field_embedder.token_embedder_tokens.encoder."
    frozen = {name.removeprefix(prefix): tensor for name, tensor in pretrained.items() if name.startswith(prefix)}
    assert len(frozen) > 20
    for name, tensor in frozen.items():
        assert name not in expected or torch.equal(expected[name], tensor), name


def test_accumulated_batches_make_one_update(tmp_path) -> None:
    callback = {**NERCO, "epochs": 1, "batch_size": 4, "num_gradient_accumulation_steps": 3}
    steps = []
    step = Stage.run

    def note(self, *args):
        step(self, *args)
        steps.append(self.updates.steps)

    Stage.run = note
    try:
        train(experiment(callback, num_epochs=1), tmp_path / "run")
    finally:
        Stage.run = step
    assert steps == [2]  # 14 sentences in 4 batches


def test_the_moving_average_begins_with_the_new_weights(tmp_path) -> None:
    settings = experiment(
        {**NERCO, "save_to": str(tmp_path / "stage1.th")}, num_epochs=1, optimizer=STILL,
        moving_average={"type": "exponential"},
    )  # fmt: skip
    train(settings, tmp_path / "run")
    saved, best = safe_load.load(tmp_path / "stage1.th"), safe_load.load(tmp_path / "run/best.th")
    for name, tensor in saved.items():
        torch.testing.assert_close(best[name], tensor)


@pytest.mark.parametrize("able", [None, False], ids=["this CPU", "a CPU without recurrent layers in bfloat16"])
def test_mixed_precision_on_a_cpu(tmp_path, able, monkeypatch) -> None:
    if able is None:
        able = mixed_precision.recurrent_layers_take_bfloat16()
    monkeypatch.setattr(mixed_precision, "recurrent_layers_take_bfloat16", lambda: able)
    monkeypatch.setattr(torch.nn.LSTM, "forward", torch.nn.LSTM.forward)  # restore it after the test
    seen = set()
    loss = ContrastiveObjective.loss

    def note(module, inputs, output):
        if isinstance(module, torch.nn.LSTM):
            data = getattr(output[0], "data", output[0])  # of a packed sequence
            seen.add((data.dtype, torch.is_autocast_enabled("cpu")))

    def checked_loss(self, batch):
        found = loss(self, batch)
        assert found is None or found.dtype == torch.float32
        return found

    settings = experiment({**NERCO, "head_only_epochs": 1}, use_amp=True, amp_dtype="bfloat16")
    settings["validation_data_loader"] = {"batch_size": 1}  # torch runs sentences of one length in oneDNN
    monkeypatch.setattr(ContrastiveObjective, "loss", checked_loss)
    hook = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        train(settings, tmp_path / "run")
    finally:
        hook.remove()
    if able:
        assert (torch.bfloat16, True) in seen
    else:
        assert seen == {(torch.float32, True)}
    assert all(numpy.isfinite(losses(tmp_path / "run")))


def test_tensorboard_gets_figures_and_the_picture(tmp_path) -> None:
    train(experiment({**NERCO, "pictures": True}, {"type": "tensorboard"}, num_epochs=1), tmp_path / "run")
    [events] = (tmp_path / "run/log/nerco").iterdir()
    written = events.read_bytes()
    assert all(tag in written for tag in (b"contrastive/training_loss", b"contrastive/validation_loss"))
    assert b"tokens_by_type" in written and b"PNG" in written


def write_data(path: Path, sentences: list[tuple[str, dict[str, Any]]]) -> str:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in sentences))
    return str(path)


def test_a_batch_with_a_single_entity_token_is_passed_over_and_counted(tmp_path) -> None:
    pair = ("王明去北京", {"name": {"王明": [[0, 1]]}})
    single = ("王去北京", {"name": {"王": [[0, 0]]}})
    settings = experiment({**NERCO, "batch_size": 1})
    settings["train_data_path"] = write_data(tmp_path / "train.json", [pair, single, single, ("去北京", {})])
    train(settings, tmp_path / "run")
    for line in lines(tmp_path / "run"):
        if "epoch" in line:
            assert (line["batches"], line["skipped_batches"]) == (1, 3)


def test_data_without_a_pair_of_tokens_are_refused(tmp_path) -> None:
    settings = experiment({**NERCO, "batch_size": 1})
    single = write_data(tmp_path / "data.json", [("王去北京", {"name": {"王": [[0, 0]]}})] * 3)
    with pytest.raises(ConfigError, match="no batch of the training data has two tokens of one entity type"):
        train({**settings, "train_data_path": single}, tmp_path / "a")
    with pytest.raises(ConfigError, match=r"no batch of the validation data.*set select_on to .last."):
        train({**settings, "validation_data_path": single}, tmp_path / "b")


def test_validation_data_without_labels_are_told_before_anything_is_learnt(tmp_path) -> None:
    unlabelled = tmp_path / "unlabelled.json"
    unlabelled.write_text('{"text": "王去北京"}\n')
    for name, data in (("unlabelled", unlabelled), ("nothing", write_data(tmp_path / "none.json", [("去", {})]))):
        said = {"unlabelled": r"has no labels .*unlabelled.json:1 has none", "nothing": "no batch of the validation"}
        with pytest.raises(ConfigError, match=said[name]):
            train({**experiment(NERCO), "validation_data_path": str(data)}, tmp_path / name)
        assert not (tmp_path / name / "nerco/losses.jsonl").exists()


def test_the_end_by_patience_is_told(tmp_path, monkeypatch, capsys) -> None:
    scores = iter([(-1.0,), (-2.0,), (-3.0,)])
    monkeypatch.setattr(ContrastiveObjective, "score", lambda self, figures: next(scores))
    train(experiment({**NERCO, "epochs": 9, "patience": 2}, num_epochs=1), tmp_path / "run")
    said = capsys.readouterr().out
    assert "contrastive: stopped after 3 of 9 epochs, since the last 2 were no better than epoch 0" in said


def test_without_validation_data_the_last_state_is_kept_with_a_word(tmp_path, capsys) -> None:
    settings = experiment(NERCO)
    del settings["validation_data_path"], settings["validation_data_loader"]
    train(settings, tmp_path / "run")
    assert "no validation data, so the last epoch's weights are kept" in capsys.readouterr().out
    settings["trainer"]["callbacks"][0]["select_on"] = "dev_loss"
    with pytest.raises(ConfigError, match=r"select_on .dev_loss. needs validation_data_path"):
        train(settings, tmp_path / "asked")


def test_a_loss_that_is_no_number_names_its_stage_and_sentences(tmp_path, monkeypatch) -> None:
    loss = ContrastiveObjective.loss
    calls = iter(range(100))

    def diverge(self, batch):
        found = loss(self, batch)
        return found if next(calls) < 4 else found * float("nan")

    monkeypatch.setattr(ContrastiveObjective, "loss", diverge)
    with pytest.raises(NerError, match=r"contrastive: epoch 1, update 1: the loss is nan \(sentences .*train.json:\d+"):
        train(experiment({**NERCO, "select_on": "last"}), tmp_path / "run")
    monkeypatch.setattr(ContrastiveObjective, "loss", loss)


@pytest.mark.parametrize(
    "callbacks, said",
    [
        ([NERCO, NERCO], "nerco twice"),
        ([{**NERCO, "freeze": ["text_field_embedder", "^encoder"]}], "nerco.freeze leaves nothing to learn"),
        ([{**NERCO, "freeze": "tokn_embedder"}], "nerco.freeze: .*matches no parameter"),
        ([{**NERCO, "select_on": "f1"}], r'callbacks.0.select_on is "f1"; it can be dev_loss or last'),
        ([{**NERCO, "batch_size": 0}], "batch_size is 0"),
        ([{**NERCO, "batch_size": None}], r"callbacks.0.batch_size is null, but has to be a whole number"),
        ([{**NERCO, "head_only": {"patience": 3}}], "no effect without nerco.head_only_epochs"),
        ([{**NERCO, "temprature": 3}], "temprature"),
        ([{**NERCO, "loss": {"temperature": 0}}], "temperature"),
        ([{**NERCO, "loss": {"input_dim": 7}}], "nerco.loss.input_dim is the size of the model's vectors"),
        ([{**NERCO, "loss": {"projection_head": "mlp", "projection_dim": 0}}], "projection_dim .* 1 or more"),
        ([{**NERCO, "grad_clipping": -1}], "grad_clipping is -1, but has to be more than 0"),
        ([{**NERCO, "grad_norm": 0}], "grad_norm is 0"),
        ([{**NERCO, "epochs": 0, "save_to": "weights.th"}], "there is no such stage"),
    ],
)
def test_mistakes_are_told(callbacks, said, tmp_path) -> None:
    with pytest.raises(Exception, match=said):
        train(experiment(*callbacks), tmp_path / "run")
