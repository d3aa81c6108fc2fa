"""Numbers out of range."""

from typing import Any

import pytest

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.ranges import COUNT, SHARE, Range, out_of_range

READER = {"type": "cluener"}
EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}
MODEL = {"type": "span", "head": "pairs", "text_field_embedder": EMBEDDER}


def config(**parts: dict[str, Any]) -> dict[str, Any]:
    base = {
        "dataset_reader": READER, "train_data_path": "t", "model": MODEL, "data_loader": {"batch_size": 4},
        "trainer": {"num_epochs": 2, "optimizer": "adam"},
    }  # fmt: skip
    return base | {name: {**base.get(name, {}), **options} for name, options in parts.items()}  # type: ignore[dict-item]


def messages(**parts: dict[str, Any]) -> list[str]:
    walk = walk_config(config(**parts))
    assert walk.mistakes == []
    return [mistake.text for mistake in out_of_range(walk)]


@pytest.mark.parametrize(
    "parts, expected",
    [
        ({"trainer": {"num_epochs": 0}}, "trainer.num_epochs is 0, but has to be 1 or more"),
        (
            {"trainer": {"patience": 0}},
            "trainer.patience is 0, but has to be 1 or more; leave it out to train all epochs",
        ),
        (
            {"trainer": {"grad_norm": -1}},
            "trainer.grad_norm is -1, but has to be more than 0; leave it out for no bound",
        ),
        ({"trainer": {"grad_clipping": 0.0}}, "trainer.grad_clipping is 0.0, but has to be more than 0"),
        ({"trainer": {"num_gradient_accumulation_steps": 0}}, "trainer.num_gradient_accumulation_steps is 0"),
        ({"trainer": {"optimizer": {"type": "adam", "lr": -1e-3}}}, "trainer.optimizer.lr is -0.001"),
        (
            {"trainer": {"optimizer": {"type": "adam", "betas": [0.9, 1.0]}}},
            "trainer.optimizer.betas is 1.0, but has to be 0 or more and less than 1",
        ),
        (
            {"trainer": {"optimizer": {"type": "adam", "parameter_groups": [[["a"], {"lr": 1}], [["b"], {"lr": -1}]]}}},
            "trainer.optimizer.parameter_groups.1.1.lr is -1",
        ),
        (
            {"trainer": {"learning_rate_scheduler": {"type": "slanted_triangular", "cut_frac": 1.0}}},
            "trainer.learning_rate_scheduler.cut_frac is 1.0, but has to be 0 or more and less than 1",
        ),
        (
            {"trainer": {"learning_rate_scheduler": {"type": "linear_with_warmup", "warmup_steps": -1}}},
            "trainer.learning_rate_scheduler.warmup_steps is -1",
        ),
        ({"trainer": {"callbacks": [{"type": "nerco", "batch_size": 0}]}}, "trainer.callbacks.0.batch_size is 0"),
        (
            {"trainer": {"callbacks": [{"type": "two_stage", "num_gradient_accumulation_steps": 0}]}},
            "trainer.callbacks.0.num_gradient_accumulation_steps is 0",
        ),
        ({"data_loader": {"batch_size": 0}}, "data_loader.batch_size is 0, but has to be 1 or more"),
        ({"data_loader": {"max_instances_in_memory": 0}}, "data_loader.max_instances_in_memory is 0"),
        (
            {"data_loader": {"batch_size": None, "batch_sampler": {"type": "bucket", "batch_size": 0}}},
            "data_loader.batch_sampler.batch_size is 0",
        ),
        ({"data_loader": {"batch_size": None}}, "data_loader has neither batch_sampler nor batch_size"),
        (
            {"data_loader": {"batch_sampler": {"type": "bucket", "batch_size": 3}}},
            "data_loader.batch_size has no meaning beside batch_sampler",
        ),
        ({"model": {"dropout": 1.5}}, "model.dropout is 1.5, but has to be from 0 to 1"),
        ({"model": {"dropout": -0.1}}, "model.dropout is -0.1"),
        ({"model": {"encoder": {"type": "lstm", "hidden_size": 3, "dropout": 2.0}}}, "model.encoder.dropout is 2.0"),
        ({"model": {"max_span_width": 0}}, "model.max_span_width is 0, but has to be 1 or more"),
        (
            {"dataset_reader": {"dev_fraction": 1.0}},
            "dataset_reader.dev_fraction is 1.0, but has to be more than 0 and less",
        ),
        ({"dataset_reader": {"max_instances": 0}}, "dataset_reader.max_instances is 0"),
    ],
)
def test_out_of_range(parts: dict[str, Any], expected: str) -> None:
    [message] = messages(**parts)
    assert message.startswith(expected)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"trainer": {"grad_norm": True, "patience": None, "grad_clipping": None}},
        {"trainer": {"grad_norm": False, "optimizer": {"type": "sgd", "lr": 0.0, "weight_decay": 0.0}}},
        {"trainer": {"learning_rate_scheduler": {"type": "slanted_triangular", "cut_frac": 0.0}}},
        {"trainer": {"callbacks": [{"type": "nerco", "epochs": 0}]}},
        {"data_loader": {"num_workers": 0, "max_instances_in_memory": 8, "shuffle": True}},
        {"model": {"dropout": 1.0, "encoder": {"type": "lstm", "hidden_size": 3, "dropout": 0}}},
        {"model": {"max_span_width": None}},
        {"dataset_reader": {"max_instances": None}},
    ],
)
def test_within_range(parts: dict[str, Any]) -> None:
    assert messages(**parts) == []


def test_the_options_of_a_class_of_others_are_its_own() -> None:
    from allennlp.training.callbacks import TrainerCallback

    @TrainerCallback.register("ranges_test_callback", exist_ok=True)
    class Own(TrainerCallback):
        def __init__(self, serialization_dir: str, batch_size: int = 0, dropout: float = 0.0) -> None:
            super().__init__(serialization_dir)

    own = {"type": "ranges_test_callback", "batch_size": -1, "dropout": -1.0}
    assert messages(trainer={"callbacks": [own]}) == []


@pytest.mark.parametrize(
    "bounds, inside, outside",
    [
        (COUNT, (1, 7), (0, 0.5, -1, float("nan"))),
        (SHARE, (0, 0.5, 1), (-0.1, 1.1, float("nan"))),
        (Range(0, 1, without_low=True, without_high=True), (0.5,), (0, 1)),
    ],
)
def test_a_range(bounds: Range, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    assert all(value in bounds for value in inside) and not any(value in bounds for value in outside)
