"""The file of a sweep: what it may say, and the message about what it may not."""

import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Collection, Mapping, Optional

from ner_plugins.errors import ConfigError, shown
from ner_plugins.options import unknown_option, written
from ner_plugins.sweeps.ranges import Range, parse_range

METRIC = "seqeval/micro_f1"
KEEP = ("all", "archive", "figures")
"""What stays of a finished run: everything, all but checkpoints, or no weights at all."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_SETTING = ("config", "overrides", "environment", "predict")
_OPTIONS = (*_SETTING, "axes", "grid", "seeds", "optuna", "include_package", "keep")
_SEARCH = ("trials", "metric", "direction", "parameters", "choose", "seed")


@dataclass(frozen=True)
class Setting:
    """
    A part of what a run is trained with.

    # Parameters

    config : `Optional[str]`, optional (default=`None`)
        The config's file.
    overrides : `Mapping[str, Any]`
        Changes of the config, by key.
    environment : `Mapping[str, str]`
        Environment variables.
    predict : `tuple[str, ...]`
        Labelled data that each run predicts when it has been trained.
    """

    config: Optional[str] = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    predict: tuple[str, ...] = ()

    def changed_by(self, other: "Setting") -> "Setting":
        """Both; where both have a value, that of `other`."""
        return Setting(
            other.config or self.config,
            {**self.overrides, **other.overrides},
            {**self.environment, **other.environment},
            other.predict or self.predict,
        )


@dataclass(frozen=True)
class Search:
    """
    A search by optuna.

    # Parameters

    trials : `int`
    parameters : `Mapping[str, Range]`
        Ranges and choices, by the keys of overrides or the names of environment variables.
    choose : `tuple[str, ...]`
        The axes of which each trial takes one point. The points of the other axes, and the seeds, are averaged over.
    seed : `int`
        Of the sampler.
    direction : `str`
        `maximize` or `minimize`.
    metric : `str`
        The figure of the best epoch on the validation data that is searched for.
    """

    trials: int
    parameters: Mapping[str, Range]
    choose: tuple[str, ...] = ()
    seed: int = 1
    direction: str = "maximize"
    metric: str = METRIC


@dataclass(frozen=True)
class Sweep:
    """
    The content of a sweep's file.

    # Parameters

    setting : `Setting`
        Of every run.
    axes : `Mapping[str, Mapping[str, Setting]]`
        For each axis its points. There is a run for each combination.
    seeds : `tuple[int, ...]`
        Empty for the seed of the config.
    search : `Optional[Search]`
        `None` for all combinations.
    include_package : `tuple[str, ...]`
    keep : `str`
        One of `KEEP`.
    """

    setting: Setting
    axes: Mapping[str, Mapping[str, Setting]]
    seeds: tuple[int, ...]
    search: Optional[Search]
    include_package: tuple[str, ...] = ()
    keep: str = "all"


def read_sweep(path: str) -> Sweep:
    """
    Read a sweep's file, in Jsonnet or JSON. `std.extVar` reads environment variables and this package's settings.

    # Raises

    `ConfigError` if there is no such file; see `parse_sweep`.
    """
    from allennlp.common import Params

    if not os.path.isfile(path):
        raise ConfigError(f"{path}: there is no such file; name the Jsonnet file of a sweep")
    content = Params.from_file(path).as_dict(quiet=True)
    try:
        return parse_sweep(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_sweep(content: Mapping[str, Any]) -> Sweep:
    """
    The sweep that a file describes.

    # Raises

    `ConfigError` about an unknown key or a value of the wrong kind, with its place.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"a sweep is an object with {', '.join(_OPTIONS)}, not {shown(content)}")
    _check_keys("", "a sweep", content, _OPTIONS)
    axes = {name: _axis(f"axes.{name}", points) for name, points in _object("axes", content).items()}
    for key, values in _object("grid", content).items():
        axes[_axis_name(key, axes)] = _values(f"grid.{key}", key, values)
    keep = content.get("keep", "all")
    if keep not in KEEP:
        raise ConfigError(f"keep is {shown(keep)}, but has to be one of {', '.join(KEEP)}")
    return Sweep(
        _setting("", {key: content[key] for key in _SETTING if key in content}),
        axes,
        tuple(_seeds(content.get("seeds", []))),
        _search(content["optuna"], axes) if content.get("optuna") is not None else None,
        tuple(_list_of("include_package", content.get("include_package", []), str)),
        keep,
    )


def is_variable(key: str) -> bool:
    """Whether a key names an environment variable, in capitals, rather than a key of a config."""
    return _VARIABLE.fullmatch(key) is not None


