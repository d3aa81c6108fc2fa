import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, Vocabulary
from allennlp.data.data_loaders import SimpleDataLoader
from allennlp.evaluation import SimpleEvaluator
from allennlp.models import Model

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.models.ner_model import NerModel
from ner_plugins.reports import collect
from ner_plugins.reports.collect import BLANK_EDGE, CUT_BY_A_TOKEN, OVERLAPPING, TOO_WIDE, UNSEEN_TYPE, run_model
from ner_plugins.tagger import archive

ROOT = Path(__file__).resolve().parents[2]
DATA = str(ROOT / "fixtures/cluener/train.json")


def build(**overrides: Any) -> tuple[NerModel, CluenerReader]:
    """An untrained model, which predicts a lot."""
    reader = CluenerReader()
    params = Params.from_file(ROOT / "fixtures/experiments/biaffine.json").pop("model")
    for key, value in overrides.items():
        params[key] = value
    torch.manual_seed(2)
    return Model.from_params(params, vocab=Vocabulary.from_instances(list(reader.read(DATA)))), reader


@functools.cache
def fitted_weights() -> dict[str, torch.Tensor]:
    """Of such a model after some training: right about some entities."""
    model, reader = build()
    batch = Batch(list(reader.read(DATA)))
    batch.index_instances(model.vocab)
    tensors = batch.as_tensor_dict()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(130):
        optimizer.zero_grad()
        model(**tensors)["loss"].backward()
        optimizer.step()
    return model.state_dict()


@pytest.mark.parametrize("decoding", ["flat_greedy", "nested"])
@pytest.mark.parametrize("metrics", [["seqeval", "cluener", "typed_span_f1"], ["seqeval"], []])
def test_the_figures_of_evaluate_whichever_metrics_the_model_has(decoding: str, metrics: list[str]) -> None:
    model, reader = build(decoding=decoding, metrics=[{"type": name} for name in metrics])
    model.load_state_dict(fitted_weights())
    found = run_model(model, reader, DATA, batch_size=3).metrics
    whole, _ = build(decoding=decoding)
    whole.load_state_dict(fitted_weights())
    loader = SimpleDataLoader(list(reader.read(DATA)), batch_size=4)
    loader.index_with(whole.vocab)
    expected = SimpleEvaluator()(whole, loader)
    del expected["loss"]
    assert found == expected and found["seqeval/micro_recall"] > 0.3


def test_sentences_come_in_the_order_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    model, reader = build()
    monkeypatch.setattr(archive, "CPU_BUDGET", 70)
    run = run_model(model, reader, DATA)
    instances = list(reader.read(DATA))
    assert [sentence.source for sentence in run.sentences] == [i["metadata"].metadata["source"] for i in instances]
    expected = [output["entities"] for output in model.forward_on_instances(instances)]
    for sentence, entities in zip(run.sentences, expected, strict=True):
        assert [(e.start, e.end, e.type) for e in sentence.predicted] == [
            (e["start"], e["end"], e["type"]) for e in entities
        ]
        scores = [e["score"] for e in entities]
        assert [e.score for e in sentence.predicted] == pytest.approx(scores, abs=1e-5)


def test_unreachable_gold_is_what_the_model_counts_and_says_why(tmp_path: Path) -> None:
    model, reader = build(max_span_width=4)
    run = run_model(model, reader, DATA)
    reasons = [why for sentence in run.sentences for _, why in sentence.unreachable]
    assert len(reasons) == run.metrics["unreachable_gold"] > 0 and set(reasons) == {TOO_WIDE}
    name = model.types[0]
    gold = [Entity(0, 2, name), Entity(1, 3, name), Entity(4, 5, name), Entity(0, 3, "unheard-of"), Entity(4, 11, name)]
    gold.append(Entity(10, 12, name))
    text = "甲乙丙丁戊己庚辛壬癸子\u3000"
    offsets = [(0, 1), (1, 2), (2, 3), (3, 5), *((start, start + 1) for start in range(5, 12))]
    assert collect._unreachable(model, gold, {"offsets": offsets, "text": text}) == [
        (Entity(1, 3, name), OVERLAPPING),
        (Entity(4, 5, name), CUT_BY_A_TOKEN),
        (Entity(0, 3, "unheard-of"), UNSEEN_TYPE),
        (Entity(4, 11, name), CUT_BY_A_TOKEN),
        (Entity(10, 12, name), BLANK_EDGE),
    ]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_that_is_none(size: int) -> None:
    model, reader = build()
    with pytest.raises(ConfigError, match="--batch-size"):
        run_model(model, reader, DATA, batch_size=size)


def test_unlabelled_data_are_refused_before_the_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, reader = build()
    monkeypatch.setattr(type(model), "find", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(DataError, match=r"test\.json.*no label"):
        run_model(model, reader, str(ROOT / "fixtures/cluener/test.json"))
