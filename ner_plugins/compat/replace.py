"""Replacing a function of another library, once."""

import functools
import inspect
from typing import Any, Callable

_MARK = "_replaced_by_ner_plugins"


def replace(owner: Any, name: str, wrapper: Callable[[Any], Callable[..., Any]]) -> None:
    """
    Replace `owner.name` by `wrapper(owner.name)`, unless the same wrapper has replaced it before.

    The replacement keeps the original's name, docstring and signature (`functools.wraps`), and has the original under
    `__wrapped__`.

    # Parameters

    owner : `Any`
        A module or a class.
    name : `str`
        A function, a method, a class method or a static method of `owner`. A class method reaches `wrapper` as the
        plain function, whose first argument is the class, and becomes a class method again.
    wrapper : `Callable[[Any], Callable[..., Any]]`
        A named function that takes the original and returns the replacement. Its name identifies the replacement.
    """
    found = inspect.getattr_static(owner, name)
    kind = type(found) if isinstance(found, (classmethod, staticmethod)) else None
    original = found.__func__ if kind else found
    mark = f"{wrapper.__module__}.{wrapper.__qualname__}"
    marks: frozenset[str] = getattr(original, _MARK, frozenset())
    if mark in marks:
        return
    replacement = functools.wraps(original)(wrapper(original))
    setattr(replacement, _MARK, marks | {mark})
    setattr(owner, name, kind(replacement) if kind else replacement)
