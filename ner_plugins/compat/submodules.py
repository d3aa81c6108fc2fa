"""Importing a package with its submodules, as `--include-package` does."""

import importlib
import pkgutil
from typing import Any, Optional

from ner_plugins.compat.replace import replace

_NEEDS_CHECKLIST = "allennlp.confidence_checks.task_checklists"


def look_into_folders_once() -> None:
    """
    For each submodule AllenNLP 2.10.1 makes Python forget which files are in which folder, and looks for `checklist`:
    some hundred times the content of all folders of `sys.path`. Do both once for a package.
    """
    from allennlp.common import util

    def looking_once(original: Any) -> Any:
        def import_module_and_submodules(package_name: str, exclude: Optional[set[str]] = None) -> None:
            excluded = exclude or set()
            try:
                importlib.import_module("checklist")
            except ImportError:
                excluded |= {_NEEDS_CHECKLIST}
            importlib.invalidate_caches()
            with util.push_python_path("."):
                _import_all(package_name, excluded)

        return import_module_and_submodules

    replace(util, "import_module_and_submodules", looking_once)


def _import_all(name: str, excluded: set[str]) -> None:
    """Import a module and its public submodules, but for tests, in the order of AllenNLP."""
    if name in excluded:
        return
    folders = list(getattr(importlib.import_module(name), "__path__", []))
    for module in pkgutil.iter_modules(folders):
        # Of a package in several folders, AllenNLP takes the first.
        if getattr(module.module_finder, "path", None) == folders[0] and not module.name.startswith(("_", "test")):
            _import_all(f"{name}.{module.name}", excluded)
