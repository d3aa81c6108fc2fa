"""Every difference between runs that must not be compared is named."""

from pathlib import Path
from typing import Any

import pytest
from finished_runs import FIGURES, config_of, data_of

from ner_plugins.comparison.agreement import check_figures, check_runs, check_sentences
from ner_plugins.comparison.runs import TrainedRun
from ner_plugins.comparison.span_counts import PredictedSentence
from ner_plugins.entities import Entity
from ner_plugins.errors import ConfigError


def run(name: str = "b", config: dict[str, Any] | None = None, **data: dict[str, Any]) -> TrainedRun:
    record = {"data": {"train": data_of("train"), "validation": data_of("dev"), **data}}
    return TrainedRun(Path(name), config or config_of(), record, FIGURES)


def test_the_same_data_may_be_in_another_place() -> None:
    moved = data_of("dev", path="elsewhere/corpus/dev.txt")
    moved["files"][0]["file"] = "elsewhere/corpus/dev.txt"
    check_runs([run("a"), run("b", validation=moved)])


@pytest.mark.parametrize(
    "data, message",
    [
        (
            {"validation": data_of("dev", "cd")},
            r"a and b have different validation data: .*abababababab, 100 sentences\) and .*cdcdcdcdcdcd, 100 sent",
        ),
        ({"validation": data_of("dev", sentences=90)}, r"validation data: .*100 sentences\) and .*90 sentences"),
        ({"train": data_of("train", "cd")}, r"different training data: .*or add --any-training-data"),
    ],
)
def test_other_data_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_runs([run("a"), run("b", **data)])


def test_training_data_may_differ_if_asked_for() -> None:
    check_runs([run("a"), run("b", train=data_of("train", "cd"))], any_training_data=True)
    with pytest.raises(ConfigError, match="different validation data"):
        check_runs([run("a"), run("b", validation=data_of("dev", "cd"))], any_training_data=True)


def test_two_splits_of_an_archive_are_different_data() -> None:
    places = [data_of("dev", path=f"corpus.tar.gz#{split}") for split in ("dev", "test")]
    for place in places:
        place["files"][0]["file"] = "corpus.tar.gz"
    with pytest.raises(ConfigError, match=r'"corpus\.tar\.gz#dev".* and "corpus\.tar\.gz#test"'):
        check_runs([run("a", validation=places[0]), run("b", validation=places[1])])


def test_without_records_paths_are_compared() -> None:
    other = {**config_of(), "validation_data_path": "other#dev"}
    check_runs([TrainedRun(Path("a"), config_of()), TrainedRun(Path("b"), config_of())])
    with pytest.raises(ConfigError, match='different validation data: "corpus#dev" and "other#dev"'):
        check_runs([TrainedRun(Path("a"), config_of()), TrainedRun(Path("b"), other)])


def test_another_metric_is_refused() -> None:
    other = config_of()
    other["trainer"]["validation_metric"] = "-loss"
    with pytest.raises(ConfigError, match=r'by different metrics: "\+seqeval/micro_f1" and "-loss"'):
        check_runs([run("a"), run("b", other)])


def test_figures_have_to_be_there() -> None:
    check_figures([run("a"), run("b")], "seqeval")
    with pytest.raises(ConfigError, match=r"a: .*no figures of typed_span_f1.*of other metrics: seqeval\. Choose"):
        check_figures([run("a")], "typed_span_f1")
    with pytest.raises(ConfigError, match="of other metrics: none"):
        check_figures([TrainedRun(Path("a"), {})], "seqeval")


def test_other_gold_is_refused() -> None:
    other = TrainedRun(Path("b"), config_of(), {}, {**FIGURES, "seqeval/人名/support": 29.0})
    with pytest.raises(ConfigError, match=r"a and b have different gold .*: 30 and 29 entities of the type 人名"):
        check_figures([run("a"), other], "seqeval")
    more = TrainedRun(Path("b"), config_of(), {}, {**FIGURES, "seqeval/地名/support": 2.0})
    with pytest.raises(ConfigError, match="0 and 2 entities of the type 地名"):
        check_figures([run("a"), more], "seqeval")


def sentence(text: str = "张三在北京", *gold: Entity) -> PredictedSentence:
    return PredictedSentence(text, sorted(gold or (Entity(0, 2, "PER"),)), ())


@pytest.mark.parametrize(
    "others, message",
    [
        ([sentence()], "a and b have different numbers of sentences: 2 and 1"),
        ([sentence(), sentence("李四")], "a and b differ in sentence 2: '张三在北京' and '李四'"),
        (
            [sentence(), sentence("张三在北京", Entity(0, 2, "PER"), Entity(3, 5, "LOC"))],
            r"different gold in sentence 2, '张三在北京': only in that of b is '北京' \(3, 5\) of the type LOC",
        ),
        ([sentence(), sentence("张三在北京", Entity(0, 2, "ORG"))], r"only in that of b is '张三' \(0, 2\) of the"),
    ],
)
def test_other_sentences_are_refused(others: list[PredictedSentence], message: str) -> None:
    check_sentences(["a", "b"], [[sentence()] * 2, [sentence()] * 2])
    with pytest.raises(ConfigError, match=message):
        check_sentences(["a", "b"], [[sentence()] * 2, others])
