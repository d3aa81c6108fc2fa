"""
Dataset readers: from a data path to sentences, and from sentences to instances.

Every reader class of this package, wherever its module is, can be imported from here.
"""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from ner_plugins.dataset_readers.ner_reader import NerDatasetReader as NerDatasetReader

__all__ = ["NerDatasetReader"]


def _export_readers() -> None:
    for module in pkgutil.walk_packages(__path__, f"{__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and issubclass(value, NerDatasetReader) and name not in __all__:
                globals()[name] = value
                __all__.append(name)


_export_readers()

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...
