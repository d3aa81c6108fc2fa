import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pytest
from staged_runs import experiment, train, train_and_kill

from ner_plugins.training.watching import curves
from ner_plugins.training.watching.curves import column, row_of, rows_before, to_csv
from ner_plugins.training.watching.curves_picture import draw_curves, type_of
from ner_plugins.training.watching.epoch_figures import EpochFigures

FIGURES = EpochFigures(
    epoch=0,
    epochs=3,
    seconds=1.23456,
    seconds_left=2.0,
    rates={"encoder": 2e-5, "head": 1e-3},
    training_loss=7.5,
    validation={
        "cluener/地址/f1": 0.1,
        "seqeval/micro_f1": 0.25,
        "seqeval/地址/f1": 0.5,
        "seqeval/a/b,c/f1": 0.75,
        "seqeval/a/b,c/recall": 0.5,
        "seqeval/macro_f1": 0.125,
        "loss": 3.0,
    },
    watched=["seqeval/micro_f1"],
    best_epoch=0,
    best={},
)
EXPECTED = {
    "epoch": "0", "seconds": "1.235", "training_loss": "7.5", "validation_loss": "3.0",
    "learning_rate/encoder": "2e-05", "learning_rate/head": "0.001", "seqeval/micro_f1": "0.25",
    "seqeval/macro_f1": "0.125", "seqeval/a/b,c/f1": "0.75", "seqeval/地址/f1": "0.5",
}  # fmt: skip


def read(folder: Path) -> list[dict[str, str]]:
    with open(folder / "curves.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_row_of_an_epoch() -> None:
    row = row_of(FIGURES)
    assert row == EXPECTED and list(row) == list(EXPECTED)


def test_the_types_are_those_of_the_watched_metric() -> None:
    row = row_of(replace(FIGURES, watched=["cluener/macro_f1"]))
    assert "cluener/地址/f1" in row and "seqeval/地址/f1" not in row
    assert row_of(replace(FIGURES, watched=["loss"])) == EXPECTED


def test_a_file_is_read_as_it_was_written_up_to_an_epoch(tmp_path: Path) -> None:
    rows = [row_of(FIGURES), {**row_of(replace(FIGURES, epoch=1)), "seqeval/新/f1": "0.5"}]
    (tmp_path / "curves.csv").write_bytes(to_csv(rows))
    [first] = rows_before(tmp_path / "curves.csv", 1)
    assert first == {**rows[0], "seqeval/新/f1": ""}
    assert len(rows_before(tmp_path / "curves.csv", 2)) == 2
    assert rows_before(tmp_path / "curves.csv", 0) == [] == rows_before(tmp_path / "none.csv", 2)
    assert column([first, rows[1]], "seqeval/新/f1") == ([1], [0.5])


@pytest.mark.parametrize("content", [b"epoch,loss\nx,1\n", b"\xff\xfe", b"loss\n1\n"])
def test_a_damaged_file_is_a_warning(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "curves.csv").write_bytes(content)
    assert rows_before(tmp_path / "curves.csv", 2) == []
    assert "could not be read" in caplog.text


def test_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row_of(replace(FIGURES, epoch=epoch)) for epoch in range(3)]
    picture = draw_curves(rows, "curves.png")
    assert picture.startswith(b"\x89PNG") and picture == draw_curves(rows, "curves.png")
    assert picture != draw_curves(rows[:2], "curves.png")
    assert draw_curves([{"epoch": "0", "seconds": "1", "training_loss": ""}], "curves.png").startswith(b"\x89PNG")


def test_names_of_types() -> None:
    assert type_of("seqeval/a/b,c/f1") == "a/b,c"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("curves") / "run"
    train(experiment({"type": "ner_curves"}, num_epochs=3), folder)
    return folder


