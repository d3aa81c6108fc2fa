"""The callback `ner_mlm` in whole runs, and its loss against that of Transformers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary
from staged_runs import ROOT, VECTORS, experiment, train, train_and_kill, train_distributed
from tiny_encoders import make_encoder

from ner_plugins.archives import weights as safe_load
from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.errors import ConfigError, NerError
from ner_plugins.pretrained.masked_head import MaskedHead, PretrainedMaskedHead, masked_head
from ner_plugins.token_embedders import TransformerEmbedder
from ner_plugins.token_indexers import TransformerIndexer
from ner_plugins.training.masked_lm.batches import MaskedBatches
from ner_plugins.training.masked_lm.masking import Masking
from ner_plugins.training.masked_lm.objective import MaskedObjective
from ner_plugins.training.masked_lm.sentences import SentenceMaker
from ner_plugins.training.stages.stage import Stage

PREFIX = "text_field_embedder.token_embedder_tokens.encoder."
MLM = {"type": "ner_mlm", "epochs": 3, "batch_size": 4}
STILL = {"type": "sgd", "lr": 0.0}
TEXTS = ["王小明在北京大学读书。", "我喜欢看红楼梦,the singing", "서울에서 일하고 있다", "🙂\x01", "行长", "的" * 30]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_encoder(tmp_path_factory.mktemp("mlm") / "encoder", head=True)


def settings_of(encoder: str, callback: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    """The small experiment over a transformer."""
    settings = experiment(callback, **trainer)
    settings["dataset_reader"]["token_indexers"] = {"tokens": {"type": "ner_transformer", "model_name": encoder}}
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"] = {
        "type": "ner_transformer", "model_name": encoder
    }  # fmt: skip
    return settings


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ner_mlm/losses.jsonl").read_text().splitlines()]


def figures(folder: Path) -> list[dict[str, Any]]:
    epochs = [json.loads(path.read_text()) for path in sorted(folder.glob("metrics_epoch_*.json"))]
    return [{name: value for name, value in e.items() if "duration" not in name and "_MB" not in name} for e in epochs]


# The loss.


class Trainer:
    """What an objective reads of a trainer."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model, self.cuda_device = model, torch.device("cpu")
        self._use_amp, self._scaler = False, None


def sentences_of(folder: str, texts: list[str]) -> list[Any]:
    reader = CluenerReader(token_indexers={"tokens": TransformerIndexer(folder)})
    instances = [reader.text_to_instance(text, source=f"text:{number}") for number, text in enumerate(texts)]
    for instance in instances:
        reader.apply_token_indexers(instance)
    return list(SentenceMaker("tokens", Vocabulary(), None)(instances))


