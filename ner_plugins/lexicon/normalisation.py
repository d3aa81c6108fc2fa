"""Normalisation of characters that count as equal."""

import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal, Optional, Sequence, get_args

NormalisationKind = Literal["full_width", "digits"]
_FULL_WIDTH = (("０", "９"), ("Ａ", "Ｚ"), ("ａ", "ｚ"))
_TO_HALF_WIDTH = ord("A") - ord("Ａ")


@dataclass(frozen=True)
class Normalisation:
    """
    Replaces characters one by one, so that a text keeps its length and its offsets.

    # Parameters

    kinds : `tuple[str, ...]`
        `full_width`: full-width letters and digits become ASCII. `digits`: every digit (`str.isdigit`) becomes `0`, as
        in FLAT and Lattice LSTM (Zhang and Yang 2018, `number_normalized`).
    """

    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, kinds: Optional[Sequence[NormalisationKind]]) -> "Normalisation":
        """The normalisation of an option: `kinds` in any order, or `None` for none."""
        return cls(tuple(kind for kind in get_args(NormalisationKind) if kind in (kinds or ())))

    def __call__(self, text: str) -> str:
        """`text` with its characters replaced."""
        if not self.kinds or _replaced(self.kinds).search(text) is None:  # most texts; ten times as fast
            return text
        return text.translate(_table(self.kinds))


@cache
def _replaced(kinds: tuple[str, ...]) -> "re.Pattern[str]":
    """A pattern for the characters that are replaced."""
    return re.compile(f"[{''.join(map(chr, _table(kinds)))}]")


@cache
def _table(kinds: tuple[str, ...]) -> dict[int, str]:
    table: dict[int, str] = {}
    if "full_width" in kinds:
        for first, last in _FULL_WIDTH:
            table.update({code: chr(code + _TO_HALF_WIDTH) for code in range(ord(first), ord(last) + 1)})
    if "digits" in kinds:
        table.update({code: "0" for code in range(sys.maxunicode + 1) if chr(code).isdigit()})
    return table