def assert_rows_are_those_of_the_metrics(folder: Path, epochs: int) -> None:
    rows = read(folder)
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(epochs)]
    for epoch, row in enumerate(rows):
        metrics: Mapping[str, float] = json.loads((folder / f"metrics_epoch_{epoch}.json").read_text())
        assert float(row["training_loss"]) == metrics["training_loss"]
        assert float(row["validation_loss"]) == metrics["validation_loss"]
        types = [
            name.removeprefix("validation_")
            for name in metrics
            if name.startswith("validation_seqeval/") and name.count("/") == 2 and name.endswith("/f1")
        ]
        assert types and types == [name for name in row if name.count("/") == 2]
        for name in ["seqeval/micro_f1", *types]:
            assert float(row[name]) == metrics[f"validation_{name}"]
        assert row["learning_rate"] == "0.01"


def test_a_run_has_a_row_per_epoch_with_its_figures(run: Path) -> None:
    assert_rows_are_those_of_the_metrics(run, epochs=3)
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_run_replaces_the_row_of_the_epoch_it_repeats(run: Path, tmp_path: Path) -> None:
    settings = experiment({"type": "ner_curves"}, num_epochs=3)
    # Dies when the row of the second epoch is written, before the epoch's checkpoint.
    assert train_and_kill(settings, tmp_path / "run", "curves.csv", number=2)
    killed = read(tmp_path / "run")
    assert len(killed) == 2
    train(settings, tmp_path / "run", recover=True)
    # AllenNLP's trainer does not restore the random states, so that the second epoch gives other figures.
    assert_rows_are_those_of_the_metrics(tmp_path / "run", epochs=3)
    assert read(tmp_path / "run")[0] == killed[0]


@pytest.mark.parametrize(
    "times, drawn_after",
    [
        # The start; the end of each epoch, after which the picture's start and end follow if it is drawn.
        ([0, 1, 4, 4, 4, 5], [2, 3]),  # epochs of 1, 3 and 1 seconds: short ones are left out
        ([0, 8, 8, 9, 19, 31, 31, 32], [1, 3]),  # a picture takes 1 of 8, 11 and 23 seconds
    ],
)
def test_after_which_epochs_the_picture_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: list[float], drawn_after: list[int]
) -> None:
    drawn: list[int] = []
    picture = "ner_plugins.training.watching.curves_picture.draw_curves"
    monkeypatch.setattr(picture, lambda rows, file: drawn.append(len(rows)) or b"")
    clock = chain(times, repeat(times[-1]))
    monkeypatch.setattr(curves.Curves, "clock", staticmethod(lambda: next(clock)))
    train(experiment({"type": "ner_curves"}, num_epochs=3), tmp_path / "run")
    assert drawn == drawn_after


def test_a_picture_that_fails_does_not_end_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []

    def fail(rows: object, file: str) -> bytes:
        raise RuntimeError("no font")

    monkeypatch.setattr("ner_plugins.training.watching.curves_picture.draw_curves", fail)
    monkeypatch.setattr(curves.logger, "warning", lambda message, *values: warned.append(message % values))
    monkeypatch.setattr(curves, "SHORT_EPOCH", 0.0)
    train(experiment({"type": "ner_curves"}), tmp_path / "run")
    assert len(read(tmp_path / "run")) == 2 and not (tmp_path / "run/curves.png").exists()
    assert len(warned) == 1 and "no font" in warned[0]


def test_names_of_types_are_no_formulas_and_stay_one_column(tmp_path: Path) -> None:
    rows = [{"epoch": "0", "=1+1": "0.5", "seqeval/\u202e/f1": "0.1"}]
    (tmp_path / "curves.csv").write_bytes(to_csv(rows))
    again = [*rows_before(tmp_path / "curves.csv", 1), {"epoch": "1", "=1+1": "0.6", "seqeval/\u202e/f1": "0.2"}]
    assert to_csv(again).decode().splitlines() == ["epoch,'=1+1,seqeval/\\u202e/f1", "0,0.5,0.1", "1,0.6,0.2"]
