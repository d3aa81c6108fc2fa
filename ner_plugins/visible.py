"""Text that a page, a picture, a table or a message can show, whatever the data hold."""

import re

# Control characters, line and paragraph separators, lone surrogates, and characters that change the writing direction,
# and so can make one text look like another.
_HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_IN_MARKDOWN = re.compile(r"[\\|<\[`]")
LONGEST_LINE = 2000
"""Of a message; who lists names or shows values shortens them earlier."""
_IN_TEXT, _IN_LINE = re.compile(f"[{_HIDDEN}]"), re.compile(f"[\t\n{_HIDDEN}]")


def visible(text: str) -> str:
    """
    The text with control characters, directional marks and lone surrogates as escapes such as `\\x00`.

    A browser would drop them, or let them change how other text is shown. Line breaks and tabs stay.
    """
    return _IN_TEXT.sub(_escaped, text)


def in_one_line(text: str) -> str:
    """
    `visible` of a message, with line breaks and tabs as escapes too.

    A terminal would obey control characters, which names of files and data may have.
    """
    return text if text.isprintable() else _IN_LINE.sub(_escaped, text)


def shortened(message: str, limit: int = LONGEST_LINE) -> str:
    """The message without the middle of its lines that are longer: what is wrong comes first, what to do last."""
    if len(message) <= limit:
        return message
    half = (limit - 3) // 2
    lines = message.split("\n")
    return "\n".join(line if len(line) <= limit else f"{line[:half]}...{line[-half:]}" for line in lines)


def csv_text(value: str) -> str:
    """
    A text as a cell of a CSV file that spreadsheets show as it is: `visible`, and with an apostrophe before what they
    would take for a formula, which could start programs or send data away.
    """
    return ("'" if _FORMULA.match(value) else "") + visible(value)


def markdown_text(value: str) -> str:
    """A text in a line or a cell of Markdown, in which it makes no column, link, picture, code or markup."""
    return in_one_line(_IN_MARKDOWN.sub(lambda match: "\\" + match[0], value))


def _escaped(match: "re.Match[str]") -> str:
    return match[0].encode("unicode_escape", "backslashreplace").decode("ascii")
