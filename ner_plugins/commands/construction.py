"""What to tell of an error in building an object from a config: at which key it was, and what is wrong there."""

import re
from types import FrameType, TracebackType
from typing import Any, Iterator, Optional

_WITHOUT_PLACE = re.compile(r"Expected \S+ to be (?:an? )?(.+?)\.?$")
_KINDS = {
    "int": "a whole number",
    "bool": "true or false",
    "numeric": "a number",
    "string": "a string",
    "Mapping (probably a dict or a Params object)": "an object",
}


def place_of(error: BaseException) -> str:
    """The key in the config that the traceback leads to, `model.loss`; empty if no object was being built."""
    place = ""
    for frame in _frames(error.__traceback__):
        name, values = frame.f_code.co_name, frame.f_locals
        if not frame.f_code.co_filename.endswith("from_params.py"):
            continue
        if name == "construct_arg":
            argument = str(values.get("argument_name"))
            # What stands in a list is called `callbacks.0` by AllenNLP, but has no history.
            below = argument if "." not in argument else argument.rpartition(".")[2]
            place = _history(values.get("popped_params")) or ".".join(filter(None, (place, below)))
        elif name == "from_params":
            place = _history(values.get("params")) or place
    return place


def at_its_place(error: BaseException, message: str) -> str:
    """A message with its key before it, unless it says the key itself."""
    place = place_of(error)
    # A message that begins with a part of the config, or a file, knows better.
    if not place or place in message or re.match(r"(the )?[\w./-]*(model|reader|trainer|lattice_encoder)\b", message):
        return message
    return f"{place}: {message}"


def describe_construction(error: BaseException) -> Optional[str]:
    """One line about an error that Python or torch raised in building an object; `None` if none was."""
    if not isinstance(error, (TypeError, ValueError, ZeroDivisionError, AssertionError, AttributeError)):
        return None
    if not any(
        frame.f_code.co_filename.endswith(("from_params.py", "lazy.py")) for frame in _frames(error.__traceback__)
    ):
        return None
    place, reason = place_of(error), str(error) or type(error).__name__
    expected = _WITHOUT_PLACE.match(reason)
    if expected is not None and place:
        kind = expected.group(1)
        return f"{place} is {_value(error)!r}, but has to be {_KINDS.get(kind, kind)}"
    where = f" at {place}" if place else ""
    return f"the config cannot be used{where}: {reason} (--debug shows where)"


def describe_no_object(error: BaseException, message: str) -> str:
    """What AllenNLP says of a number or a list where an object is needed, for a user."""
    if "that was not a `Params`" not in message:
        return message
    return f'{place_of(error)} is {_value(error)!r}, but has to be an object with a "type", or the name of one'


def _value(error: BaseException) -> Any:
    """What the config has at the error's key."""
    value = None
    for frame in _frames(error.__traceback__):
        if frame.f_code.co_name == "construct_arg":
            value = frame.f_locals.get("popped_params")
    return value


def _history(params: Any) -> str:
    return str(getattr(params, "history", "")).rstrip(".")


def _frames(traceback: Optional[TracebackType]) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
