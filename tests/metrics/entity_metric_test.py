"""What all metrics share: validation, counts, cost between resets, ranks, registration."""

import json
import logging
import pickle
import sys
from pathlib import Path

import pytest
import torch.distributed as dist
from allennlp.common import Params
from allennlp.training.metrics import Metric
from allennlp.training.metrics.span_based_f1_measure import SpanBasedF1Measure
from forked import run_ranks

from ner_plugins.entities import Entity
from ner_plugins.errors import DataError, NerError
from ner_plugins.metrics import CluenerMetric, EntityMetric, SeqevalMetric, TypeCounts, TypedSpanF1

METRICS = {"seqeval": SeqevalMetric, "cluener": CluenerMetric, "typed_span_f1": TypedSpanF1}
every_metric = pytest.mark.parametrize("metric_class", METRICS.values(), ids=METRICS.keys())

TEXT = "上海博物馆在人民广场"
GOLD = [Entity(0, 2, "address"), Entity(0, 5, "scene"), Entity(6, 10, "address")]
PREDICTED = [Entity(0, 5, "scene", score=0.9), Entity(6, 8, "address"), Entity(8, 10, "game")]


@every_metric
def test_registered_beside_those_of_allennlp(metric_class: type[EntityMetric]) -> None:
    metric = Metric.from_params(Params({"type": metric_class.name}))
    assert type(metric) is metric_class
    assert Metric.by_name("span_f1") is SpanBasedF1Measure


