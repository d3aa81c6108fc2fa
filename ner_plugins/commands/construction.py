"""Messages for errors raised while an object is built from a config: the key, and what is wrong there."""

import re
from typing import Optional

from ner_plugins.errors import shown
from ner_plugins.options import written

_EXPECTED = re.compile(r"Expected \S+ to be (?:an? )?(.+?)\.?$")
_OF_VALUES = (
    TypeError, ValueError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RecursionError
)  # fmt: skip
_OF_TORCH = ("RuntimeError", "OutOfMemoryError")  # of sizes; not their subclasses, such as `NotImplementedError`
_NEEDED = re.compile(r"can't allocate memory: you tried to allocate (\d+) bytes")
_KINDS = {
    "int": "a whole number",
    "bool": "true or false",
    "numeric": "a number",
    "string": "a string",
    "Mapping (probably a dict or a Params object)": "an object",
}


def key_of(error: BaseException) -> str:
    """The config key at which `error` was raised, `model.loss`; empty if no object was being built."""
    return str(getattr(error, "config_key", ""))


def with_key(error: BaseException, message: str) -> str:
    """`message` with its key in front, unless it names the key itself."""
    key = key_of(error)
    # A message that begins with a part of the config, or a file, is more precise.
    if not key or key in message or re.match(r"(the )?[\w./-]*(model|reader|trainer|lattice_encoder)\b", message):
        return message
    return f"{key}: {message}"


def describe_construction(error: BaseException) -> Optional[str]:
    """One line about an error that Python or torch raised while an object was built; `None` if none was."""
    if not (isinstance(error, _OF_VALUES) or type(error).__name__ in _OF_TORCH) or not hasattr(error, "config_key"):
        return None
    key, reason = key_of(error), _reason(error)
    expected = _EXPECTED.match(reason)
    if expected is not None and key:
        kind = expected.group(1)
        return f"{key} is {_shown(error)}, but has to be {_KINDS.get(kind, kind)}"
    where = f" at {key if len(key) <= 200 else f'{key[:100]}…{key[-99:]}'}" if key else ""
    return f"the config cannot be used{where}: {reason} (--debug shows where)"


def _reason(error: BaseException) -> str:
    """What is wrong, in one line of at most 500 characters, without torch's stack of C++ functions."""
    text = " ".join(str(error).partition("\nException raised from ")[0].split())
    if needed := _NEEDED.search(text):
        return f"it needs {int(needed[1]) / 2**30:,.1f} GiB, more memory than there is"
    if isinstance(error, KeyError):  # its text is the key alone
        return f"there is no {text if len(text) <= 80 else text[:77] + '...'} where it was looked up"
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or refers to itself"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if "Overflow when unpacking long" in text:
        return "a number is too large"
    text = text or type(error).__name__
    return text if len(text) <= 500 else text[:497] + "..."


def describe_no_object(error: BaseException, message: str) -> str:
    """AllenNLP's message about a number or a list where an object is needed, reworded; any other as it is."""
    if "that was not a `Params`" not in message:
        return message
    return f'{key_of(error)} is {_shown(error)}, but has to be an object with a "type", or the name of one'


def _shown(error: BaseException) -> str:
    """What the config has at the error's key."""
    value = getattr(error, "config_value", None)
    return written(value) if hasattr(value, "as_dict") else shown(value)
