"""Checks of a config's keys: unknown options and names, options with a fixed set of choices, nested overrides."""

import inspect
import json
import os
from collections.abc import Iterable
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Any, Callable, Collection, Literal, Optional, Union, get_args, get_origin

from ner_plugins.compat.plugins import is_ours
from ner_plugins.compat.replace import replace
from ner_plugins.errors import ConfigError, shown

_FEW = 5  # names: if this package has fewer, those of AllenNLP are more likely meant

NOT_OPTIONS = {"self", "vocab", "manual_distributed_sharding", "manual_multiprocess_sharding"}
"""Arguments of constructors that do not come from a config."""
# The key of the object whose arguments are being constructed, with a dot behind it: `model.`; empty at the top.
_owner: ContextVar[str] = ContextVar("ner_plugins_owner", default="")
# The keys of the objects that are being built, outermost first, with the class and the constructor of each.
_around: ContextVar[tuple[tuple[str, type, Any], ...]] = ContextVar("ner_plugins_around", default=())


def refuse_unknown_options() -> None:
    """
    AllenNLP 2.10.1 passes a key that it does not know to any constructor with `**kwargs`, which fails or ignores it.

    A key that no constructor of the class takes raises an `OptionError` with the closest option before anything is
    constructed. A stock class with `**kwargs` keeps such keys, since it may use them.
    """
    from allennlp.common import from_params

    def refusing_unknown(original: Any) -> Any:
        def create_kwargs(constructor: Callable[..., Any], cls: type, params: Any, **extras: Any) -> Any:
            known = from_params.infer_params(cls, constructor)
            if not takes_anything(cls, constructor):
                taken = _options(cls, known)
                for key in params:
                    if key not in taken:
                        supplied = extras.keys() - getattr(cls, "shared_options", frozenset())
                        options = taken - NOT_OPTIONS - supplied
                        raise OptionError(unknown_option(params.history, registered_name(cls), key, options))
            for key in params:
                if params.get(key) is None and key in known and known[key].default is not None:
                    check_choice(params.history + key, None, known[key].annotation)
                    _check_object(params.history + key, None, known[key].annotation)
                    if is_ours(cls):
                        _check_null(params.history + key, known[key].annotation)
            if hasattr(cls, "check_config"):
                cls.check_config(params)
            token = _owner.set(params.history)
            try:
                return original(constructor, cls, params, **extras)
            finally:
                _owner.reset(token)

        return create_kwargs

    replace(from_params, "create_kwargs", refusing_unknown)


def locate_construction_errors() -> None:
    """
    AllenNLP 2.10.1 does not name the config key in most errors raised while it builds an object from a config.

    Every exception gets two attributes on its way up: `config_key`, the innermost key (`model.loss`, `callbacks.0`;
    empty at the top of a config), and `config_value`, what the config has there. AllenNLP passes on unchecked the
    values of options annotated with `Literal` or `Lazy`, and reads a string as a list of letters; all are checked here.
    """
    from allennlp.common import from_params
    from allennlp.common.params import Params

    def locating_arguments(original: Any) -> Any:
        def construct_arg(
            class_name: str, argument_name: str, value: Any, annotation: Any, default: Any, /, **extras: Any
        ) -> Any:
            key = _owner.get() + argument_name
            if hasattr(annotation, "from_params") and value is not default and isinstance(value, (str, dict)):
                # As AllenNLP would do, but with the key.
                value = Params({"type": value} if isinstance(value, str) else value, history=f"{key}.")
            try:
                check_choice(key, value, annotation)
                if value is not default:
                    _check_list(key, value, annotation)
                    value = _check_object(key, value, annotation)
                return original(class_name, argument_name, value, annotation, default, **extras)
            except Exception as error:
                _locate(error, key, value)
                raise

        return construct_arg

    def locating_objects(original: Any) -> Any:
        def from_params(cls: Any, /, *args: Any, **kwargs: Any) -> Any:
            params = kwargs["params"] if "params" in kwargs else args[0] if args else None
            place = getattr(params, "history", "")
            inspected = kwargs.get("constructor_to_inspect") or cls.__init__
            token = _around.set((*_around.get(), (place, cls, inspected)))
            try:
                return original(cls, *args, **kwargs)
            except Exception as error:
                _locate(error, place.rstrip("."), params)
                raise
            finally:
                _around.reset(token)

        return from_params

    replace(from_params, "construct_arg", locating_arguments)
    replace(from_params.FromParams, "from_params", locating_objects)


def place_of_object() -> str:
    """The key of the object that is being built, with a dot behind it, `trainer.callbacks.0.`; empty if none is."""
    around = _around.get()
    return around[-1][0] if around else ""


def _locate(error: Any, key: str, value: Any) -> None:
    if not getattr(error, "config_key", ""):
        error.config_key, error.config_value = key, value


