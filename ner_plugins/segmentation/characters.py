"""Characters that need care: lone surrogates, lower case of another length, combining characters."""

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate by U+FFFD; offsets do not change."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def lower_characters(text: str) -> str:
    """Lower-case `text` one character at a time; a character with a longer lower case (U+0130) is kept."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in text)


def continues(character: str) -> bool:
    """
    Whether a character belongs to the one before it: a combining mark, a variation selector, or a character that
    normal forms compose with it (vowels and finals of Hangul, voicing marks of half-width katakana).
    """
    if character < "\u0300":
        return False
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or "\u1160" <= character <= "\u11ff"  # vowels and finals, as in NFD
        or "\ud7b0" <= character <= "\ud7ff"  # old ones
        or "\u314f" <= character <= "\u3163"  # vowels that stand alone, which NFKC composes too
        or "\uffc2" <= character <= "\uffdc"  # half-width vowels
        or character in "\uff9e\uff9f"
    )
