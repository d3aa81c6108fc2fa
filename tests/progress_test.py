import io
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tqdm.std import tqdm

from ner_plugins.progress import (
    ProgressLines,
    clear_bars,
    few_figures,
    is_shown,
    progress,
    titled,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


def replace_stderr(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the bars alone: pytest replaces `sys.stderr` itself between a fixture and its test."""
    stand_in = SimpleNamespace(stderr=stream, modules=sys.modules)
    monkeypatch.setattr("ner_plugins.progress.sys", stand_in)
    monkeypatch.setattr("allennlp.common.tqdm.sys", stand_in)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    replace_stderr(terminal, monkeypatch)
    return terminal


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = io.StringIO()
    replace_stderr(file, monkeypatch)
    return file


def each_taking(seconds: float, items: int, clock: Clock) -> Iterator[int]:
    """Items that take some seconds each, by the injected clock."""
    for item in range(items):
        clock.seconds += seconds
        yield item


def test_a_file_gets_a_line_every_30_seconds_and_one_at_the_end(file: io.StringIO, clock: Clock) -> None:
    assert list(progress(each_taking(1, 75, clock), desc="epoch 0/9", total=75, unit=" batches")) == list(range(75))
    assert file.getvalue().splitlines() == [
        "epoch 0/9: 30 of 75 batches (40%), 00:30 so far, 00:45 left",
        "epoch 0/9: 60 of 75 batches (80%), 01:00 so far, 00:15 left",
        "epoch 0/9: 75 of 75 batches (100%), 01:15 so far",
    ]
    assert "\r" not in file.getvalue()


def test_a_step_that_becomes_slower_does_not_delay_the_lines(file: io.StringIO, clock: Clock) -> None:
    def items() -> Iterator[int]:
        yield from each_taking(1 / 128, 4000, clock)
        yield from each_taking(35, 3, clock)

    list(progress(items(), desc="reading"))
    assert file.getvalue().splitlines() == [
        "reading: 3,840, 00:30 so far",
        "reading: 4,001, 01:06 so far",
        "reading: 4,002, 01:41 so far",
        "reading: 4,003, 02:16 so far",
    ]


def test_a_short_bar_leaves_a_file_alone(file: io.StringIO, clock: Clock) -> None:
    list(progress(each_taking(0.1, 200, clock), desc="reading"))
    assert file.getvalue() == ""


def test_updates_by_hand(file: io.StringIO, clock: Clock) -> None:
    with progress(total=10, desc="predicting", unit=" sentences") as bar:
        clock.seconds += 31
        bar.update(4)
    assert file.getvalue().startswith("predicting: 4 of 10 sentences (40%), 00:31 so far, 00:46 left\n")


def test_a_terminal_gets_a_bar_that_disappears(terminal: Terminal, clock: Clock) -> None:
    list(progress(each_taking(1, 3, clock), desc="reading", total=3))
    written = terminal.getvalue()
    assert "reading: 100%" in written and "\n" not in written
    assert written.rsplit("\r", 2)[-2].strip() == "", "the last thing written is an empty line"


def test_lines_on_a_terminal_when_asked_for(terminal: Terminal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.common import logging

    monkeypatch.setattr(logging, "FILE_FRIENDLY_LOGGING", True)
    list(progress(each_taking(20, 2, clock), desc="reading"))
    assert terminal.getvalue().splitlines() == ["reading: 2, 00:40 so far"]


def test_a_message_removes_the_bar_first(terminal: Terminal, clock: Clock) -> None:
    bar = progress(total=3, desc="reading")
    assert "reading" in terminal.getvalue().rsplit("\r", 1)[-1]
    clear_bars()
    assert terminal.getvalue().rsplit("\r", 2)[-2].strip() == ""
    bar.close()


def test_the_description_of_allennlp_becomes_a_few_figures_behind_the_bar(file: io.StringIO, clock: Clock) -> None:
    described = (
        "seqeval/micro_precision: 0.30, seqeval/micro_f1: 0.25, seqeval/macro_f1: 0.20, "
        "cluener/macro_f1: 0.22, batch_loss: 9.00, loss: 1.50 ||"
    )
    assert few_figures(described) == "seqeval/micro_f1 0.25, cluener/macro_f1 0.22, loss 1.50"
    bar = progress(each_taking(40, 1, clock), total=1, desc="evaluating")
    for _ in bar:
        bar.set_description(described, refresh=False)
    expected = "evaluating: 1 of 1 (100%), 00:40 so far, seqeval/micro_f1 0.25, cluener/macro_f1 0.22, loss 1.50"
    assert file.getvalue().splitlines()[-1] == expected
    bar.set_description("title", refresh=False)
    assert bar.desc == "title: "


def test_metrics_of_other_models_are_shown() -> None:
    assert is_shown("accuracy") and is_shown("loss") and not is_shown("batch_loss")
    assert not is_shown("seqeval/PER/f1")


def test_titles_and_lengths_for_bars_without(file: io.StringIO, clock: Clock) -> None:
    with titled("evaluating", total=2):
        bar = progress(iter([1, 2]))
        named = progress(iter([1, 2]), desc="loading instances")
    assert bar.desc == "evaluating" and bar.total == 2
    assert named.desc == "loading instances" and named.total is None
    assert not progress([1]).desc


def test_allennlps_bars_are_these_on_the_first_rank_alone(file: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.common import Tqdm

    assert isinstance(Tqdm.tqdm([1]), ProgressLines)
    monkeypatch.setattr("ner_plugins.distributed.rank", lambda: 1)
    assert Tqdm.tqdm([1]).disable


def test_a_notebook_keeps_its_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    from allennlp.common import tqdm as allennlp_tqdm

    class tqdm_notebook(tqdm):  # type: ignore[type-arg]
        pass

    monkeypatch.setattr(allennlp_tqdm, "_tqdm", tqdm_notebook)
    assert type(allennlp_tqdm.Tqdm.tqdm([1], disable=True)) is tqdm_notebook


def test_lines_reach_allennlps_log_file_too(file: io.StringIO, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr("allennlp.common.tqdm.logger.info", logged.append)
    list(progress(each_taking(40, 1, clock), desc="reading", total=1))
    assert logged[-1] == "reading: 1 of 1 (100%), 00:40 so far"