@every_metric
def test_unlabelled_sentences_are_refused(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    with pytest.raises(DataError, match="labelled data"):
        metric([[]], None, [TEXT])
    with pytest.raises(DataError, match=r"1 of 2 sentences .* position 1.*labelled data"):
        metric([PREDICTED, []], [GOLD, None], [TEXT, TEXT])
    assert metric.counts() == {}


@every_metric
def test_different_numbers_of_sentences_are_refused(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    with pytest.raises(NerError, match="2 sentences with predictions, but 1 with gold"):
        metric([[], []], [GOLD], [TEXT])
    with pytest.raises(NerError, match="2 texts, but 1 sentence"):
        metric([[]], [GOLD], [TEXT, TEXT])
    assert metric.counts() == {}


@every_metric
@pytest.mark.parametrize("start, end", [(3, 3), (4, 2), (-1, 2), (8, 11)])
def test_impossible_offsets_are_refused_and_count_nothing(
    metric_class: type[EntityMetric], start: int, end: int
) -> None:
    metric = metric_class()
    with pytest.raises(DataError, match=rf"a gold entity 'x' has the offsets \({start}, {end}\)"):
        metric([PREDICTED, []], [GOLD, [Entity(start, end, "x")]], [TEXT, TEXT])
    with pytest.raises(DataError, match="a predicted entity"):
        metric([PREDICTED, [Entity(start, end, "x")]], [GOLD, []], [TEXT, TEXT])
    assert metric.counts() == {}


@every_metric
def test_counts_are_a_copy_sorted_by_type(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    metric([PREDICTED], [GOLD], [TEXT])
    counts = metric.counts()
    assert counts == {"address": TypeCounts(0, 1, 2), "game": TypeCounts(0, 1, 0), "scene": TypeCounts(1, 1, 1)}
    assert list(counts) == sorted(counts)
    counts["scene"].gold = 99
    assert metric.counts()["scene"].gold == 1


@every_metric
def test_repeated_entities_count_once(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    metric([PREDICTED + PREDICTED], [GOLD + GOLD], [TEXT])
    once = metric_class()
    once([PREDICTED], [GOLD], [TEXT])
    assert metric.counts() == once.counts()
    assert metric.get_metric(reset=True) == once.get_metric(reset=True)


@every_metric
def test_nothing_counted_gives_zeros_without_warnings(
    metric_class: type[EntityMetric], recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    metric = metric_class()
    for _ in range(2):
        for reset in (False, True):
            figures = metric.get_metric(reset=reset)
            assert "macro_f1" in figures and set(figures.values()) == {0.0}
        metric([[], []], [[], []], [TEXT, ""])
    assert not recwarn.list and not caplog.records


@every_metric
def test_zero_denominators_give_zeros_without_warnings(
    metric_class: type[EntityMetric], recwarn: pytest.WarningsRecorder
) -> None:
    metric = metric_class()
    metric([[Entity(0, 1, "a")]], [[Entity(0, 1, "b")]], [TEXT])
    figures = metric.get_metric(reset=True)
    assert {figures[f"{type_}/{key}"] for type_ in "ab" for key in ("precision", "recall", "f1")} == {0.0}
    assert (figures["a/support"], figures["b/support"]) == (0.0, 1.0)
    assert not recwarn.list


@every_metric
def test_incremental_is_final_and_reset_forgets(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    for _ in range(2):
        metric([PREDICTED, []], [GOLD, [Entity(0, 1, "game")]], [TEXT, TEXT])
        running = metric.get_metric()
        assert metric.get_metric(reset=False) == running and metric.get_metric.__defaults__ == (False,)
        final = metric.get_metric(reset=True)
        assert {key: final[key] for key in running} == running
        assert not any("/" in key for key in running)
        assert all(type(value) is float for value in final.values())
        assert metric.counts() == {} and metric.get_metric(reset=True)["macro_f1"] == 0.0
    metric([PREDICTED], [GOLD], [TEXT])
    metric.reset()
    assert metric.counts() == {} and set(metric.get_metric(reset=True).values()) == {0.0}


@every_metric
def test_running_figures_cost_the_same_after_any_number_of_sentences(metric_class: type[EntityMetric]) -> None:
    def operations(sentences: int) -> int:
        metric = metric_class()
        metric([PREDICTED] * sentences, [GOLD] * sentences, [TEXT] * sentences)
        count = 0

        def trace(frame: object, event: str, argument: object) -> object:
            nonlocal count
            frame.f_trace_opcodes = True  # type: ignore[attr-defined]
            count += 1
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            metric.get_metric(reset=False)
        finally:
            sys.settrace(previous)
        return count

    assert operations(1) == operations(50) > 0


def test_running_figures_do_not_look_at_the_tag_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = SeqevalMetric()
    metric([PREDICTED], [GOLD])
    rows, metric._rows = metric._rows, None  # type: ignore[assignment]
    running = metric.get_metric()
    metric._rows = rows
    assert running.items() <= metric.get_metric(reset=True).items()


@every_metric
def test_survives_pickling_with_its_counts(metric_class: type[EntityMetric]) -> None:
    metric = metric_class()
    metric([PREDICTED], [GOLD], [TEXT])
    copy = pickle.loads(pickle.dumps(metric))
    assert copy.get_metric(reset=True) == metric.get_metric(reset=True)


class _OtherRanks:
    """Stands in for `torch.distributed` with the states of ranks that have finished already."""

    def __init__(self, states: list[object], rank: int = 0) -> None:
        self.states, self.rank, self.calls = states, rank, 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: len(self.states) + 1)
        monkeypatch.setattr(dist, "get_rank", lambda: self.rank)
        monkeypatch.setattr(dist, "all_gather_object", self.gather)

    def gather(self, gathered: list[object], state: object) -> None:
        self.calls += 1
        gathered[:] = pickle.loads(pickle.dumps([state, *self.states]))


@every_metric
def test_reset_sums_over_ranks_whose_types_differ(
    metric_class: type[EntityMetric], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_gold = [Entity(0, 2, "name"), Entity(0, 4, "scene"), Entity(1, 3, "name")]
    whole, here, there = metric_class(), metric_class(), metric_class()
    whole([PREDICTED, []], [GOLD, other_gold], [TEXT, TEXT])
    here([PREDICTED], [GOLD], [TEXT])
    there([[]], [other_gold], [TEXT])
    ranks = _OtherRanks([there._state(), metric_class()._state()])
    ranks.install(monkeypatch)
    running = here.get_metric(reset=False)
    assert ranks.calls == 0
    assert running != whole.get_metric(reset=False)
    assert here.get_metric(reset=True) == _alone(whole, monkeypatch)
    assert ranks.calls == 1
    assert here.counts() == {}


def _alone(metric: EntityMetric, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setattr(dist, "is_initialized", lambda: False)
    return metric.get_metric(reset=True)


@pytest.mark.parametrize("rank, said", [(0, 1), (1, 0)])
def test_only_the_first_rank_warns(
    rank: int, said: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _OtherRanks([], rank).install(monkeypatch)
    metric = SeqevalMetric()
    metric([PREDICTED], [GOLD])
    with caplog.at_level(logging.WARNING):
        metric.get_metric(reset=True)
    assert len(caplog.records) == said


RANK_PROGRAM = """
import json, sys
import ner_plugins
import torch.distributed as dist
from ner_plugins.entities import Entity
from ner_plugins.metrics import CluenerMetric, SeqevalMetric, TypedSpanF1

rank, meeting_place, text = int(sys.argv[1]), sys.argv[2], sys.argv[3]
predicted, gold = [[[Entity(*e) for e in s] for s in side] for side in json.loads(sys.argv[4])]
dist.init_process_group("gloo", init_method=f"file://{meeting_place}", rank=rank, world_size=2)
figures = {}
for metric in (SeqevalMetric(), CluenerMetric(), TypedSpanF1()):
    metric(predicted[rank::2], gold[rank::2], [text] * len(gold[rank::2]))
    if rank == 0:
        metric.get_metric(reset=False)  # would wait for ever for the other rank if it communicated
    figures[metric.name] = metric.get_metric(reset=True)
print(json.dumps(figures))
dist.destroy_process_group()
"""


def test_two_processes_report_what_one_does(tmp_path: Path) -> None:
    predicted = [PREDICTED, [], [Entity(0, 2, "name")]]
    gold = [GOLD, [Entity(0, 2, "name"), Entity(1, 4, "book/한국")], [Entity(0, 2, "name")]]
    data = json.dumps([[[(e.start, e.end, e.type) for e in s] for s in side] for side in (predicted, gold)])
    done = run_ranks(RANK_PROGRAM, tmp_path, str(tmp_path / "meet"), TEXT, data)
    assert [process.returncode for process in done] == [0, 0], done
    expected = {}
    for metric_class in METRICS.values():
        metric = metric_class()
        metric(predicted, gold, [TEXT] * 3)
        expected[metric.name] = metric.get_metric(reset=True)
    assert [json.loads(process.stdout) for process in done] == [expected, expected]
