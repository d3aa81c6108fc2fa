"""Texts, numbers and tables as HTML; everything that is not `Markup` is escaped."""

import html
import unicodedata
from typing import Any, List, Optional, Sequence


class Markup(str):
    """HTML that was made here, and goes into a page as it is."""


# Characters that turn the writing direction around, with which one text can be made to look like another.
_DIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """
    The text with controls, directional marks and lone surrogates as their escapes, `\\x00`: a browser would swallow
    them, or change with them how other text is shown. Line breaks and tabs stay.
    """
    return "".join(_escape(c) if c in _DIRECTIONAL or _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def escape(value: Any) -> Markup:
    """A value as HTML, also for use in an attribute: `Markup` as it is, rates with four decimals."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup("–")
    if isinstance(value, float):
        return Markup(f"{value:.4f}")
    if isinstance(value, int):
        return Markup(f"{value:,}")
    return Markup(html.escape(visible(str(value)), quote=True))


def element(name: str, content: Any, **attributes: Optional[str]) -> Markup:
    """
    One HTML element.

    # Parameters

    name : `str`
    content : `Any`
        Escaped unless it is `Markup`.
    attributes : `Optional[str]`
        Without those that are `None`; a `_` at the end of a name (`class_`) is dropped, others become hyphens.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{escape(content)}</{name}>")


def join(parts: Sequence[str]) -> Markup:
    """HTML pieces, line by line."""
    return Markup("\n".join(escape(part) for part in parts))


def table(header: Sequence[Any], rows: Sequence[Sequence[Any]], class_: Optional[str] = None) -> Markup:
    """A table that scrolls sideways where it is too wide; numbers stand to the right, first cells are row headers."""
    head = "".join(element("th", cell, scope="col") for cell in header)
    lines: List[str] = []
    for first, *others in rows:
        cells = [first if is_cell(first) else element("th", first, scope="row")]
        cells += [cell if is_cell(cell) else element("td", cell, class_=_class(cell)) for cell in others]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    attribute = f' class="{class_}"' if class_ else ""
    content = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return Markup(f'<div class="scroll"><table{attribute}>\n{content}</table></div>')


def is_cell(value: Any) -> bool:
    """Whether a value is a table cell already."""
    return isinstance(value, Markup) and value.startswith(("<td", "<th"))


def _class(value: Any) -> Optional[str]:
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else None
