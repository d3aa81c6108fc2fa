"""Whether the output folder can be written."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ner_plugins.commands.checks.mistakes import Mistake


def unwritable(folder: Path) -> Iterator[Mistake]:
    """A mistake if no file can be written into a folder, or into the nearest folder above it that exists."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield Mistake("", f"{folder}: {place} is a file, so this output folder cannot be made: choose another -s")
        return
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0")
    except OSError as error:
        within = "" if place == folder else f" in {place}"
        problem = f"the output folder cannot be written{within} ({error.strerror})"
        yield Mistake("", f"{folder}: {problem}: choose another -s")