@pytest.mark.parametrize("mixed", [False, True], ids=["last layer", "mixed layers"])
@pytest.mark.parametrize("family", ["bert", "albert", "roberta", "electra"])
def test_the_loss_is_that_of_transformers(family: str, mixed: bool, tmp_path: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = make_encoder(tmp_path / family, family, head=family != "electra", positions=160)
    embedder = TransformerEmbedder(folder, last_layer_only=not mixed).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    masking = Masking(tokenizer, embedder.encoder.config.vocab_size)
    batches = MaskedBatches(sentences_of(folder, TEXTS), masking, 3, embedder.padding_id, torch.device("cpu"), seed=4)
    head, _ = masked_head(folder, embedder.encoder)
    assert isinstance(head, MaskedHead if family == "electra" else PretrainedMaskedHead)
    objective = MaskedObjective(Trainer(embedder), batches, embedder, head.eval(), "masked_lm")
    whole = AutoModelForMaskedLM.from_pretrained(folder).eval()
    if isinstance(head, MaskedHead):
        with torch.no_grad():
            whole.generator_predictions.dense.load_state_dict(head.dense.state_dict())
            whole.generator_predictions.LayerNorm.load_state_dict(head.norm.state_dict())
            head.norm.eps = whole.generator_predictions.LayerNorm.eps
            whole.generator_lm_head.bias.copy_(head.bias)
    total = number = 0.0
    for (part,) in batches:
        before, after = embedder.prefix_ids.tolist(), embedder.suffix_ids.tolist()
        width = part["piece_ids"].size(1)
        targets = dict(zip(part["places"].tolist(), part["targets"].tolist(), strict=True))
        ids = torch.full((len(part["known"]), width + 2), embedder.padding_id)
        labels = torch.full_like(ids, -100)
        for row, length in enumerate(part["known"]):
            ids[row, : length + 2] = torch.tensor(before + part["piece_ids"][row, :length].tolist() + after)
            for place in range(length):
                labels[row, place + 1] = targets.get(row * width + place, -100)
        attended = torch.arange(width + 2) < torch.tensor(part["known"]).unsqueeze(1) + 2
        with torch.no_grad():
            expected = whole(input_ids=ids, attention_mask=attended.long(), labels=labels).loss
            found = objective.loss([part])
        torch.testing.assert_close(found, expected)
        assert objective.weight([part]) == len(targets) == int((labels >= 0).sum())
        total, number = total + float(expected) * len(targets), number + len(targets)
    with torch.no_grad():
        validated = objective.validate()
    assert validated["loss"] == pytest.approx(total / number, rel=1e-5)
    assert validated["perplexity"] == pytest.approx(math.exp(total / number), rel=1e-4)
    assert 0.0 <= validated["accuracy"] <= 1.0


def test_pieces_of_a_word_are_together_and_unknown_ones_apart(encoder: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder)
    found = sentences_of(encoder, ["在the大学", "的 读", "🙂\x01", "我的🙂天", "我的🙂天"])
    words = [[tokenizer.convert_ids_to_tokens(int(id_)) for id_ in one.ids] for one in found]
    assert words[0] == ["在", "t", "h", "e", "大", "学"] and found[0].words.tolist() == [0, 1, 1, 1, 2, 3]
    assert words[1] == ["的", "[UNK]", "读"] and found[1].words.tolist() == [0, -1, 1]
    assert [one.source for one in found] == ["text:0", "text:1", "text:3", "text:4"]  # the third has nothing to mask
    assert words[2] == ["我", "的", "[UNK]", "天"] and found[2].words.tolist() == [0, 1, -1, 2]
    assert [one.repeat for one in found] == [0, 0, 0, 1]


# Runs.


def test_one_line_in_a_config_is_enough(encoder: str, tmp_path: Path) -> None:
    train(settings_of(encoder, {"type": "ner_mlm"}, num_epochs=1), tmp_path / "run")
    found = lines(tmp_path / "run")
    assert [line.get("epoch") for line in found] == [*range(10), None]
    for line in found[:10]:
        assert line["training_perplexity"] == pytest.approx(math.exp(line["training_loss"]))
        assert line["validation_perplexity"] == pytest.approx(math.exp(line["validation_loss"]))
        assert line["learning_rates"][0] <= 5e-5
    assert found[10]["moment"] == "before" and found[10]["perplexity"] > 1
    assert [path.name for path in (tmp_path / "run/ner_mlm").iterdir()] == ["losses.jsonl"]


def test_the_encoder_of_the_model_learns_and_the_head_of_the_language_model_is_gone(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    run = Stage.run

    def keep(self: Stage, *args: Any) -> None:
        before.update({name: tensor.clone() for name, tensor in self.model.state_dict().items()})
        run(self, *args)
        after.update({name: tensor.clone() for name, tensor in self.model.state_dict().items()})

    monkeypatch.setattr(Stage, "run", keep)
    callback = {**MLM, "epochs": 30, "optimizer": {"type": "adam", "lr": 3e-3}}
    settings = settings_of(encoder, callback, num_epochs=1)
    settings["validation_data_path"] = settings["train_data_path"]
    model = train(settings, tmp_path / "run")
    assert before.keys() == after.keys() == model.state_dict().keys()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]) != name.startswith(PREFIX), name
    found = [line["validation_perplexity"] for line in lines(tmp_path / "run")[:-1]]
    assert found[-1] < 0.5 * found[0]
    said = capsys.readouterr().out
    assert "new head" not in said
    assert f"validation perplexity by epoch: {lines(tmp_path / 'run')[-1]['perplexity']:.2f} before the stage" in said


def test_a_head_from_nothing_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    electra = make_encoder(tmp_path / "electra", "electra")
    settings = settings_of(electra, {**MLM, "epochs": 1}, num_epochs=1)
    del settings["validation_data_path"]
    train(settings, tmp_path / "run")
    said = capsys.readouterr()
    assert (said.out + said.err + caplog.text).count("the language model gets a new head") == 1
    [line] = lines(tmp_path / "run")
    assert "validation_loss" not in line and line["best"]


def test_ordinary_training_is_the_same_bit_by_bit_if_nothing_is_learnt(encoder: str, tmp_path: Path) -> None:
    callback = {**MLM, "optimizer": STILL}
    settings = settings_of(encoder, callback)
    after = train(settings, tmp_path / "after")
    del settings["trainer"]["callbacks"]
    alone = train(settings, tmp_path / "alone")
    assert figures(tmp_path / "alone") == figures(tmp_path / "after")
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name]), name