def setting_of(key: str, value: Any) -> Setting:
    """One override, or one environment variable."""
    return Setting(environment={key: environment_value(value)}) if is_variable(key) else Setting(overrides={key: value})


def environment_value(value: Any) -> str:
    """A value as an environment variable has it: a text as it is, `None` as an empty text, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label_of(key: str, value: Any) -> str:
    """The name of a value in the names of runs: `dropout=0.1`."""
    return f"{key.rpartition('.')[2]}={environment_value(value)}"


def _axis(place: str, points: Any) -> dict[str, Setting]:
    if not isinstance(points, Mapping) or not points:
        raise ConfigError(f"{place} is {shown(points)}, but has to be an object of points, {{NAME: {{config, …}}}}")
    return {name: _setting(f"{place}.{name}", point) for name, point in points.items()}


def _values(place: str, key: str, values: Any) -> dict[str, Setting]:
    found = {label_of(key, value): setting_of(key, value) for value in _list_of(place, values, object)}
    if not found or len(found) < len(values):
        raise ConfigError(f"{place} is {written(values)}, but has to be a list of different values")
    return found


def _axis_name(key: str, axes: Mapping[str, Any]) -> str:
    name = key if is_variable(key) else key.rpartition(".")[2]
    return key if name in axes else name


def _setting(place: str, value: Any) -> Setting:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} is {shown(value)}, but has to be an object with {', '.join(_SETTING)}")
    _check_keys(place, place or "a sweep", value, _SETTING)
    start = f"{place}." if place else ""
    config = value.get("config")
    if config is not None and not isinstance(config, str):
        raise ConfigError(f"{start}config is {shown(config)}, but has to be the name of a file")
    environment = {}
    for name, given in _object("environment", value, start).items():
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ConfigError(f"{start}environment: {name!r} is not the name of an environment variable")
        if name == "NER_SEED":
            raise ConfigError(f"{start}environment.NER_SEED: write seeds: [1, 2, 3], which compare runs as one model")
        environment[name] = environment_value(given)
    predict = tuple(_list_of(f"{start}predict", value.get("predict", []), str))
    return Setting(config, _object("overrides", value, start), environment, predict)


def _search(value: Any, axes: Mapping[str, Any]) -> Search:
    if not isinstance(value, Mapping):
        raise ConfigError(f"optuna is {shown(value)}, but has to be an object with {', '.join(_SEARCH)}")
    _check_keys("optuna", "optuna", value, _SEARCH)
    trials, seed = value.get("trials", 0), value.get("seed", 1)
    if not _is_whole(trials) or trials < 1:
        raise ConfigError(f"optuna.trials is {shown(trials)}, but has to be a whole number >= 1")
    if not _is_whole(seed) or seed < 0:
        raise ConfigError(f"optuna.seed is {shown(seed)}, but has to be a whole number >= 0")
    direction = value.get("direction", "maximize")
    if direction not in ("maximize", "minimize"):
        raise ConfigError(f'optuna.direction is {shown(direction)}, but has to be "maximize" or "minimize"')
    metric = value.get("metric", METRIC)
    if not isinstance(metric, str):
        raise ConfigError(f"optuna.metric is {shown(metric)}, but has to be the name of a figure, {METRIC}")
    choose = tuple(_list_of("optuna.choose", value.get("choose", []), str))
    for name in choose:
        if name not in axes:
            raise ConfigError(f"optuna.choose: there is no axis {name!r}; there are {', '.join(axes) or 'none'}")
    given = _object("parameters", value, "optuna.")
    parameters = {key: parse_range(f"optuna.parameters.{key}", one) for key, one in given.items()}
    if not parameters and not choose:
        raise ConfigError("optuna has nothing to search: give it parameters, or axes to choose from")
    return Search(trials, parameters, choose, seed, direction, metric)


def _seeds(value: Any) -> list[int]:
    if not isinstance(value, list) or not all(_is_whole(seed) and 0 <= seed < 2**32 for seed in value):
        raise ConfigError(f"seeds is {shown(value)}, but has to be a list of whole numbers >= 0")
    if len(set(value)) < len(value):
        raise ConfigError(f"seeds is {shown(value)}: one of them is given twice")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(key: str, content: Mapping[str, Any], start: str = "") -> Mapping[str, Any]:
    value = content.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{start}{key} is {shown(value)}, but has to be an object")
    return value or {}


def _list_of(place: str, value: Any, kind: type) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
        raise ConfigError(f"{place} is {shown(value)}, but has to be a list{' of texts' if kind is str else ''}")
    return value


def _check_keys(place: str, owner: str, given: Mapping[str, Any], options: Collection[str]) -> None:
    for key in given:
        if key not in options:
            raise ConfigError(unknown_option(f"{place}." if place else "", owner, key, options))
