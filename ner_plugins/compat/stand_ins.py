"""
Stand-ins for libraries that AllenNLP imports at start-up and this package does not use.

A real library is preferred wherever it can be imported. A stand-in satisfies `import`, base classes, annotations and
`isinstance`; using it raises an `ImportError` that names the library to install.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any


class _Placeholder(type):
    """The class of every name in a stand-in, which can be subclassed and compared but not called."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        library = cls.__dict__.get("_stand_in_for")  # a subclass has none of its own and may be called
        if library is not None:
            raise ImportError(
                f"{cls.__module__}.{cls.__name__} is needed here, but {library} is not installed: pip install {library}"
            )
        return super().__call__(*args, **kwargs)


class StandInModule(ModuleType):
    """A module in which every public name exists as a placeholder."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        library = self.__name__.partition(".")[0]
        placeholder = _Placeholder(name, (), {"__module__": self.__name__, "_stand_in_for": library})
        setattr(self, name, placeholder)
        return placeholder


def supply_torchvision() -> None:
    """AllenNLP 2.10.1 imports torchvision for images; none of its builds matches every torch (2.4 and later)."""
    _supply("torchvision", ["torchvision.ops", "torchvision.ops.boxes"])


def supply_fairscale() -> None:
    """AllenNLP 2.10.1 imports fairscale; the version it asks for (0.4.6) needs `torch._six`, gone in torch 2.0."""
    _supply(
        "fairscale",
        [
            "fairscale.nn",
            "fairscale.nn.checkpoint",
            "fairscale.nn.misc",
            "fairscale.nn.wrap",
            "fairscale.optim",
            "fairscale.optim.grad_scaler",
        ],
    )


def supply_spacy() -> None:
    """
    AllenNLP 2.10.1 imports spaCy; the versions it allows (< 3.4) have no build for Python 3.11 or numpy 2. Where there
    is spaCy, `deferred` imports it when it is used.
    """
    if importlib.util.find_spec("spacy") is None:
        replace_broken_spacy()


def replace_broken_spacy() -> None:
    """allennlp-models 2.10.1 imports spaCy at once: so does this function, and a broken one gets a stand-in."""
    names = ["cli", "cli.download", "language", "symbols", "tokens"]
    _supply("spacy", [f"spacy.{name}" for name in names])


def _supply(library: str, submodules: list[str]) -> None:
    if library in sys.modules:
        return
    try:
        importlib.import_module(library)
        return
    except (ImportError, OSError, RuntimeError, AttributeError, ValueError):
        # Missing, or built for another torch, numpy or CUDA: drop what is half imported.
        for name in [name for name in sys.modules if name == library or name.startswith(library + ".")]:
            del sys.modules[name]
    _let_transformers_look_first(library)
    for name in [library, *submodules]:
        module = StandInModule(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__path__ = []
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def _let_transformers_look_first(library: str) -> None:
    """Transformers looks for a library once and caches the answer: have it look before there is a stand-in."""
    from transformers.utils import import_utils

    for name in (f"is_{library}_available", f"is_{library}_v2_available"):
        ask = getattr(import_utils, name, None)
        if ask is not None:
            ask()
