"""The figures that a model produces, from its config alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.models import Model
from allennlp.training.metrics import Metric

from ner_plugins.commands.checks.config import walk_config
from ner_plugins.commands.checks.validation_metric import figures_of, unknown_figures
from ner_plugins.metrics import TypedSpanF1
from ner_plugins.models.ner_model import NerModel

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4}}}


def config(entry: Any = None, **model: Any) -> dict[str, Any]:
    trainer = {} if entry is None else {"validation_metric": entry}
    model = {"type": "crf_tagger", "text_field_embedder": EMBEDDER, **model}
    return {"dataset_reader": "cluener", "model": model, "trainer": trainer, "validation_data_path": "dev"}


def messages(entry: Any, **model: Any) -> list[str]:
    given = config(entry, **model)
    return [mistake.text for mistake in unknown_figures(given, walk_config(given))]


def test_the_figures_are_those_of_a_real_run(trained: Path) -> None:
    given = json.loads((trained / "config.json").read_text())
    figures = figures_of(walk_config(given))
    assert figures is not None
    best = json.loads((trained / "metrics.json").read_text())
    produced = {name[len("best_validation_") :] for name in best if name.startswith("best_validation_")}
    assert set(figures) <= produced
    for name in produced:  # those per type too
        given["trainer"]["validation_metric"] = f"+{name}"
        assert list(unknown_figures(given, walk_config(given))) == []


@pytest.mark.parametrize(
    "entry, expected",
    [
        (
            "+seqevl/micro_f1",
            "'seqevl/micro_f1': did you mean +seqeval/micro_f1? It produces seqeval/micro_precision, ",
        ),
        ("+f1", "does not produce 'f1'"),
        ("+cluener/macro_f1", "does not produce 'cluener/macro_f1'"),
        ("+seqeval/name/f2", "does not produce 'seqeval/name/f2'"),
        (["-loss", "+micro_f1"], 'trainer.validation_metric is "+micro_f1", but the model does not produce'),
        ("-reg_loss", "does not produce 'reg_loss'"),
        ("seqeval/micro_f1", 'trainer.validation_metric is "seqeval/micro_f1", but has to begin with "+" if higher'),
    ],
)
def test_a_figure_that_is_not_produced(entry: Any, expected: str) -> None:
    [message] = messages(entry)
    assert expected in message


@pytest.mark.parametrize(
    "entry, model",
    [
        (None, {}),
        ("-loss", {}),
        ("+seqeval/micro_f1", {}),
        (["+seqeval/name/f1", "-unreachable_gold"], {}),
        ("+seqeval/a/b/recall", {}),
        ("+cluener/macro_f1", {"metrics": ["seqeval", {"type": "cluener", "types": ["name"]}]}),
        ("-reg_loss", {"regularizer": {"regexes": [["weight", "l2"]]}}),
    ],
)
def test_a_figure_that_is_produced(entry: Any, model: dict[str, Any]) -> None:
    assert messages(entry, **model) == []


@Metric.register("validation_metric_test", exist_ok=True)
class OwnMetric(TypedSpanF1):
    name = "own"


@Model.register("validation_metric_test", exist_ok=True)
class OwnModel(NerModel):
    def get_metrics(self, reset: bool = False) -> dict[str, float]:
        return {"own": 1.0}


def test_what_is_not_known_is_not_checked() -> None:
    assert messages("+own/anything", metrics=["validation_metric_test"]) == []
    assert len(messages("+seqeval/micro_f1", metrics=["validation_metric_test"])) == 1
    assert messages("+anything", type="validation_metric_test") == []
    archive = {"type": "from_archive", "archive_file": "model.tar.gz"}
    for model in (archive, {"type": "simple_tagger"}):
        given = {**config("+anything"), "model": model}
        assert list(unknown_figures(given, walk_config(given))) == []


def test_without_validation_data_no_figure_is_needed() -> None:
    given = {**config("+anything"), "validation_data_path": None}
    assert list(unknown_figures(given, walk_config(given))) == []
