"""Misspelt options and names in a config: told with what they may have meant, and at which key."""

import functools
import inspect
import os
from difflib import get_close_matches
from typing import Any, Callable, Collection, Optional

from allennlp.common.checks import ConfigurationError

from ner_plugins.errors import ConfigError

# What constructors take, but not from a config.
_NOT_OPTIONS = {"self", "vocab", "manual_distributed_sharding", "manual_multiprocess_sharding"}


class OptionError(ConfigError, ConfigurationError):
    """An option that does not exist; AllenNLP, which tries one type after the other, knows it as its own error."""


def refuse_unknown_options() -> None:
    """
    AllenNLP 2.10.1 hands a key that it does not know to any constructor with `**kwargs`, which fails, or ignores it.

    Where no constructor of the class takes the key, the key is named before anything is constructed, with the option
    that it is near. A stock class with `**kwargs` may mean them, and keeps them.
    """
    from allennlp.common import from_params

    original = from_params.create_kwargs
    if hasattr(original, "refuses_unknown"):
        return

    @functools.wraps(original)
    def create_kwargs(constructor: Callable[..., Any], cls: type, params: Any, **extras: Any) -> dict[str, Any]:
        if not _takes_anything(cls, constructor):
            known = from_params.infer_params(cls, constructor)
            for key in params:
                if key not in known:
                    options = known.keys() - _NOT_OPTIONS - extras.keys() - {"kwargs"}
                    raise OptionError(unknown_option(params.history, registered_name(cls), key, options))
        kwargs: dict[str, Any] = original(constructor, cls, params, **extras)
        return kwargs

    create_kwargs.refuses_unknown = True  # type: ignore[attr-defined]
    from_params.create_kwargs = create_kwargs


def unknown_option(place: str, owner: str, key: str, options: Collection[str]) -> str:
    """
    What to say of a key that is no option.

    # Parameters

    place : `str`
        Where in the config, `dataset_reader.`.
    owner : `str`
        What has the options, `weibo`.
    key : `str`
    options : `Collection[str]`
        Those that there are.
    """
    near = get_close_matches(key, options, n=1)
    where = f"{place.rstrip('.')}: " if place else ""
    listed = ", ".join(sorted(options)) or "none"
    return f"{where}{owner} has no option {key!r}{f': did you mean {near[0]!r}?' if near else '.'} It has: {listed}"


def registered_name(cls: type) -> str:
    """The name that a config has for `cls`; the class's own where it has none, or several."""
    from allennlp.common.registrable import Registrable

    names = {name for known in Registrable._registry.values() for name, (found, _) in known.items() if found is cls}
    names.discard("default")
    return str(names.pop()) if len(names) == 1 else cls.__name__


def is_ours(cls: Any) -> bool:
    """Whether `cls` is of this package."""
    return str(getattr(cls, "__module__", "")).partition(".")[0] == "ner_plugins"


def _takes_anything(cls: type, constructor: Any) -> bool:
    """Whether a key that no constructor names can be meant. Classes of this package hand theirs on to their parents."""
    from allennlp.common.from_params import FromParams

    kinds = {parameter.kind for parameter in inspect.signature(constructor).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        return False
    parents: list[Any] = [parent for parent in cls.mro()[1:] if issubclass(parent, FromParams)]
    return not is_ours(cls) or not parents or _takes_anything(parents[0], parents[0].__init__)


def name_few_choices() -> None:
    """AllenNLP 2.10.1 answers a misspelt name with every name there is, some sixty readers, in no order."""
    from allennlp.common.params import Params

    original = Params.pop_choice
    if hasattr(original, "names_few"):
        return

    @functools.wraps(original)
    def pop_choice(self: Any, key: str, choices: Any, *args: Any, **kwargs: Any) -> Any:
        value = self.params.get(key)
        try:
            return original(self, key, choices, *args, **kwargs)
        except ConfigurationError:
            registry = getattr(choices, "registry", None)
            if registry is None or not isinstance(value, str):
                raise
            raise OptionError(_unknown_name(self.history + key, value, registry)) from None

    pop_choice.names_few = True  # type: ignore[attr-defined]
    Params.pop_choice = pop_choice


def _unknown_name(place: str, value: str, registry: dict[str, tuple[type, Optional[str]]]) -> str:
    near = get_close_matches(value, registry, n=1)
    ours = sorted(name for name, (cls, _) in registry.items() if is_ours(cls))
    others = len(registry) - len(ours)
    listed = f"ner_plugins has {', '.join(ours)}; " if ours else ""
    listed += f"AllenNLP and its plugins have {others}{' more' if ours else ''}" if others else ""
    if others and not ours:
        listed += f": {', '.join(sorted(registry)[:20])}{', …' if others > 20 else ''}"
    source = " (NER_READER)" if place == "dataset_reader.type" and value == os.environ.get("NER_READER") else ""
    guess = f": did you mean {near[0]!r}?" if near else "."
    return (
        f"{place}{source}: there is no {value!r}{guess} {listed.removesuffix('; ')}. A class of your own needs "
        "--include-package, or its path (my_package.my_module.MyClass)"
    )


def merge_nested_overrides() -> None:
    """
    AllenNLP 2.10.1 says in the help of `--overrides` that nested dictionaries mean the same as dotted keys, but lets
    `{"trainer": {"num_epochs": 1}}` replace the whole trainer.

    Here it changes that one key. A dictionary with a `type` is a new object, and replaces the old one, as ever.
    """
    from allennlp.common import params

    original = params.with_overrides
    if hasattr(original, "merges_nested"):
        return

    @functools.wraps(original)
    def with_overrides(given: Any, overrides: dict[str, Any], prefix: str = "") -> Any:
        if isinstance(given, dict):
            overrides = _dotted(given, overrides)
        return original(given, overrides, prefix)

    with_overrides.merges_nested = True  # type: ignore[attr-defined]
    params.with_overrides = with_overrides


def _dotted(given: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`overrides` with dotted keys for what changes a part of an object that is there."""
    dotted: dict[str, Any] = {}
    for key, value in overrides.items():
        if isinstance(value, dict) and value and "type" not in value and isinstance(given.get(key), dict):
            dotted |= {f"{key}.{inner}": change for inner, change in value.items()}
        else:
            dotted[key] = value
    return dotted