@pytest.mark.parametrize("selected, kept", [("dev_loss", 1), ("last", 3)])
def test_the_best_epoch_is_kept(
    selected: str, kept: int, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    name = f"{PREFIX}embeddings.word_embeddings.weight"
    epoch, run = Stage._epoch, Stage.run
    losses = iter([3.0, 9.0, 2.0, 5.0, 6.0])

    def note(self: Stage) -> None:
        epoch(self)
        seen.append(self.model.state_dict()[name].clone())

    def keep(self: Stage, *args: Any) -> None:
        run(self, *args)
        after.append(self.model.state_dict()[name].clone())

    def validate(self: MaskedObjective) -> dict[str, float]:
        return {"loss": next(losses), "perplexity": 1.0}

    monkeypatch.setattr(Stage, "_epoch", note)
    monkeypatch.setattr(Stage, "run", keep)
    monkeypatch.setattr(MaskedObjective, "validate", validate)
    callback = {**MLM, "epochs": 4, "select_on": selected, "optimizer": {"type": "sgd", "lr": 0.1}}
    train(settings_of(encoder, callback, num_epochs=1), tmp_path / "run")
    assert len(seen) == 4 and [torch.equal(one, after[0]) for one in seen].index(True) == kept


# Recovery.

RECOVERED = {**MLM, "optimizer": {"type": "adam", "lr": 0.001}, "patience": 2}


def result(folder: Path) -> tuple[dict[str, torch.Tensor], list[Any], Any]:
    found = lines(folder)
    for line in found:
        line.pop("seconds", None)
    return safe_load.load(folder / "best.th"), found, figures(folder)


@pytest.fixture(scope="module")
def unbroken(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(settings_of(encoder, RECOVERED, type="ner", checkpointer={"save_every_num_batches": 1}), folder)
    return folder


# Which file was last, and whether it got its name.
@pytest.mark.parametrize(
    "moment",
    [
        ("masked_lm_after_0_2.th", 1, True),  # within the first epoch, of four updates
        pytest.param(("checkpoint.th", 1, True), marks=pytest.mark.exhaustive),
        pytest.param(("checkpoint.th", 6, False), marks=pytest.mark.exhaustive),
        pytest.param(("finished.th", 1, True), marks=pytest.mark.exhaustive),
    ],
    ids=lambda m: f"{m[0]}-{m[1]}-{'after' if m[2] else 'before'}",
)
def test_a_killed_run_ends_as_an_unbroken_one(moment: Any, encoder: str, unbroken: Path, tmp_path: Path) -> None:
    settings = settings_of(encoder, RECOVERED, type="ner", checkpointer={"save_every_num_batches": 1})
    assert train_and_kill(settings, tmp_path / "run", *moment)
    train(settings, tmp_path / "run", recover=True)
    weights, found, epochs = result(tmp_path / "run")
    expected, found_before, epochs_before = result(unbroken)
    assert found == found_before and epochs == epochs_before
    for name, tensor in expected.items():
        assert torch.equal(tensor, weights[name]), name


def test_the_head_is_part_of_a_checkpoint_and_the_decoder_is_not(encoder: str, tmp_path: Path) -> None:
    assert train_and_kill(settings_of(encoder, RECOVERED), tmp_path / "run", "checkpoint.th", 2)
    saved = safe_load.load(tmp_path / "run/ner_mlm/checkpoint.th")["loss"]
    assert "language_model.cls.predictions.transform.dense.weight" in saved
    assert "language_model.cls.predictions.decoder.weight" not in saved
    changed = safe_load.load(tmp_path / "run/ner_mlm/masked_lm_after_1.th")["model"]
    assert all(name.startswith(PREFIX) for name in changed)


# Other data.


def sources(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The places of the sentences of each `MaskedBatches` that a run makes."""
    seen: list[list[str]] = []
    make = MaskedBatches.__init__

    def note(self: MaskedBatches, sentences: Any, *args: Any, **kwargs: Any) -> None:
        seen.append([Path(one.source).name for one in sentences])
        make(self, sentences, *args, **kwargs)

    monkeypatch.setattr(MaskedBatches, "__init__", note)
    return seen


def test_a_text_is_read_by_lines(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "domain.txt").write_text("王小明在北京\n\n \n我喜欢看电影\n", encoding="utf-8")
    seen = sources(monkeypatch)
    train(settings_of(encoder, {**MLM, "data_path": str(tmp_path / "domain.txt")}, num_epochs=1), tmp_path / "run")
    assert seen[0] == ["domain.txt:1", "domain.txt:4"] and seen[1][0].startswith("dev.json:")


@pytest.mark.parametrize("path", ["fixtures/sample#dev", "fixtures/sample/dev.json"])
def test_a_corpus_is_read_by_the_reader(
    path: str, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = sources(monkeypatch)
    train(settings_of(encoder, {**MLM, "data_path": str(ROOT / path)}, num_epochs=1), tmp_path / "run")
    assert seen[0][0] == "dev.json:1" and len(seen[0]) == 14  # the reader's `max_instances`


def test_words_of_a_lexicon_are_masked_as_wholes(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[int] = []
    make = MaskedBatches.__init__

    def note(self: MaskedBatches, sentences: Any, *args: Any, **kwargs: Any) -> None:
        words.append(sum(one.number_of_words for one in sentences))
        make(self, sentences, *args, **kwargs)

    monkeypatch.setattr(MaskedBatches, "__init__", note)
    for name, more in (("with", {"lexicon": {"path": VECTORS}}), ("without", {})):
        train(settings_of(encoder, {**MLM, **more}, num_epochs=1), tmp_path / name)
    assert words[0] < words[2]
    # The archive is not to carry it: nothing reads it there.
    assert not (tmp_path / "with/ner_assets/lexicon").exists()


def test_the_encoder_of_an_archive_is_trained_further(
    encoder: str, unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(encoder, {**MLM, "epochs": 1}, num_epochs=1)
    settings["model"] = {"type": "from_archive", "archive_file": str(unbroken / "model.tar.gz")}
    train(settings, tmp_path / "run")
    before = lines(tmp_path / "run")[-1]["loss"]
    assert before < lines(unbroken)[-1]["loss"]  # it has learnt already
    assert "new head" not in capsys.readouterr().out


# Several processes, and precision.


def test_two_ranks_learn_what_one_process_does(encoder: str, tmp_path: Path) -> None:
    from allennlp.training.util import make_vocab_from_params

    callback = {**MLM, "epochs": 2, "batch_size": 6, "optimizer": {"type": "sgd", "lr": 0.05}, "grad_norm": None}
    callback["learning_rate_scheduler"] = {"type": "warmup_inverse_decay", "warmup": 0}
    settings = settings_of(encoder, callback, num_epochs=1)
    rows = (ROOT / "fixtures/sample/train.json").read_text().splitlines(keepends=True)[:12]
    settings["dataset_reader"].pop("max_instances")
    (tmp_path / "train.json").write_text("".join(rows))
    settings["train_data_path"] = settings["validation_data_path"] = str(tmp_path / "train.json")
    config = Path(encoder).parent / "still"
    if not config.exists():  # dropout would differ
        make_encoder(config, head=True)
        text = json.loads((config / "config.json").read_text())
        text |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (config / "config.json").write_text(json.dumps(text))
    settings = json.loads(json.dumps(settings).replace(encoder, str(config)))
    make_vocab_from_params(Params(settings).duplicate(), str(tmp_path / "two"))
    first, second = train_distributed(settings, tmp_path / "two")
    settings["trainer"]["callbacks"][0]["batch_size"] = 12
    start: dict[str, torch.Tensor] = {}
    run = Stage.run

    def keep(self: Stage, *args: Any) -> None:
        run(self, *args)
        start.update({name: tensor.clone() for name, tensor in self.model.state_dict().items()})

    Stage.run = keep  # type: ignore[method-assign]
    try:
        train(settings, tmp_path / "one")
    finally:
        Stage.run = run  # type: ignore[method-assign]
    assert lines(tmp_path / "two")[0]["batches"] == 2 and lines(tmp_path / "one")[0]["batches"] == 1
    for name, tensor in start.items():
        assert torch.equal(first["before"][name], second["before"][name]), name
        torch.testing.assert_close(first["before"][name], tensor, rtol=1e-4, atol=1e-6)
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        name = "validation_loss" if "epoch" in one else "loss"
        assert one[name] == pytest.approx(two[name], rel=1e-4)


def test_accumulated_batches_are_one_large_batch(encoder: str, tmp_path: Path) -> None:
    callback = {**MLM, "epochs": 1, "optimizer": {"type": "sgd", "lr": 0.05}, "grad_norm": None}
    found = []
    for name, more in (("one", {"batch_size": 14}), ("two", {"batch_size": 7, "num_gradient_accumulation_steps": 2})):
        settings = settings_of(encoder, {**callback, **more}, num_epochs=1, optimizer=STILL)
        # Evaluation mode in training: dropout would differ.
        settings["model"]["text_field_embedder"]["token_embedders"]["tokens"]["attention_dropout"] = 0.0
        found.append((settings, name))
    weights = []
    dropout = torch.nn.Dropout.forward
    torch.nn.Dropout.forward = lambda self, input: input  # type: ignore[method-assign]
    try:
        for settings, name in found:
            weights.append(train(settings, tmp_path / name).state_dict())
    finally:
        torch.nn.Dropout.forward = dropout  # type: ignore[method-assign]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=1e-4, atol=1e-6)


def test_mixed_precision(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[Any] = set()
    loss = MaskedObjective.loss

    def note(self: MaskedObjective, batch: Any) -> Any:
        found = loss(self, batch)
        seen.add(None if found is None else found.dtype)
        return found

    monkeypatch.setattr(MaskedObjective, "loss", note)
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: seen.add(str(getattr(output, "dtype", "")))
    )
    try:
        train(settings_of(encoder, MLM, use_amp=True, amp_dtype="bfloat16"), tmp_path / "run")
    finally:
        hook.remove()
    assert torch.float32 in seen and "torch.bfloat16" in seen and torch.bfloat16 not in seen
    assert all(np.isfinite(line["training_loss"]) for line in lines(tmp_path / "run")[:-1])


@pytest.mark.parametrize("padding", ["unpadded", "windows"])
def test_other_ways_of_encoding(padding: str, encoder: str, tmp_path: Path) -> None:
    """The same loss whether sentences are padded, in one sequence, or longer than a window."""
    from transformers import AutoTokenizer

    options: dict[str, Any] = {"max_length": 12} if padding == "windows" else {"padding": padding}
    embedder = TransformerEmbedder(encoder, attention_dropout=0.0, **options).eval()
    plain = TransformerEmbedder(encoder).eval()
    masking = Masking(AutoTokenizer.from_pretrained(encoder), embedder.encoder.config.vocab_size)
    texts = TEXTS[:5] if padding == "unpadded" else ["王小明在北", "我喜欢看", "的"]
    batches = MaskedBatches(sentences_of(encoder, texts), masking, 3, 0, torch.device("cpu"), seed=0)
    losses = []
    for one in (embedder, plain):
        head, _ = masked_head(encoder, one.encoder)
        with torch.no_grad():
            losses.append(MaskedObjective(Trainer(one), batches, one, head, "masked_lm").validate()["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# Mistakes.


@pytest.mark.parametrize(
    "callback, said",
    [
        ({"epochs": -1}, "ner_mlm.epochs is -1"),
        ({"mlm_probability": 1.5}, "ner_mlm.mlm_probability is 1.5"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": None}, "callbacks.0.batch_size is null, but has to be a whole number"),
        ({"data_format": "text"}, "no effect without ner_mlm.data_path"),
        ({"data_path": "a.txt", "data_format": "lines"}, 'data_format is "lines"; it can be text or corpus'),
        ({"select_on": "f1"}, 'select_on is "f1"; it can be dev_loss or last'),
        ({"data_path": "nowhere.txt"}, "nowhere.txt: no such file"),
        ({"data_path": "fixtures/weibo/weiboNER_2nd_conll.dev"}, "looks like a corpus of the reader"),
        ({"lexicon": {"path": "nowhere.txt"}}, "ner_mlm.lexicon: nowhere.txt: no such file"),
    ],
)
def test_mistakes_are_told(
    callback: dict[str, Any], said: str, encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(NerError, match=said.replace(".", r"\.")):
        train(settings_of(encoder, {**MLM, **callback}), tmp_path / "run")
    assert not (tmp_path / "run/ner_mlm").exists()


def test_a_model_without_a_transformer_that_learns(encoder: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trains the transformer of a model, but this model has no transformer"):
        train(experiment(MLM), tmp_path / "none")
    settings = settings_of(encoder, MLM)
    settings["model"]["text_field_embedder"]["token_embedders"]["tokens"]["train_parameters"] = False
    with pytest.raises(ConfigError, match="but all its parameters are frozen"):
        train(settings, tmp_path / "frozen")
    train(settings_of(encoder, {"type": "ner_mlm", "epochs": 0}, num_epochs=1), tmp_path / "off")
    assert not (tmp_path / "off/ner_mlm").exists()


def test_a_tokenizer_without_a_mask_token(tmp_path: Path) -> None:
    encoder = make_encoder(tmp_path / "encoder")
    settings = json.loads((tmp_path / "encoder/tokenizer_config.json").read_text())
    del settings["mask_token"]
    (tmp_path / "encoder/tokenizer_config.json").write_text(json.dumps({**settings, "mask_token": None}))
    with pytest.raises(ConfigError, match="has no mask token"):
        train(settings_of(encoder, MLM), tmp_path / "run")
