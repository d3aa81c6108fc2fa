"""What to say of a path that leads nowhere."""

import difflib
import os
from typing import Optional

from ner_plugins.errors import DataError
from ner_plugins.settings import setting_of


def no_such_file(path: str) -> DataError:
    """The error of a path that leads nowhere: with the nearest that leads somewhere, and where the path comes from."""
    there = os.path.isdir(os.path.dirname(path.rstrip("/")) or ".")
    near = _near_path(path)
    remedy = f"Did you mean {near}?" if near else "Check the path."
    if not os.path.isabs(path):
        remedy += f" It was looked for in {os.getcwd()}"
    if setting := setting_of(path):
        remedy += f" ({setting})"
    problem = "no such file" if there else "no such file, and no such folder either"
    return DataError(problem, path=path, remedy=remedy)


def _near_path(path: str) -> Optional[str]:
    """`path` with its first part that is not there replaced by the nearest name that is; `None` if none is near."""
    folder, rest = path.rstrip("/"), ""
    while folder and not os.path.exists(folder):
        folder, name = os.path.split(folder)
        rest = os.path.join(name, rest) if rest else name
    if not rest or not os.path.isdir(folder or "."):
        return None
    missing, _, below = rest.partition("/")
    for close in difflib.get_close_matches(missing, sorted(os.listdir(folder or "."))):
        found = os.path.join(folder, close)
        if not below:
            return found
        if os.path.isdir(found):
            whole = os.path.join(found, below)
            return whole if os.path.exists(whole) else found
    return None
