"""Regular expressions that select parameters of the model: an optimizer's groups, `no_grad`, initializers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, Optional

from allennlp.nn import InitializerApplicator, RegularizerApplicator
from allennlp.training.gradient_descent_trainer import GradientDescentTrainer
from allennlp.training.optimizers import Optimizer

from ner_plugins.commands.checks.mistakes import Mistake
from ner_plugins.commands.checks.walk import ConfigObject, Walk, parameters_of
from ner_plugins.options import written
from ner_plugins.training.freezing import similar_names


class Group(NamedTuple):
    """
    A group of an optimizer.

    # Parameters

    key : `str`
        Its place, `trainer.optimizer.parameter_groups.0`.
    patterns : `Sequence[str]`
        Its regular expressions.
    options : `Mapping[str, Any]`
    """

    key: str
    patterns: Sequence[str]
    options: Mapping[str, Any]


def groups_of(place: ConfigObject) -> list[Group]:
    """The well-formed `parameter_groups` of an optimizer."""
    given = place.options.get("parameter_groups")
    numbered = enumerate(given if isinstance(given, list) else ())
    key = place.place("parameter_groups")
    return [Group(f"{key}.{number}", *group) for number, group in numbered if _is_group(group)]


def malformed(walk: Walk) -> Iterator[Mistake]:
    """Groups of another form, expressions that do not compile, and options that look like a misspelt one."""
    for place in walk.of(Optimizer):
        given = place.options.get("parameter_groups")
        if not isinstance(given, (list, type(None))):
            key = place.place("parameter_groups")
            yield Mistake(key, f"{key} is {written(given)}, but has to be a list")
        for number, group in enumerate(given if isinstance(given, list) else ()):
            key = place.place(f"parameter_groups.{number}")
            if not _is_group(group):
                yield Mistake(key, f"{key} is {written(group)}, but has to be [[regular expressions], {{options}}]")
                continue
            yield from _invalid(key, group[0])
            yield from _misspelt(key, place, group[1])
    for place in walk.of(GradientDescentTrainer):
        patterns = place.options.get("no_grad")
        yield from _invalid(place.place("no_grad"), patterns if isinstance(patterns, list) else ())
    for base in (InitializerApplicator, RegularizerApplicator):
        for place in walk.of(base):
            pairs = place.options.get("regexes")
            given = [pair[0] for pair in pairs if isinstance(pair, list) and pair] if isinstance(pairs, list) else []
            prevented = place.options.get("prevent_regexes")
            yield from _invalid(place.place("regexes"), given)
            yield from _invalid(place.place("prevent_regexes"), prevented if isinstance(prevented, list) else ())


def without_parameters(walk: Walk, names: Sequence[str]) -> Iterator[Mistake]:
    """
    Groups none of whose expressions matches a parameter, and such expressions of `no_grad`.

    # Parameters

    walk : `Walk`
        Without malformed groups: see `malformed`.
    names : `Sequence[str]`
        The names of all parameters of the model, frozen ones too: a group may hold parameters that learn later.
    """
    for place in walk.of(Optimizer):
        for key, patterns, _ in groups_of(place):
            if not any(_matches(pattern, names) for pattern in patterns):
                yield Mistake(key, _matches_nothing(key, " and ".join(map(repr, patterns)), patterns, names))
    for place in walk.of(GradientDescentTrainer):
        for pattern in place.options.get("no_grad") or ():
            if not _matches(pattern, names):
                key = place.place("no_grad")
                yield Mistake(key, _matches_nothing(key, repr(pattern), [pattern], names))


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for name in names)


def _matches_nothing(key: str, shown: str, patterns: Sequence[str], names: Sequence[str]) -> str:
    verb = "matches" if len(patterns) == 1 else "match"
    return f"{key}: {shown} {verb} no parameter of the model{similar_names(patterns[0], names)}"


def _is_group(group: Any) -> bool:
    if not isinstance(group, (list, tuple)) or len(group) != 2:
        return False
    patterns, options = group
    listed = isinstance(patterns, list) and bool(patterns) and all(isinstance(one, str) for one in patterns)
    return listed and isinstance(options, dict)


def _invalid(key: str, patterns: Sequence[Any]) -> Iterator[Mistake]:
    for pattern in patterns:
        if (problem := _problem(pattern)) is not None:
            yield Mistake(key, f"{key}: {written(pattern)} is not a regular expression ({problem})")


def _problem(pattern: Any) -> Optional[str]:
    try:
        re.compile(pattern)
    except (re.error, TypeError) as error:
        return str(error)
    return None


def _misspelt(key: str, place: ConfigObject, options: Mapping[str, Any]) -> Iterator[Mistake]:
    # torch keeps keys that it does not use, which a scheduler may read: refuse only what is close to an option.
    known = {*parameters_of(place), "requires_grad", "optimizer_name"} - {"self", "model_parameters"}
    for option in options.keys() - known:
        near = get_close_matches(option, known, n=1, cutoff=0.8)
        if near:
            yield Mistake(key, f"{key} has no option {option!r}: did you mean {near[0]!r}?")
