"""Names of files and folders to write that are empty, as with `-o "$UNSET"`."""

import argparse
import shlex

import pytest
from allennlp.commands.subcommand import Subcommand

from ner_plugins.commands.evaluate import EvaluateCommand
from ner_plugins.commands.ner_audit import NerAuditCommand
from ner_plugins.commands.ner_data import NerDataCommand
from ner_plugins.commands.ner_report import NerReportCommand
from ner_plugins.commands.ner_threshold import NerThresholdCommand
from ner_plugins.commands.output_names import output_name
from ner_plugins.commands.predict import PredictCommand
from ner_plugins.commands.train import TrainCommand

COMMANDS: dict[str, type[Subcommand]] = {
    "train config.jsonnet -s NAME": TrainCommand,
    "predict model.tar.gz in.txt --output-file NAME": PredictCommand,
    "evaluate model.tar.gz data --output-file NAME": EvaluateCommand,
    "evaluate model.tar.gz data --predictions-output-file NAME": EvaluateCommand,
    "ner-report model.tar.gz data -o NAME": NerReportCommand,
    "ner-threshold model.tar.gz data -o NAME": NerThresholdCommand,
    "ner-audit folds -o NAME": NerAuditCommand,
    "ner-data convert data NAME": NerDataCommand,
    "ner-data apply decisions.jsonl data -o NAME": NerDataCommand,
    "ner-data sample data NAME -n 3": NerDataCommand,
    "ner-data split data -o NAME": NerDataCommand,
    "ner-data download name -o NAME": NerDataCommand,
    "ner-data stats data --plot NAME": NerDataCommand,
}


@pytest.mark.parametrize("line", COMMANDS)
def test_an_empty_name_is_refused_by_every_command(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    COMMANDS[line]().add_subparser(parser.add_subparsers())
    parser.parse_args(shlex.split(line))
    for empty in ("''", "' '"):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(shlex.split(line.replace("NAME", empty)))
        assert ended.value.code == 2 and "the name is empty" in capsys.readouterr().err


def test_any_other_name_is_taken_as_it_is() -> None:
    assert [output_name(name) for name in ("a", "-", " a ")] == ["a", "-", " a "]
