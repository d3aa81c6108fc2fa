"""
What the configuration of an archive may name. Anyone can make an archive, and must not run code with it.

AllenNLP takes any `type` with a dot in it as the path of a class, imports and calls it: `subprocess.Popen` starts a
program. While an archive is loaded (`untrusted`), only registered names count. Training is not limited: its
configuration is the user's own.
"""

import os
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Iterable, Iterator, Optional

from ner_plugins.compat.replace import replace
from ner_plugins.errors import ArchiveError

REMEDY = (
    "If you know who made the archive and trust them, add --trust-archive (in Python: trust_archive=True for a Tagger, "
    "or `with ner_plugins.archives.trust.trusting():` around load_archive)"
)

# For processes that a command starts, which do not have its context.
VARIABLE = "NER_PLUGINS_TRUST_ARCHIVE"

_trusting: ContextVar[bool] = ContextVar("ner_plugins_trusting", default=False)
# What the user has named, while an archive that is not trusted is loaded; `None` at other times.
_named: ContextVar[Optional[frozenset[str]]] = ContextVar("ner_plugins_named", default=None)


@contextmanager
def trusting(trusted: bool = True) -> Iterator[None]:
    """
    A context in which the configurations of archives may name anything, as one's own configuration may.

    # Parameters

    trusted : `bool`, optional (default=`True`)
        `False` changes nothing.
    """
    token = _trusting.set(trusted or is_trusting())
    try:
        yield
    finally:
        _trusting.reset(token)


def is_trusting() -> bool:
    """Whether archives may name anything."""
    return _trusting.get() or os.environ.get(VARIABLE) == "1"


@contextmanager
def untrusted(named: Iterable[str] = ()) -> Iterator[None]:
    """
    A context in which objects are built of an archive's configuration, which may not name classes, remote code or
    places on the network, unless archives are trusted (`trusting`).

    # Parameters

    named : `Iterable[str]`, optional (default=`()`)
        What the user has named beside the archive, in overrides: that is allowed. An archive inside an archive is not
        named by the user.
    """
    token = _named.set(None if is_trusting() else frozenset(named))
    try:
        yield
    finally:
        _named.reset(token)


def is_untrusted() -> bool:
    """Whether an archive that is not trusted is being loaded."""
    return _named.get() is not None


def strings_in(value: Any) -> set[str]:
    """All strings in a JSON value, keys aside."""
    if isinstance(value, str):
        return {value}
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(strings_in, parts))


def refuse_class_paths() -> None:
    """AllenNLP 2.10.1 imports and calls whatever a `type` with a dot names, also if an archive says so."""
    from allennlp.common.registrable import Registrable

    def resolving_registered(original: Any) -> Any:
        def resolve_class_name(cls: type, name: str) -> Any:
            named = _named.get()
            if named is not None and "." in name and name not in Registrable._registry[cls] and name not in named:
                raise ArchiveError(
                    f"{_place()} is the path of a class, {name!r}, and loading it would run code that the archive "
                    "chooses. Register the class by a name, and name its package with --include-package. " + REMEDY
                )
            return original(cls, name)

        return resolve_class_name

    replace(Registrable, "resolve_class_name", resolving_registered)


def refuse_remote_files() -> None:
    """
    AllenNLP 2.10.1 opens or downloads whatever file a configuration names, also if an archive says so; and it makes a
    folder for downloads in the home folder, which may not be there, also for files that are here.
    """
    from allennlp.common import file_utils

    def opening_local(original: Any) -> Any:
        def cached_path(url_or_filename: Any, *args: Any, **kwargs: Any) -> Any:
            check_file(url_or_filename)
            if not args and not kwargs and os.path.isfile(url_or_filename):
                return str(url_or_filename)
            return original(url_or_filename, *args, **kwargs)

        return cached_path

    replace(file_utils, "cached_path", opening_local)


def check_file(name: Any) -> None:
    """
    Check a file that the configuration of an archive names.

    # Raises

    `ArchiveError` if an archive that is not trusted is being loaded, and the name is a URL that the user has not named,
    or something to read from without an end, such as a device.
    """
    named, text = _named.get(), str(name)
    if named is None or text in named:
        return
    if "://" in text:
        raise ArchiveError(
            f"the archive's configuration names {text}, so that loading it would use the network. An archive should "
            f"carry what it needs. {REMEDY}"
        )
    path = text.partition("!")[0]
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise ArchiveError(f"the archive's configuration names {path}, which is neither a file nor a folder. {REMEDY}")


def refuse_spacy_downloads() -> None:
    """AllenNLP 2.10.1 loads spaCy pipelines from any folder, and installs those that are missing."""
    from allennlp.common import util

    def using_installed(original: Any) -> Any:
        def get_spacy_model(spacy_model_name: str, *args: Any, **kwargs: Any) -> Any:
            if is_untrusted():
                from importlib.util import find_spec

                if find_spec("spacy") is None or not _is_spacy_package(spacy_model_name):
                    raise ArchiveError(
                        f"{_place()}: the spaCy pipeline {spacy_model_name!r} is not installed, and loading an archive "
                        f"does not install it. {REMEDY}"
                    )
            return original(spacy_model_name, *args, **kwargs)

        return get_spacy_model

    replace(util, "get_spacy_model", using_installed)


def _is_spacy_package(name: str) -> bool:
    import spacy

    return bool(spacy.util.is_package(name))


# Options of registered classes that name code: of a repository on the hub, and programs that metrics start.
_NAMING_CODE = frozenset({"trust_remote_code", "evalb_directory_path", "srl_eval_path"})


def check_programs(config: Any, overrides: Any, place: str = "") -> None:
    """
    Check that no option of a registered class names a program, or asks Transformers for code from a repository.

    # Parameters

    config : `Any`
        Of an archive, with overrides, or a part of it.
    overrides : `Any`
        The overrides: what they set is allowed.
    place : `str`, optional (default=`""`)
        The part's key, with a dot behind it.

    # Raises

    `ArchiveError` with the key, if archives are not trusted.
    """
    if is_trusting():
        return
    for key, value in _items(config):
        if key in _NAMING_CODE and value not in (False, None) and (key, value) not in _leaves(overrides):
            raise ArchiveError(
                f"{place}{key} of the archive's configuration is {value!r}, which names code to run. {REMEDY}"
            )
        check_programs(value, overrides, f"{place}{key}.")


def _items(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        return value.items()
    return [(str(place), one) for place, one in enumerate(value)] if isinstance(value, list) else []


def _leaves(overrides: Any) -> Iterator[tuple[str, Any]]:
    """The values in overrides with the last part of their keys, which may be dotted."""
    for key, value in _items(overrides):
        yield key.rpartition(".")[2], value
        yield from _leaves(value)


def _place() -> str:
    from ner_plugins.options import place_of_object

    return f"{place_of_object()}type of the archive's configuration"
