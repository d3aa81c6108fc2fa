"""How a column file writes its tags: `B-PER` and `O`, or with the letter behind the type and `-` for outside."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Optional

from ner_plugins.errors import shown
from ner_plugins.tag_schemes import split_tag

_BEHIND = re.compile(r"(.*\w)(?:[^\w\s]|_)([BIMELSU])", re.DOTALL)
_DASH = "-"


@dataclass(frozen=True)
class TagNotation:
    """
    A way of writing tags.

    # Parameters

    letter_behind : `bool`, optional (default=`False`)
        Whether the letter follows the type: `PER_B`.
    dash_is_outside : `bool`, optional (default=`False`)
        Whether `-` stands for `O`.
    """

    letter_behind: bool = False
    dash_is_outside: bool = False

    def normal(self, cell: str) -> str:
        """
        A tag as `O` or `B-PER`.

        # Raises

        `ValueError` if it is not a tag of this notation.
        """
        if cell == _DASH and self.dash_is_outside:
            return "O"
        if not self.letter_behind or cell == "O":
            split_tag(cell)
            return cell
        match = _BEHIND.fullmatch(cell)
        if match is None:
            raise ValueError(f"{shown(cell)} is not a tag such as {_DASH if self.dash_is_outside else 'O'} and PER_B")
        return f"{match[2]}-{match[1]}"

    def is_tag(self, cell: str) -> bool:
        """Whether `normal` can read a cell."""
        try:
            self.normal(cell)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        letter = "PER_B" if self.letter_behind else "B-PER"
        return f"{letter} and {_DASH if self.dash_is_outside else 'O'}"


USUAL = TagNotation()
NOTATIONS = tuple(TagNotation(behind, dash) for behind in (False, True) for dash in (False, True))
"""All that there are."""


def detect_notation(cells: Counter[str], share: float) -> Optional[TagNotation]:
    """
    The notation in which a column of tags is written; `None` if it is not one of tags.

    # Parameters

    cells : `Counter[str]`
        The cells of the column.
    share : `float`
        How many of them have to be tags. The usual notation is preferred. Another one has to have an entity, since `-`
        stands in many columns.
    """
    needed = share * cells.total()
    others = [TagNotation(letter_behind, _DASH in cells) for letter_behind in (False, True)]
    for notation in (USUAL, *others):
        tags = {cell: count for cell, count in cells.items() if notation.is_tag(cell)}
        if tags and sum(tags.values()) >= needed and (notation == USUAL or not tags.keys() <= {"O", _DASH}):
            return notation
    return None