def _options(cls: type, known: dict[str, inspect.Parameter]) -> set[str]:
    """What a config can give of the arguments `known`."""
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    fixed: frozenset[str] = getattr(cls, "fixed_options", frozenset())
    return {name for name, argument in known.items() if argument.kind not in variable} - fixed - {"self"}


def _check_object(key: str, value: Any, annotation: Any) -> Any:
    """`value`, a name as an object with its `type`; `OptionError` if a `Lazy` object cannot be built of it."""
    from allennlp.common import Lazy, Params, Registrable

    if get_origin(annotation) is not Lazy or isinstance(value, (dict, Params)):
        return value
    [cls] = get_args(annotation)
    has_types = cls in Registrable._registry
    if has_types and isinstance(value, str) and value:
        return Params({"type": value}, history=f"{key}.")
    expected = 'an object with a "type", or the name of one' if has_types else "an object"
    raise OptionError(f"{key} is {written(value)}, but has to be {expected}")


def _check_list(key: str, value: Any, annotation: Any) -> None:
    if get_origin(annotation) is list and isinstance(value, str):
        raise OptionError(f"{key} is {written(value)}, but has to be a list")
    if get_origin(annotation) is Union and set(get_args(annotation)) - {type(None)} == {str, list[str]}:
        given = value if isinstance(value, list) else [value]
        if value is not None and not all(isinstance(one, str) for one in given):
            raise OptionError(f"{key} is {written(value)}, but has to be a string or a list of strings")


def _check_null(key: str, annotation: Any) -> None:
    """AllenNLP passes `null` on as the value of any option with a default, and a number would be compared with it."""
    if annotation in (int, float):
        kind = "a whole number" if annotation is int else "a number"
        raise OptionError(f"{key} is null, but has to be {kind}; leave it out for its default")


def check_choice(key: str, value: Any, annotation: Any) -> None:
    """
    Check the value of an option against a `Literal`, or a list or tuple of `Literal`s, in its annotation.

    # Parameters

    key : `str`
        The option's key in the config, `model.decoding`.
    value : `Any`
        What the config has there.
    annotation : `Any`
        The annotation of the constructor's argument without `Optional`. Other annotations are not checked.

    # Raises

    `OptionError` with the choices, and the closest of them, if the value is none of them or of another type.
    """
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise OptionError(_no_choice(key, value, choices))
    elif (item := _item_annotation(annotation)) is not None:
        if not isinstance(value, (list, tuple)):
            listed = _listed(get_args(item))
            raise OptionError(f"{key} is {written(value)}, but has to be a list; its items can be {listed}")
        for number, one in enumerate(value):
            check_choice(f"{key}.{number}", one, item)


def check_name(key: str, value: Any, names: Collection[str]) -> None:
    """
    Check a name against those there are, where they are not known to a type checker.

    # Raises

    `OptionError` with the names, and the closest of them, if `value` is none of `names`.
    """
    if not isinstance(value, str) or value not in names:
        raise OptionError(_no_choice(key, value, tuple(names)))


def _item_annotation(annotation: Any) -> Any:
    """The `Literal` of a `list[Literal[…]]`, `Sequence[Literal[…]]` or `tuple[Literal[…], ...]`, else `None`."""
    origin, items = get_origin(annotation), get_args(annotation)
    if not (inspect.isclass(origin) and issubclass(origin, Iterable)) or items[1:] not in ((), (...,)):
        return None
    return items[0] if items and get_origin(items[0]) is Literal else None


def _no_choice(key: str, value: Any, choices: tuple[Any, ...]) -> str:
    names = [str(choice) for choice in choices]
    near = get_close_matches(str(value), names, n=1) or get_close_matches(str(value).lower(), names, n=1)
    return f"{key} is {written(value)}; it can be {_listed(choices)}" + (f". Did you mean {near[0]}?" if near else "")


def _listed(choices: tuple[Any, ...]) -> str:
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def written(value: Any) -> str:
    """`value` as a config has it, shortened."""
    if hasattr(value, "as_dict"):
        value = value.as_dict(quiet=True)
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def unknown_option(place: str, owner: str, key: str, options: Collection[str]) -> str:
    """
    The message about a key that is not an option.

    # Parameters

    place : `str`
        Its place in the config, `dataset_reader.`.
    owner : `str`
        The object with the options, `weibo`.
    key : `str`
    options : `Collection[str]`
        The options that exist.
    """
    near = get_close_matches(key, options, n=1)
    where = f"{place.rstrip('.')}: " if place else ""
    above = _place_above(place, key)
    if above is not None:
        return f"{where}{owner} has no option {key!r}. It belongs to {above}: write it as {above}.{key}"
    listed = ", ".join(sorted(options)) or "none"
    guess = f": did you mean {near[0]!r}?" if near else "."
    return f"{where}{owner} has no option {shown(key)}{guess} It has: {listed}"


