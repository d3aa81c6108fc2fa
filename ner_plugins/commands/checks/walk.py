"""The objects that a config describes, found by the signatures of their classes and without building any."""

import collections.abc
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union, get_args, get_origin

from allennlp.common import Lazy
from allennlp.common.checks import ConfigurationError
from allennlp.common.from_params import FromParams, can_construct_from_params, infer_params, remove_optional
from allennlp.common.registrable import Registrable
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer

from ner_plugins.archives.pretrained_modules import KEY, PretrainedModule
from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.compat.plugins import is_ours
from ner_plugins.options import (
    NOT_OPTIONS,
    OptionError,
    check_choice,
    registered_name,
    takes_anything,
    unknown_name,
    unknown_option,
    written,
)

# What AllenNLP and this package give to objects when they are built.
_SUPPLIED = NOT_OPTIONS | {
    "kwargs", "args", "model", "model_parameters", "serialization_dir", "data_loader", "validation_data_loader",
    "local_rank", "world_size", "distributed", "ddp_accelerator", "ddp_wrapped_model", "reader", "data_path",
    "instances", "num_steps_per_epoch", "last_epoch", "params",
}  # fmt: skip
_SUPPLIED_AT_TOP = NOT_OPTIONS | {"kwargs", "serialization_dir", "local_rank"}
_KINDS = {int: "a whole number", bool: "true or false", float: "a number", str: "a string"}
_ACCEPTED = {int: (int, bool), bool: (int, bool), float: (int, float), str: (str,)}
_MAPPINGS = (dict, collections.abc.Mapping)
_LISTS = (list, collections.abc.Iterable)


@dataclass(frozen=True)
class ConfigObject:
    """
    An object of a config.

    # Parameters

    key : `str`
        Its place, `trainer.optimizer`.
    cls : `type`
        Its class.
    constructor : `Any`
        The function that builds it, from whose signature its options come.
    options : `Mapping[str, Any]`
        The options that the config gives, without `type`.
    """

    key: str
    cls: type
    constructor: Any
    options: Mapping[str, Any]

    @property
    def is_known(self) -> bool:
        """Whether the class is this package's or AllenNLP's, so that the meaning of its options is known."""
        return is_ours(self.cls) or self.cls.__module__.partition(".")[0] in ("allennlp", "allennlp_models")

    def place(self, option: str) -> str:
        """The key of one of its options."""
        return f"{self.key}.{option}" if self.key else option


