"""Running an action of `allennlp ner-data` in this process, and reading what it wrote."""

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

from generated_sentences import gold

from ner_plugins.data_tools.corpora import make_reader

FIXTURES = Path(__file__).parents[2] / "fixtures"
CLUENER = FIXTURES / "cluener"


def run(action: str, *arguments: Any) -> None:
    module = import_module(f"ner_plugins.commands.ner_data.{action}")
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args(list(map(str, arguments))))


def read(path: Any, spec: Any = None, **options: Any) -> list[Any]:
    """Texts and entities."""
    return [gold(s) for s in make_reader(spec, str(path), **options).sentences(str(path))]
