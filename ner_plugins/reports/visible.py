"""Text that a page or picture can show, whatever the data hold."""

import unicodedata

# Characters that change the writing direction, and so can make one text look like another.
_DIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """
    The text with control characters, directional marks and lone surrogates as escapes such as `\\x00`.

    A browser would drop them, or let them change how other text is shown. Line breaks and tabs stay.
    """
    return "".join(_escape(c) if c in _DIRECTIONAL or _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