@dataclass
class Walk:
    """
    What a part of a config describes.

    # Parameters

    objects : `list[ConfigObject]`
        Every object whose class could be found, outer ones first.
    mistakes : `list[Mistake]`
        Unknown names and options, and values of a wrong type, with which AllenNLP could not build the objects.
    """

    objects: list[ConfigObject] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def at(self, key: str) -> Optional[ConfigObject]:
        """The object at a key."""
        return next((found for found in self.objects if found.key == key), None)

    def of(self, base: type) -> Iterator[ConfigObject]:
        """The objects of a class, and of classes derived from it."""
        return (found for found in self.objects if issubclass(found.cls, base))

    def add(self, key: str, message: str) -> None:
        """Add a mistake."""
        self.mistakes.append(Mistake(key, message))

    def visit(self, key: str, value: Any, annotation: Any) -> None:
        """
        Check a value against the annotation of its option as AllenNLP's `construct_arg` would, without building it.

        What AllenNLP would pass on unchecked is not checked either.

        # Parameters

        key : `str`
        value : `Any`
            As JSON gives it.
        annotation : `Any`
        """
        annotation = remove_optional(annotation)
        if value is None:
            return
        try:
            check_choice(key, value, annotation)
        except OptionError as error:
            self.add(key, str(error))
            return
        origin, items = get_origin(annotation), get_args(annotation)
        if hasattr(annotation, "from_params"):
            self._visit_object(key, value, annotation)
        elif annotation in _KINDS:
            if type(value) not in _ACCEPTED[annotation]:
                self.add(key, f"{key} is {written(value)}, but has to be {_KINDS[annotation]}")
        elif origin is Lazy:
            self.visit(key, value, items[0])
        elif origin is Union:
            self._visit_union(key, value, items)
        elif origin in _MAPPINGS:
            self._visit_mapping(key, value, items)
        elif origin in _LISTS and len(items) == 1 and can_construct_from_params(items[0]):
            self._visit_list(key, value, items[0])
        elif origin is tuple and isinstance(value, list) and all(map(can_construct_from_params, items)):
            for number, (one, item) in enumerate(zip(value, items, strict=False)):
                self.visit(f"{key}.{number}", one, item)

    def _visit_union(self, key: str, value: Any, alternatives: tuple[Any, ...]) -> None:
        walks = []
        for alternative in alternatives:
            walk = Walk()
            walk.visit(key, value, alternative)
            if not walk.mistakes:
                self.objects += walk.objects
                return
            walks.append(walk)
        objects = [walk for walk in walks if walk.objects]
        if len(objects) == 1:  # the value is an object, and only one alternative has that name
            self.objects += objects[0].objects
            self.mistakes += objects[0].mistakes
        elif all(alternative in _KINDS for alternative in alternatives):
            kinds = " or ".join(_KINDS[alternative] for alternative in alternatives)
            self.add(key, f"{key} is {written(value)}, but has to be {kinds}")
        else:
            self.mistakes.append(walks[-1].mistakes[0])

    def _visit_mapping(self, key: str, value: Any, items: tuple[Any, ...]) -> None:
        if len(items) != 2 or not can_construct_from_params(items[1]):
            return
        if not isinstance(value, dict):
            self.add(key, f"{key} is {written(value)}, but has to be an object")
            return
        for name, one in value.items():
            self.visit(f"{key}.{name}", one, items[1])

    def _visit_list(self, key: str, value: Any, item: Any) -> None:
        if isinstance(value, list):
            for number, one in enumerate(value):
                self.visit(f"{key}.{number}", one, item)
        elif get_origin(item) is Lazy or hasattr(item, "from_params"):
            self.add(key, f"{key} is {written(value)}, but has to be a list")

    def _visit_object(self, key: str, value: Any, base: Any) -> None:
        if isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, dict):
            self.add(key, f'{key} is {written(value)}, but has to be an object with a "type", or the name of one')
            return
        if KEY in value:  # a module of an archive
            self._visit_pretrained(f"{key}.{KEY}", value[KEY])
            return
        options = dict(value)
        cls, constructor = base, None
        if base in Registrable._registry:
            named = options.pop("type", base.default_implementation)
            found = self._resolve(key, base, named)
            if found is None:
                return
            cls, constructor = found
        if constructor is None:
            constructor = getattr(cls, "__init__", None)
        if not _is_built_by_signature(cls) or constructor is object.__init__:
            return
        place = ConfigObject(key, cls, constructor, options)
        self.objects.append(place)
        self._visit_options(place)

    def _visit_pretrained(self, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            self.add(key, f"{key} is {written(value)}, but has to be an object")
            return
        self.objects.append(ConfigObject(key, PretrainedModule, PretrainedModule.__init__, value))
        self._visit_options(self.objects[-1])

    def _resolve(self, key: str, base: Any, name: Any) -> Optional[tuple[Any, Any]]:
        """The class and the constructor of a registered name; `None`, with a mistake, if there is none."""
        place = f"{key}.type" if key else "type"
        if not isinstance(name, str):
            missing = name is None
            self.add(key, f'{key} has no "type"' if missing else f"{place} is {written(name)}, but has to be a name")
            return None
        try:
            if "." not in name and name not in base.list_available():
                self.add(place, unknown_name(place, name, Registrable._registry[base]))
                return None
            cls, method = base.resolve_class_name(name)
        except ConfigurationError as error:
            self.add(place, str(error))
            return None
        return cls, getattr(cls, method) if method else None

    def _visit_options(self, place: ConfigObject) -> None:
        parameters = parameters_of(place)
        fixed: frozenset[str] = getattr(place.cls, "fixed_options", frozenset())
        closed = not takes_anything(place.cls, place.constructor) or _is_known_trainer(place)
        for name, value in place.options.items():
            if closed and (name not in parameters or name in fixed):
                options = parameters.keys() - fixed - (_SUPPLIED if place.key else _SUPPLIED_AT_TOP)
                owner = place.key or "the config" if place.key in ("", "trainer") else registered_name(place.cls)
                self.add(place.key, unknown_option("" if owner == place.key else place.key, owner, name, options))
            elif name in parameters:
                key = place.place(name)
                if value is None and parameters[name].default is not None:
                    self._check_null(key, parameters[name].annotation)
                self.visit(key, value, parameters[name].annotation)

    def _check_null(self, key: str, annotation: Any) -> None:
        try:
            check_choice(key, None, annotation)
        except OptionError as error:
            self.add(key, str(error))


def parameters_of(place: ConfigObject) -> dict[str, inspect.Parameter]:
    """The options that an object can have, and what it is given, by name."""
    parameters: dict[str, inspect.Parameter] = infer_params(place.cls, place.constructor)
    if _is_known_trainer(place):
        # Its constructor passes the options that it does not name to `__init__`.
        for cls in place.cls.mro():
            if issubclass(cls, GradientDescentTrainer) and "__init__" in vars(cls):
                parameters = {**inspect.signature(vars(cls)["__init__"]).parameters, **parameters}
        parameters.setdefault("run_sanity_checks", parameters["run_confidence_checks"])
    return parameters


def _is_known_trainer(place: ConfigObject) -> bool:
    return place.is_known and issubclass(place.cls, GradientDescentTrainer)


def _is_built_by_signature(cls: Any) -> bool:
    """Whether AllenNLP builds objects of the class from its constructor's signature."""
    if not inspect.isclass(cls) or not issubclass(cls, FromParams):
        return False
    owner = next(base for base in cls.mro() if "from_params" in vars(base))
    return owner is FromParams
