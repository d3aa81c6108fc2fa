"""AllenNLP's own registered classes and those of its plugins: imported when a name asks for them, not at start."""

import functools
import importlib
import importlib.util
import logging
import os
import sys
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterator

logger = logging.getLogger(__name__)

# Default plugins of AllenNLP that may add commands, which have to be known before the command line is parsed.
_PLUGINS_WITH_COMMANDS = ("allennlp_semparse", "allennlp_server")


class _RegisteredNames(list[str]):
    """The names of a registry; asked for one that it lacks, it has every plugin imported and looks again."""

    def __init__(self, names: list[str], registry: Any) -> None:
        super().__init__(names)
        self.registry = registry

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            _load_until(lambda: name in self.registry)
            self.extend([new for new in self.registry if not super(_RegisteredNames, self).__contains__(new)])
        return super().__contains__(name)


def import_plugins_on_demand() -> None:
    """
    AllenNLP 2.10.1 imports all of itself and of allennlp_models before any command, which takes longer than all else.

    Here a command starts with the plugins of `.allennlp_plugins` only; the rest follows in `load_all_plugins`.
    """
    from allennlp.common import plugins

    original = plugins.import_plugins
    if hasattr(original, "load_all"):
        return

    @functools.wraps(original)
    def import_plugins() -> None:
        # Spawned processes do not find modules of the current directory without this.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        for name in _PLUGINS_WITH_COMMANDS:
            if importlib.util.find_spec(name) is not None:
                plugins.import_module_and_submodules(name)
        for name in plugins.discover_plugins():
            try:
                importlib.import_module(name)
                logger.info("Plugin %s available", name)
            except ModuleNotFoundError as error:
                logger.error("Plugin %s could not be loaded: %s", name, error)

    import_plugins.load_all = original  # type: ignore[attr-defined]
    plugins.import_plugins = import_plugins


def complete_registries_on_demand() -> None:
    """Let a registry that lacks a name import every plugin before it says so (see `import_plugins_on_demand`)."""
    from allennlp.common.registrable import Registrable

    if hasattr(Registrable.resolve_class_name.__func__, "completes_on_demand"):
        return
    list_available = Registrable.list_available.__func__
    resolve_class_name = Registrable.resolve_class_name.__func__

    @functools.wraps(list_available)
    def list_available_on_demand(cls: type) -> list[str]:
        return _RegisteredNames(list_available(cls), Registrable._registry[cls])

    @functools.wraps(resolve_class_name)
    def resolve_on_demand(cls: type, name: str) -> Any:
        if "." not in name:
            _load_until(lambda: name in Registrable._registry[cls])
        return resolve_class_name(cls, name)

    resolve_on_demand.completes_on_demand = True  # type: ignore[attr-defined]
    Registrable.list_available = classmethod(list_available_on_demand)
    Registrable.resolve_class_name = classmethod(resolve_on_demand)


# Names that allennlp_models registers too, and that mean this package's class wherever both are there.
_OVERRIDDEN = {("Model", "crf_tagger")}


def let_this_package_win() -> None:
    """
    AllenNLP 2.10.1 ends in an error when a second class is registered under a name.

    For the names of `_OVERRIDDEN` this package's class is the one found, whichever is imported first; the other one
    goes on without its name, and is found by its class path.
    """
    from allennlp.common.registrable import Registrable

    original = Registrable.register.__func__
    if hasattr(original, "lets_this_package_win"):
        return

    @functools.wraps(original)
    def register(cls: type, name: str, constructor: Any = None, exist_ok: bool = False) -> Any:
        add = original(cls, name, constructor, exist_ok)
        if (cls.__name__, name) not in _OVERRIDDEN:
            return add

        def add_unless_ours_is_there(subclass: type) -> type:
            known = Registrable._registry[cls].get(name)
            if known is None or not _is_ours(known[0]) or _is_ours(subclass):
                add(subclass)
            return subclass

        return add_unless_ours_is_there

    register.lets_this_package_win = True  # type: ignore[attr-defined]
    Registrable.register = classmethod(register)


def _is_ours(subclass: type) -> bool:
    return subclass.__module__.partition(".")[0] == "ner_plugins"


_loaded: set[str] = set()


def _load_until(is_registered: Callable[[], bool]) -> None:
    """Import this package, then everything else, until a name is registered or there is nothing left to import."""
    for load in (load_this_package, load_all_plugins):
        if is_registered() or load.__name__ in _loaded:
            continue
        _loaded.add(load.__name__)  # first: the imports ask registries themselves
        load()


def load_this_package() -> None:
    """Import all of this package: what `--include-package ner_plugins` asks for."""
    from allennlp.common import plugins

    plugins.import_module_and_submodules("ner_plugins")


def load_all_plugins() -> None:
    """Import all of AllenNLP and its default plugins: what the stock command does at start."""
    from allennlp.common import plugins

    logger.debug("a config names something that is not registered yet: importing all plugins")
    original = getattr(plugins.import_plugins, "load_all", plugins.import_plugins)
    with warnings.catch_warnings():
        # Of rouge, which allennlp_models imports: nothing that a user can mend.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        original()


@contextmanager
def nltk_kept_offline(consumer: str) -> Iterator[None]:
    """allennlp_models 2.10.1 downloads NLTK data while it is imported (`rc.tools.narrativeqa`): not without asking."""
    import nltk

    original = nltk.download
    nltk.download = _refuse_download
    try:
        yield
    finally:
        nltk.download = original


def _refuse_download(name: str, *args: Any, **kwargs: Any) -> bool:
    logger.debug("NLTK data %r is not here; `python -m nltk.downloader %s` downloads it", name, name)
    return False
