import argparse
import json
import shlex
from typing import Any

import pytest

from ner_plugins import progress
from ner_plugins.commands.ner_data import transfer


@pytest.mark.parametrize("redrawn", [True, False])
def test_progress_starts_late(redrawn: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    seen: list[dict[str, Any]] = []
    original = progress.progress

    def bar(items: Any, **options: Any) -> Any:
        seen.append(options)
        return original(items, **options)

    monkeypatch.setattr(progress, "is_redrawn", lambda: redrawn)
    monkeypatch.setattr("ner_plugins.progress.progress", bar)
    assert list(transfer.with_progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert seen == [{"desc": "sentences", "delay": 2} if redrawn else {"desc": "sentences"}]


def test_the_summary_keeps_out_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    transfer.print_summary("a", "-")
    transfer.print_summary("b", "f.json")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("b\n", "a\n")


def test_defaults_of_writing() -> None:
    parser = argparse.ArgumentParser()
    transfer.add_writing(parser, "by the name")
    args = parser.parse_args([])
    assert args.to is None
    assert transfer.writing_options(args) == {
        "tokens": "characters", "overlaps": "raise", "on_error": "raise", "offsets": "characters", "force": False,
    }  # fmt: skip


def test_how_to_read() -> None:
    assert transfer.how_to_read("cluener", "characters") == "--reader cluener"
    assert json.loads(shlex.split(transfer.how_to_read("doccano", "characters", "utf16"))[1])["offsets"] == "utf16"
    assert transfer.how_to_read("bio", "words").startswith("--reader '{")