def _place_above(place: str, key: str) -> Optional[str]:
    """The key of the innermost object around `place` with the option `key`; `None` if none has it."""
    from allennlp.common.from_params import infer_params

    for above, cls, constructor in reversed(_around.get()):
        inside = above and above != place and place.startswith(above)
        if inside and key in _options(cls, infer_params(cls, constructor)):
            return str(above).rstrip(".")
    return None


def registered_name(cls: type) -> str:
    """The registered name of `cls`, the first of several; the class's own name if it is not registered."""
    from allennlp.common.registrable import Registrable

    registries = Registrable._registry.values()
    names = (name for known in registries for name, (found, _) in known.items() if found is cls and name != "default")
    return str(next(names, cls.__name__))


def takes_anything(cls: type, constructor: Any) -> bool:
    """Whether the class may use a key that no constructor names. Classes of this package only pass `**kwargs` on."""
    from allennlp.common.from_params import FromParams

    kinds = {parameter.kind for parameter in inspect.signature(constructor).parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        return False
    parents: list[Any] = [parent for parent in cls.mro()[1:] if issubclass(parent, FromParams)]
    return not is_ours(cls) or not parents or takes_anything(parents[0], parents[0].__init__)


def name_few_choices() -> None:
    """AllenNLP 2.10.1 answers a misspelled name with all registered names, unsorted; list this package's instead."""
    from allennlp.common.checks import ConfigurationError
    from allennlp.common.params import Params

    def naming_few(original: Any) -> Any:
        def pop_choice(self: Any, key: str, choices: Any, *args: Any, **kwargs: Any) -> Any:
            value = self.params.get(key)
            if key in self.params and not isinstance(value, str):
                raise OptionError(f"{self.history}{key} is {written(value)}, but has to be a name (a string)")
            try:
                return original(self, key, choices, *args, **kwargs)
            except ConfigurationError:
                registry = getattr(choices, "registry", None)
                if registry is None or not isinstance(value, str):
                    raise
                raise OptionError(unknown_name(self.history + key, value, registry)) from None

        return pop_choice

    replace(Params, "pop_choice", naming_few)


def unknown_name(place: str, value: str, registry: dict[str, tuple[type, Optional[str]]]) -> str:
    """
    The message about a name that is not registered.

    # Parameters

    place : `str`
        Its key in the config, `model.type`.
    value : `str`
    registry : `dict[str, tuple[type, Optional[str]]]`
        The names that are registered.
    """
    near = get_close_matches(value, registry, n=1)
    ours = sorted(name for name, (cls, _) in registry.items() if is_ours(cls))
    others = len(registry) - len(ours)
    listed = f"ner_plugins has {', '.join(ours)}; " if ours else ""
    listed += f"AllenNLP and its plugins have {others}{' more' if ours else ''}" if others else ""
    if others and len(ours) < _FEW:
        names = sorted(registry.keys() - set(ours))
        listed += f": {', '.join(names[:20])}{', …' if others > 20 else ''}"
    source = " (NER_READER)" if place == "dataset_reader.type" and value == os.environ.get("NER_READER") else ""
    guess = f": did you mean {near[0]!r}?" if near else "."
    return (
        f"{place}{source}: there is no {shown(value)}{guess} {listed.removesuffix('; ')}. A class of your own needs "
        "--include-package or its full path (my_package.my_module.MyClass)"
    )


def merge_nested_overrides() -> None:
    """
    AllenNLP 2.10.1 documents nested dictionaries in `--overrides` as the same as dotted keys, but replaces the whole
    trainer by `{"trainer": {"num_epochs": 1}}`.

    Change that one key instead. A dictionary with a `type` is a new object, and replaces the old one as before.
    """
    from allennlp.common import params

    def merging_nested(original: Any) -> Any:
        def with_overrides(given: Any, overrides: dict[str, Any], prefix: str = "") -> Any:
            if not isinstance(overrides, dict):
                raise ConfigError(f"--overrides is {written(overrides)}, but has to be an object")
            if isinstance(given, dict):
                overrides = _dotted(given, overrides)
            return original(given, overrides, prefix)

        return with_overrides

    replace(params, "with_overrides", merging_nested)


def _dotted(given: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`overrides` with dotted keys for changes to a part of an existing object."""
    dotted: dict[str, Any] = {}
    for key, value in overrides.items():
        if isinstance(value, dict) and value and "type" not in value and isinstance(given.get(key), dict):
            dotted |= {f"{key}.{inner}": change for inner, change in value.items()}
        else:
            dotted[key] = value
    return dotted


# Last: where this module is imported before AllenNLP, this import runs the functions above.
from allennlp.common.checks import ConfigurationError  # noqa: E402


class OptionError(ConfigError, ConfigurationError):
    """
    An option that does not exist, or a value that it cannot have.

    Where several types are possible, AllenNLP tries the next one after a `ConfigurationError`.
    """
