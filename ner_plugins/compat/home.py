"""A home folder for users without one."""

import os
from pathlib import Path

NOWHERE = "/nonexistent"
"""What systems call the home of users without one; nothing is read or written there."""


def supply_home() -> None:
    """AllenNLP 2.10.1 cannot be imported by a user without a home folder, as in containers run under a number."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NOWHERE
