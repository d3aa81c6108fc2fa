"""`allennlp ner-data`: the command and its parser."""

import argparse

import pytest

from ner_plugins.commands.ner_data import ACTIONS, NerDataCommand


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    subparser = NerDataCommand().add_subparser(parser.add_subparsers())
    subparser.add_argument("--include-package", action="append", default=[])  # as AllenNLP does
    return parser.parse_args(["ner-data", *arguments])


def test_actions_have_their_functions() -> None:
    assert [action.NAME for action in ACTIONS] == ["stats", "check", "convert", "split", "sample", "apply", "download"]
    for action in ACTIONS[:2]:
        args = parse(action.NAME, "a", "b", "--reader", "msra")
        assert args.func is action.run and args.paths == ["a", "b"] and args.reader == "msra"


def test_packages_may_be_named_before_and_after_the_action() -> None:
    assert parse("stats", "a").include_package == []
    assert parse("--include-package", "p", "stats", "a").include_package == ["p"]
    assert parse("stats", "a", "--include-package", "p", "--include-package", "q").include_package == ["p", "q"]


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse()
    assert ended.value.code == 2 and "ACTION" in capsys.readouterr().err


def test_the_command_is_registered(allennlp) -> None:
    done = allennlp("ner-data", "--help")
    assert done.returncode == 0 and "SUPPRESS" not in done.stdout, done.stderr
    for action in ACTIONS:
        assert f"\n    {action.NAME} " in done.stdout
