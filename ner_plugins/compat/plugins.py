"""Registered classes of AllenNLP and its plugins, imported when a config names one rather than at start."""

import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ner_plugins.compat.replace import replace

logger = logging.getLogger(__name__)

# Default plugins of AllenNLP that may add commands: import them before the command line is parsed.
_PLUGINS_WITH_COMMANDS = ("allennlp_semparse", "allennlp_server")


class _RegisteredNames(list[str]):
    """The names of a registry. Looking up a missing one imports every plugin and looks again."""

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
    AllenNLP 2.10.1 imports all of itself and of allennlp_models before any command, most of the start-up time.

    Here a command starts with the plugins of `.allennlp_plugins` only; `load_all_plugins` imports the rest.
    """
    from allennlp.common import plugins

    def importing_named(original: Any) -> Any:
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

        return import_plugins

    replace(plugins, "import_plugins", importing_named)


def complete_registries_on_demand() -> None:
    """AllenNLP 2.10.1 expects every plugin to be imported; import them before a registry reports a missing name."""
    from allennlp.common.checks import ConfigurationError
    from allennlp.common.registrable import Registrable

    def listing_on_demand(original: Any) -> Any:
        def list_available(cls: type) -> list[str]:
            return _RegisteredNames(original(cls), Registrable._registry[cls])

        return list_available

    def resolving_on_demand(original: Any) -> Any:
        def resolve_class_name(cls: type, name: str) -> Any:
            if "." not in name:
                _load_until(lambda: name in Registrable._registry[cls])
            elif not all(name.split(".")):  # Python would try to import a package without a name
                raise ConfigurationError(f"{name!r} is neither a registered name nor the path of a class")
            return original(cls, name)

        return resolve_class_name

    replace(Registrable, "list_available", listing_on_demand)
    replace(Registrable, "resolve_class_name", resolving_on_demand)


# Names that AllenNLP or allennlp_models register too; they stand for this package's class.
_OVERRIDDEN = {("Model", "crf_tagger"), ("TrainerCallback", "wandb")}


def let_this_package_win() -> None:
    """
    AllenNLP 2.10.1 raises an error when a second class is registered under a name.

    The names of `_OVERRIDDEN` lead to this package's class, whichever is imported first; the other class can still be
    named by its class path.
    """
    from allennlp.common.registrable import Registrable

    def keeping_ours(original: Any) -> Any:
        def register(cls: type, name: str, constructor: Any = None, exist_ok: bool = False) -> Any:
            add = original(cls, name, constructor, exist_ok)
            if (cls.__name__, name) not in _OVERRIDDEN:
                return add

            def add_unless_ours_is_there(subclass: type) -> type:
                known = Registrable._registry[cls].get(name)
                if known is None or not is_ours(known[0]) or is_ours(subclass):
                    add(subclass)
                return subclass

            return add_unless_ours_is_there

        return register

    replace(Registrable, "register", keeping_ours)


def is_ours(cls: Any) -> bool:
    """Whether the class `cls` is defined in this package."""
    return str(getattr(cls, "__module__", "")).partition(".")[0] == "ner_plugins"


_loaded: set[str] = set()


def _load_until(is_registered: Callable[[], bool]) -> None:
    """Import this package, then everything else, until a name is registered or nothing is left to import."""
    for load in (load_this_package, load_all_plugins):
        if is_registered() or load.__name__ in _loaded:
            continue
        _loaded.add(load.__name__)  # before loading: the imports look names up themselves
        load()


def load_this_package() -> None:
    """Import all of this package, as `--include-package ner_plugins` does."""
    from allennlp.common import plugins

    plugins.import_module_and_submodules("ner_plugins")


# The packages whose classes an archive's configuration names.
_OF_ARCHIVES = (
    "dataset_readers", "lexicon", "tokenizers", "token_indexers",
    "metrics", "modules", "token_embedders", "heads", "models", "predictors",
)  # fmt: skip


def load_model_parts() -> None:
    """
    Import what archives of this package consist of; loading one needs neither training nor commands, whose imports take
    longer. Other names of a configuration are found on demand.
    """
    for name in _OF_ARCHIVES:
        package = importlib.import_module(f"ner_plugins.{name}")
        # AllenNLP's `import_module_and_submodules` would import checklist first.
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "._" not in module.name:  # private
                importlib.import_module(module.name)


def load_all_plugins() -> None:
    """Import all of AllenNLP and its default plugins, as the stock command does at start."""
    from allennlp.common import plugins

    logger.debug("a config names something that is not registered yet: importing all plugins")
    original = getattr(plugins.import_plugins, "__wrapped__", plugins.import_plugins)
    with warnings.catch_warnings():
        # Raised by rouge, which allennlp_models imports; users cannot do anything about it.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        original()


@contextmanager
def nltk_kept_offline(consumer: str) -> Iterator[None]:
    """allennlp_models 2.10.1 downloads NLTK data while `rc.tools.narrativeqa` is imported; refuse that."""
    import nltk

    original = nltk.download
    nltk.download = _refuse_download
    try:
        yield
    finally:
        nltk.download = original


def _refuse_download(name: str, *args: Any, **kwargs: Any) -> bool:
    logger.debug("NLTK data %r is missing; `python -m nltk.downloader %s` downloads it", name, name)
    return False
