import logging
import warnings
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from ner_plugins import plotting
from ner_plugins.data_tools.statistics import CorpusStatistics
from ner_plugins.data_tools.statistics.plots import check_plot_file, plot_statistics
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError


def corpora(types: list[str]) -> list[CorpusStatistics]:
    train, test = CorpusStatistics("c#train", "c", "train"), CorpusStatistics("c#test", "c", "test")
    for number, type_ in enumerate(types):
        train.add(Sentence("字" * (number + 3), [Entity(0, number + 1, type_)]))
    train.add(Sentence("", ()))
    test.add(Sentence("一", None))
    return [train, test, CorpusStatistics("empty")]


@pytest.mark.parametrize("ending", [".png", ".svg", ".PDF"])
def test_a_picture(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"p{ending}"
    check_plot_file(str(file))
    plot_statistics(corpora(["PER", "LOC"]), str(file))
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".PDF": b"%PDF"}[ending]
    assert file.read_bytes().startswith(start)


def svg_of(types: list[str], tmp_path: Path) -> str:
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):  # text stays text
        plot_statistics(corpora(types), str(tmp_path / "p.svg"))
    return (tmp_path / "p.svg").read_text(encoding="utf-8")


def test_what_a_picture_says(tmp_path: Path) -> None:
    svg = svg_of(["PER", "LOC", "$x$", "PER"], tmp_path)
    assert ">empty<" not in svg  # without a sentence there is nothing to draw
    for text in ("PER", "LOC", "$x$", "c#train", "c#test", "characters of a text", "share of the entities"):
        assert f">{text}<" in svg, text


def test_names_that_no_font_shows_are_numbered_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plotting, "CJK_FONTS", ("No Such Font",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_of(["公司", "PER", "인물", "公司"], tmp_path)
    assert "#1<" in svg and "#2<" in svg and ">PER<" in svg and "公司" not in svg
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "#1 = 公司, #2 = 인물" in record.getMessage()


def test_settings_of_the_user_stay(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plot_statistics(corpora(["PER"]), str(tmp_path / "p.png"))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name, message", [("p.txt", "end in .png, .svg, .pdf"), ("no/p.png", "there is no folder")])
def test_files_that_cannot_be_written(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_plot_file(str(tmp_path / name))
