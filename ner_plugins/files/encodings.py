"""Guessing the encoding of bytes that are not UTF-8."""

import codecs
import re
from typing import Optional

_SAMPLE = 64  # lines
_CONVERSION = re.compile(r"iconv -f (\S+) ")
_SHARE = 0.9  # of the characters that are not ASCII
# The mark of UTF-32 begins with that of UTF-16.
_BOMS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def conversion(encoding: str) -> str:
    """The command that converts a file to UTF-8."""
    return f"It looks like {encoding}: iconv -f {encoding} -t UTF-8 FILE > NEW"


def with_option(remedy: Optional[str], option: str) -> Optional[str]:
    """
    A remedy that names `conversion`, with the option that makes it needless.

    # Parameters

    remedy : `Optional[str]`
    option : `str`
        With `{}` for the name of the encoding.
    """
    found = _CONVERSION.search(remedy or "")
    return f"{remedy}, or {option.format(found[1].lower())}" if found else remedy


def marked_encoding(data: bytes) -> Optional[str]:
    """`UTF-32` or `UTF-16` if the bytes begin with its byte order mark."""
    return next((encoding for mark, encoding in _BOMS.items() if data.startswith(mark)), None)


def likely_encoding(data: bytes) -> Optional[str]:
    """
    `UTF-32`, `UTF-16`, `CP949` or `GB18030` for bytes that look like it; `None` for others.

    If more lines are valid UTF-8 with Chinese or Korean characters than are invalid, the text counts as damaged UTF-8.
    Korean bytes are often valid Chinese too, but Chinese text hardly ever decodes to Hangul alone, so Korean is tried
    first.

    # Parameters

    data : `bytes`
        Whole lines; UTF-32 and UTF-16 are only recognised at the start of a file.
    """
    if marked := marked_encoding(data):
        return marked
    bad, good = [], 0
    for line in data.splitlines():
        try:
            good += any(character >= "\u0800" for character in line.decode())
        except UnicodeDecodeError:
            bad.append(line)
    if not bad or good > len(bad):
        return None
    sample = b"\n".join(bad[:_SAMPLE])
    for encoding, first, last in (("CP949", "\uac00", "\ud7a3"), ("GB18030", "\u3000", "\u9fff")):
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)  # the last character may be cut off
            letters = [c for c in text if c >= "\x80" and not "\uff00" <= c <= "\uffef"]
        except UnicodeDecodeError:
            continue
        if letters and sum(first <= character <= last for character in letters) >= _SHARE * len(letters):
            return encoding
    return None
