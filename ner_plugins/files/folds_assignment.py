"""Which fold each text of a corpus is in: a file that `ner-folds` writes and that readers read."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Union

from ner_plugins.errors import DataError
from ner_plugins.files.atomic import atomic_path
from ner_plugins.files.digests import text_key
from ner_plugins.files.folds_manifest import is_whole

ASSIGNMENT = "assignment.json"
_FORMAT = "ner_plugins fold assignment"
_VERSION = 1


@dataclass(frozen=True)
class FoldAssignment:
    """
    The fold of each text.

    # Parameters

    k : `int`
        The number of folds.
    folds : `Mapping[str, int]`
        By the key of the text (`text_key`), the fold from 0.
    """

    k: int
    folds: Mapping[str, int]

    def fold_of(self, text: str) -> Optional[int]:
        """The fold of a text; `None` if the text is in none."""
        return self.folds.get(text_key(text))

    def write(self, folder: Union[str, "os.PathLike[str]"]) -> None:
        """Write it into a folder, whole or not at all."""
        folds = dict(sorted(self.folds.items()))
        content = {"format": _FORMAT, "format_version": _VERSION, "k": self.k, "folds": folds}
        with atomic_path(Path(folder, ASSIGNMENT)) as partial:
            Path(partial).write_text(json.dumps(content, indent=0), encoding="utf-8")

    @classmethod
    def read(cls, path: Union[str, "os.PathLike[str]"]) -> "FoldAssignment":
        """
        Read a file.

        # Raises

        `DataError` if there is none, or if it is not one.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            fits = content["format"] == _FORMAT and content["format_version"] == _VERSION
            made = cls(content["k"], content["folds"])
            fits = fits and is_whole(made.k) and all(is_whole(fold) for fold in made.folds.values())
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", path=str(path), expected=_EXPECTED) from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits:
            raise DataError("no assignment of texts to folds", path=str(path), expected=_EXPECTED)
        return made


_EXPECTED = f"the {ASSIGNMENT} of ner-folds"
