"""The package imported as a whole, once in a process: to look for its modules again takes AllenNLP about a second."""

import sys
from functools import cache
from typing import Any

import ner_plugins


@cache
def import_package_once() -> None:
    """Import every module of the package, and let AllenNLP find nothing to do where it would import them again."""
    from allennlp.common import util

    original = util.import_module_and_submodules
    original(ner_plugins.__name__)

    def import_others(package_name: str, *args: Any, **kwargs: Any) -> None:
        if package_name != ner_plugins.__name__:
            original(package_name, *args, **kwargs)

    for module in list(sys.modules.values()):
        if getattr(module, "__dict__", {}).get("import_module_and_submodules") is original and module is not util:
            module.import_module_and_submodules = import_others  # type: ignore[attr-defined]
