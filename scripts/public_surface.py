"""
The public surface: registered names with their options and defaults, commands with their flags, importable names.

    python scripts/public_surface.py            prints it as JSON
    python scripts/public_surface.py --update   writes it to tests/golden/public_surface.json

A test compares the two, so a change of the surface shows up as a diff of that file.
"""

import argparse
import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).resolve().parent.parent / "tests/golden/public_surface.json"
# What constructors are given by AllenNLP, and nobody writes into a config.
_NOT_OPTIONS = {"self", "vocab", "serialization_dir", "encoding_dim", "types", "kwargs", "args", "model_parameters"}
_NOT_OPTIONS |= {"manual_distributed_sharding"}


def surface() -> dict[str, Any]:
    """Registered classes, commands and importable names of this package."""
    from allennlp.common.plugins import import_module_and_submodules

    import ner_plugins

    import_module_and_submodules("ner_plugins")
    return {"registered": _registered(), "commands": _commands(), "importable": _importable(ner_plugins)}


def _registered() -> dict[str, dict[str, dict[str, str]]]:
    from allennlp.common.from_params import infer_params
    from allennlp.common.registrable import Registrable

    found: dict[str, dict[str, dict[str, str]]] = {}
    for base, names in Registrable._registry.items():
        for name, (cls, constructor) in names.items():
            if cls.__module__.startswith("ner_plugins."):
                function = getattr(cls, constructor) if constructor else cls.__init__
                options = infer_params(cls, function)
                left_out = _NOT_OPTIONS | getattr(cls, "fixed_options", frozenset())
                options = {key: _default(value) for key, value in options.items() if key not in left_out}
                found.setdefault(base.__name__, {})[name] = options
    return {base: dict(sorted(names.items())) for base, names in sorted(found.items())}


def _default(parameter: Any) -> str:
    from allennlp.common import Lazy

    value = parameter.default
    if value is parameter.empty:
        return "required"
    if isinstance(value, Lazy):
        return f"Lazy({value.constructor.__qualname__}, {dict(value._params)})" if len(value._params) else "Lazy"
    return repr(value)


def _commands() -> dict[str, Any]:
    from allennlp.commands.subcommand import Subcommand

    found = {}
    for name in sorted(Subcommand.list_available()):
        if Subcommand.by_name(name).__module__.startswith("ner_plugins."):
            parser = argparse.ArgumentParser()
            Subcommand.by_name(name)().add_subparser(parser.add_subparsers())
            found[name] = _flags(_choices(parser)[name])
    return found


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _flags(parser: argparse.ArgumentParser) -> dict[str, Any]:
    flags: dict[str, Any] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.dest == "help":
            continue
        choices = f" of {list(action.choices)}" if action.choices else ""
        flags[", ".join(action.option_strings) or action.dest] = f"{action.default!r}{choices}"
    return {**flags, **{name: _flags(below) for name, below in sorted(_choices(parser).items())}}


def _importable(package: Any) -> dict[str, list[str]]:
    found = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if info.ispkg and not any(part.startswith("_") for part in info.name.split(".")):
            names = getattr(importlib.import_module(info.name), "__all__", [])
            if names:
                found[info.name] = sorted(names)
    return dict(sorted(found.items()))


def as_text() -> str:
    """The snapshot's text."""
    return json.dumps(surface(), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """See the module's docstring."""
    if sys.argv[1:] == ["--update"]:
        SNAPSHOT.write_text(as_text(), encoding="utf-8")
    else:
        print(as_text(), end="")


if __name__ == "__main__":
    main()
