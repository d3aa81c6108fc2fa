"""`allennlp ner-data check`: as a user runs it, and its function."""

import argparse
import json
from pathlib import Path

import pytest

from ner_plugins.commands.ner_data import check
from ner_plugins.errors import ConfigError


def run(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    check.run(parser.parse_args(list(map(str, arguments))))


def test_errors_end_with_status_1(allennlp) -> None:
    done = allennlp("ner-data", "check", "fixtures/problems", "--limit", "1", LC_ALL="C")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("error unreadable: ") and lines[1].startswith("  fixtures/problems/train.json:2: ")
    assert lines[2] == "  … and 1 more (--limit 0 lists all)"
    assert lines[-1] == "10 sentences: 2 errors, 8 warnings, 6 notes"
    assert "skipped" not in done.stderr


def test_warnings_do_not(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(repository / "fixtures/problems", "--kinds", "leak, nested", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["kinds"]["leak"]["count"] == 1 and set(found["kinds"]) == {"leak", "nested"}
    assert found["problems"][0]["place"].endswith("fixtures/problems/dev.json:1")


def test_errors_of_other_kinds_do_not_count(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(repository / "fixtures/problems", "--json", "--max-length", "8")
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["kinds"]["long-text"]["count"] > 0


def test_the_help_lists_the_kinds_and_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    assert "warning  unlabelled-repeat" in parser.format_help() and "exit status 1" in check.HELP


@pytest.mark.parametrize("arguments", [["--kinds", "leek"], ["--kinds", ""], ["--limit", "-1"]])
def test_wrong_arguments(repository: Path, arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match=arguments[0]):
        run(repository / "fixtures/problems", *arguments)
