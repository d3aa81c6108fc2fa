"""The optimizer `layerwise_decay`: rates against the formula, schedules, runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.training.learning_rate_schedulers import LearningRateScheduler
from allennlp.training.optimizers import Optimizer
from killed_runs import assert_same, events, run
from staged_runs import experiment, train
from tiny_encoders import make_encoder

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.parameter_groups import malformed, without_parameters
from ner_plugins.commands.checks.ranges import out_of_range
from ner_plugins.commands.dry_run.run import dry_run
from ner_plugins.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "text_field_embedder.token_embedder_tokens.encoder."
NAMES = [
    "embeddings.word_embeddings.weight", "embeddings.LayerNorm.bias",
    "encoder.layer.0.dense.weight", "encoder.layer.0.dense.bias",
    "encoder.layer.1.dense.weight", "encoder.layer.2.dense.weight", "encoder.layer.2.LayerNorm.bias",
]  # fmt: skip
DEPTHS = [3, 3, 2, 2, 1, 0, 0]
GROUPS = [
    [[r"^(?=.*token_embedder)(?=.*(bias|[Nn]orm))"], {"lr": 5e-5, "weight_decay": 0.0}],
    [[r"^(?=.*token_embedder)(?!.*(bias|[Nn]orm))"], {"lr": 5e-5}],
    [[r"^head\.crf\."], {"lr": 1e-2}],
]


def parameters(names: list[str]) -> list[list[Any]]:
    return [[name, torch.nn.Parameter(torch.ones(2))] for name in names]


def built(optimizer: dict[str, Any], named: list[list[Any]], **options: Any) -> Any:
    settings = {"type": "layerwise_decay", "decay": 0.8, "optimizer": optimizer, **options}
    return Optimizer.from_params(Params(settings), model_parameters=named)


def options_of(optimizer: Any, named: list[list[Any]], option: str = "lr") -> dict[str, Any]:
    """By parameter; each is in one group."""
    names = {id(parameter): name for name, parameter in named}
    found = [(names[id(one)], group[option]) for group in optimizer.param_groups for one in group["params"]]
    assert len(found) == len(named) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize("kind", ["huggingface_adamw", "sgd", "adam", "adamw"])
@pytest.mark.parametrize("place", ["inner", "outer", "none"])
def test_rates_are_those_of_the_formula(kind, place) -> None:
    named = parameters([PREFIX + name for name in NAMES] + ["head.scorer.weight", "head.crf.transitions"])
    inner = {"type": kind, "lr": 1e-3, "weight_decay": 0.1}
    if place == "inner":
        inner["parameter_groups"] = GROUPS
    optimizer = built(inner, named, **({"parameter_groups": GROUPS} if place == "outer" else {}))
    base, crf = (1e-3, 1e-3) if place == "none" else (5e-5, 1e-2)
    expected = {PREFIX + name: base * 0.8**depth for name, depth in zip(NAMES, DEPTHS, strict=True)}
    expected |= {"head.scorer.weight": 1e-3, "head.crf.transitions": crf}
    assert options_of(optimizer, named) == pytest.approx(expected, rel=1e-12)
    decays = options_of(optimizer, named, "weight_decay")
    for name in NAMES:
        assert decays[PREFIX + name] == (0.0 if place != "none" and name.endswith("bias") else 0.1)
    assert type(optimizer) is Optimizer.by_name(kind)


def test_the_name_of_an_optimizer_suffices() -> None:
    named = parameters([PREFIX + name for name in NAMES])
    found = options_of(built("adam", named), named)  # type: ignore[arg-type]
    assert found[PREFIX + NAMES[0]] == pytest.approx(1e-3 * 0.8**3)


def test_two_transformers_have_depths_of_their_own() -> None:
    names = [PREFIX + name for name in NAMES]
    names += [f"x.token_embedder_b._matched_embedder.transformer_model.{one}" for one in NAMES[:4]]
    named = parameters(names)
    found = options_of(built({"type": "sgd", "lr": 1.0}, named), named)
    assert [found[name] for name in names] == pytest.approx([0.8**depth for depth in [*DEPTHS, 1, 1, 0, 0]])


def test_albert_is_one_layer_and_says_so(caplog) -> None:
    names = [PREFIX + "embeddings.word_embeddings.weight", PREFIX + "encoder.embedding_hidden_mapping_in.weight"]
    names += [PREFIX + "encoder.albert_layer_groups.0.albert_layers.0.ffn.weight", "head.weight"]
    named = parameters(names)
    found = options_of(built({"type": "sgd", "lr": 1.0}, named), named)
    assert [found[name] for name in names] == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert "share their weights, so they have one rate" in caplog.text


def test_frozen_groups_stay_frozen() -> None:
    named = parameters([PREFIX + name for name in NAMES])
    groups = [[[r"\.embeddings\."], {"requires_grad": False}]]
    optimizer = built({"type": "sgd", "lr": 1.0, "parameter_groups": groups}, named)
    learning = [pair for pair in named if pair[1].requires_grad]
    assert [name for name, _ in learning] == [PREFIX + name for name in NAMES[2:]]
    found = options_of(optimizer, learning)
    assert [found[name] for name, _ in learning] == pytest.approx([0.64, 0.64, 0.8, 1.0, 1.0])


def test_an_update_moves_layers_by_their_rates() -> None:
    named = parameters([PREFIX + name for name in NAMES])
    optimizer = built({"type": "sgd", "lr": 0.5}, named)
    for _, parameter in named:
        parameter.grad = torch.ones(2)
    optimizer.step()
    for (_, parameter), depth in zip(named, DEPTHS, strict=True):
        assert torch.allclose(1 - parameter, torch.full((2,), 0.5 * 0.8**depth))


@pytest.mark.parametrize(
    "schedule",
    [
        {"type": "slanted_triangular", "cut_frac": 0.1},
        {"type": "linear_with_warmup", "warmup_steps": 3},
        {"type": "warmup_inverse_decay", "warmup": 4},
        {"type": "cosine", "t_initial": 3},
    ],
)
def test_schedules_keep_the_ratios(schedule) -> None:
    named = parameters([PREFIX + name for name in NAMES] + ["head.weight"])
    optimizer = built({"type": "sgd", "lr": 1.0}, named)
    scheduler = LearningRateScheduler.from_params(
        Params(schedule), optimizer=optimizer, num_epochs=3, num_steps_per_epoch=5
    )
    seen = set()
    for step in range(1, 16):
        scheduler.step_batch(step)
        rates = options_of(optimizer, named)
        seen.add(round(rates["head.weight"], 9))
        for name, depth in zip(NAMES, DEPTHS, strict=True):
            assert rates[PREFIX + name] == pytest.approx(rates["head.weight"] * 0.8**depth)
        if step % 5 == 0:
            scheduler.step(0.5)
    assert len(seen) > 2


@pytest.mark.parametrize(
    "optimizer, options, message",
    [
        ("adam", {"decay": 0.0}, "layerwise_decay.decay is 0.0"),
        ("adam", {"decay": 1.5}, "layerwise_decay.decay is 1.5"),
        ({"type": "adam", "parameter_groups": GROUPS}, {"parameter_groups": GROUPS}, "both have parameter_groups"),
        ({"type": "huggingface_adafactor"}, {}, "its optimizer has none: give it an lr"),
        ({"type": "multi", "optimizers": {"default": "adam"}}, {}, "put it into multi's optimizers"),
    ],
)
def test_mistakes_are_told(optimizer, options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        built(optimizer, parameters([PREFIX + name for name in NAMES]), **options)


def test_a_model_without_a_transformer_is_refused() -> None:
    with pytest.raises(ConfigError, match="layerwise_decay needs a pretrained transformer"):
        built({"type": "adam"}, parameters(["encoder._module.weight_ih_l0", "head.weight"]))


def test_the_checks_look_inside() -> None:
    groups = [[["token_embeder"], {"lr": 1e-4}], [["a("], {}]]
    optimizer = {"type": "layerwise_decay", "decay": 2, "optimizer": {"type": "adam", "parameter_groups": groups}}
    walk = walk_config({"trainer": {"optimizer": optimizer, "num_epochs": 1}, **minimal()})
    assert walk.mistakes == []
    assert [one.text for one in out_of_range(walk)] == [
        "trainer.optimizer.decay is 2, but has to be more than 0 and at most 1"
    ]
    key = "trainer.optimizer.optimizer.parameter_groups"
    assert [one.key for one in malformed(walk)] == [f"{key}.1"]
    groups.pop()
    walk = walk_config({"trainer": {"optimizer": optimizer, "num_epochs": 1}, **minimal()})
    assert [one.key for one in without_parameters(walk, ["head.weight"])] == [f"{key}.0"]
    optimizer["decai"] = 0.9
    walk = walk_config({"trainer": {"optimizer": optimizer, "num_epochs": 1}, **minimal()})
    assert "did you mean 'decay'" in walk.mistakes[0].text


def minimal() -> dict[str, Any]:
    settings = experiment()
    return {name: settings[name] for name in ("dataset_reader", "train_data_path", "model", "data_loader")}


def over_encoder(folder: Path, *callbacks: dict[str, Any], **trainer: Any) -> dict[str, Any]:
    """The small experiment over a transformer, with decayed rates."""
    encoder = make_encoder(folder, positions=80)
    inner = {"type": "huggingface_adamw", "lr": 1e-2, "parameter_groups": [[["token_embedder"], {"lr": 1e-3}]]}
    optimizer = {"type": "layerwise_decay", "decay": 0.5, "optimizer": inner}
    settings = experiment(*callbacks, **{"type": "ner", "optimizer": optimizer, **trainer})
    tokens = {"type": "ner_transformer", "model_name": encoder}
    settings["dataset_reader"]["token_indexers"] = {"tokens": dict(tokens)}
    settings["model"]["text_field_embedder"]["token_embedders"] = {"tokens": dict(tokens)}
    return settings


def test_a_run_with_stages_thawing_and_a_schedule(tmp_path) -> None:
    stage = {"type": "two_stage", "epochs": 1, "freeze": "token_embedder"}
    thawing = {"type": "ner_unfreeze", "from_top": True, "first_epoch": 0}
    settings = over_encoder(
        tmp_path / "encoder", stage, thawing, learning_rate_scheduler={"type": "slanted_triangular"}, num_epochs=3
    )
    train(settings, tmp_path / "run")
    header, *rows = (tmp_path / "run/curves.csv").read_text().splitlines()
    rates = [name for name in header.split(",") if name.startswith("learning_rate/")]
    assert len(rates) == 4  # the head, two layers and the embeddings
    last = dict(zip(header.split(","), map(float, rows[-1].split(",")), strict=True))
    [embeddings] = [name for name in rates if name.endswith("embeddings")]
    [first] = [name for name in rates if re.search(r"layer\.0", name)]
    [top] = [name for name in rates if re.search(r"layer\.1", name)]
    assert last[top] == pytest.approx(2 * last[first]) == pytest.approx(4 * last[embeddings])


def test_a_stage_takes_it_too(tmp_path) -> None:
    optimizer = over_encoder(tmp_path / "encoder")["trainer"]["optimizer"]
    settings = over_encoder(
        tmp_path / "encoder2",
        {"type": "nerco", "epochs": 1, "batch_size": 6, "freeze": "^head", "optimizer": optimizer, "pictures": False},
        num_epochs=1,
    )
    train(settings, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/nerco/losses.jsonl").read_text().splitlines()]
    [rates] = [line["learning_rates"] for line in lines if "learning_rates" in line]
    assert sorted(set(rates)) == pytest.approx([2.5e-4, 5e-4, 1e-3, 1e-2])


def test_a_killed_run_ends_as_an_unbroken_one(tmp_path) -> None:
    settings = over_encoder(tmp_path / "encoder", num_epochs=2, checkpointer={"save_every_num_batches": 1})
    assert run(settings, tmp_path / "whole")
    assert not run(settings, tmp_path / "killed", kill=events(tmp_path / "whole") * 2 // 3)
    assert run(settings, tmp_path / "killed", recover=True)
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_a_dry_run_takes_a_step(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    report = dry_run(Params(over_encoder(tmp_path / "encoder")))
    assert "nothing to remark" in report and "a step" in report


def test_one_line_of_a_config(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NER_ENCODER", make_encoder(tmp_path / "encoder"))
    config = tmp_path / "mine.jsonnet"
    library = ROOT / "training_config/lib/learning_rates.libsonnet"
    for name in ("crf_tagger", "biaffine"):
        plain = ROOT / f"training_config/{name}.jsonnet"
        config.write_text(f"(import '{plain}') + (import '{library}').layerwise_decay(0.9)")
        found = Params.from_file(str(config)).as_dict()["trainer"]["optimizer"]
        inner = Params.from_file(str(plain)).as_dict()["trainer"]["optimizer"]
        assert found == {"type": "layerwise_decay", "decay": 0.9, "optimizer": inner}
