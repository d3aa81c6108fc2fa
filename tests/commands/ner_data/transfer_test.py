import argparse
import sys
from typing import Any

import pytest

from ner_plugins.commands.ner_data import transfer


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[dict[str, Any]] = []

    def bar(items: Any, **options: Any) -> Any:
        seen.append(options)
        return items

    assert list(transfer.with_progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("tqdm.tqdm", bar)
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        assert list(transfer.with_progress(range(3))) == [0, 1, 2]
    assert [options["disable"] for options in seen] == [False, True] and seen[0]["delay"] > 0
    assert all(options["file"] is sys.stderr for options in seen)


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
        "tokens": "characters", "overlaps": "raise", "on_error": "raise", "force": False,
    }  # fmt: skip


def test_how_to_read() -> None:
    assert transfer.how_to_read("cluener", "characters") == "--reader cluener"
    assert transfer.how_to_read("bio", "words").startswith("--reader '{")
