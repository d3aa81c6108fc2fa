from dataclasses import replace

import pytest
from staged_runs import experiment, train

from ner_plugins.training.watching.epoch_figures import EpochFigures
from ner_plugins.training.watching.epoch_lines import duration, epoch_line

FIGURES = EpochFigures(
    epoch=3,
    epochs=10,
    seconds=18.44,
    seconds_left=110.2,
    rates={"encoder": 2e-5, "head": 1e-3},
    training_loss=7.67968,
    validation={"seqeval/micro_f1": 0.28661, "loss": 10.2},
    watched=["seqeval/micro_f1"],
    best_epoch=2,
    best={"seqeval/micro_f1": 0.3012, "loss": 9.0},
)


def test_the_line() -> None:
    assert epoch_line(FIGURES) == (
        "epoch 3/9: loss 7.6797, lr 2e-05, 0.001, dev seqeval/micro_f1 0.2866 (best 0.3012 in epoch 2), 18.4 s, "
        "1:50 left"
    )


def test_the_best_epoch_and_the_last() -> None:
    last = replace(FIGURES, epoch=9, best_epoch=9, seconds_left=0.0, rates={"": 0.5}, seconds=75)
    assert epoch_line(last) == "epoch 9/9: loss 7.6797, lr 0.5, dev seqeval/micro_f1 0.2866 (the best so far), 1:15"


def test_without_validation() -> None:
    bare = replace(FIGURES, validation={}, best={}, best_epoch=None, rates={}, seconds_left=None)
    assert epoch_line(bare) == "epoch 3/9: loss 7.6797, 18.4 s"


def test_several_metrics() -> None:
    several = replace(FIGURES, watched=["seqeval/micro_f1", "loss"])
    expected = "dev seqeval/micro_f1 0.2866, loss 10.2000 (best 0.3012, 9.0000 in epoch 2)"
    assert expected in epoch_line(several)


@pytest.mark.parametrize(
    "seconds, precise, shown",
    [
        (0.04, True, "0.0 s"),
        (59.94, True, "59.9 s"),
        (59.96, True, "1:00"),
        (18.4, False, "0:18"),
        (3599.6, True, "1:00:00"),
        (3723, True, "1:02:03"),
    ],
)
def test_durations(seconds: float, precise: bool, shown: str) -> None:
    assert duration(seconds, precise) == shown


def test_a_run_has_a_line_per_epoch(tmp_path, monkeypatch) -> None:
    from ner_plugins.console import _hidden
    from ner_plugins.training.watching import epoch_lines

    shown = []
    monkeypatch.setattr("ner_plugins.console._hidden", set(_hidden))
    monkeypatch.setattr(epoch_lines.logger, "info", lambda message, line: shown.append(line))
    monkeypatch.setattr(epoch_lines.EpochLines, "clock", staticmethod(iter(range(0, 100, 10)).__next__))
    train(experiment({"type": "ner_epoch_lines"}, validation_metric="+seqeval/micro_f1"), tmp_path / "run")
    assert [line.partition(": ")[0] for line in shown] == ["epoch 0/1", "epoch 1/1"]
    assert shown[0].endswith("10.0 s, 0:10 left") and shown[1].endswith("10.0 s")
    assert all("lr 0.01, dev seqeval/micro_f1 0." in line for line in shown)
