"""Which encoding bytes are in that are not UTF-8."""

from typing import Optional

_SAMPLE = 64  # lines
_SHARE = 0.9  # of the characters that are not ASCII
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def conversion(encoding: str) -> str:
    """The command that makes UTF-8 of a file."""
    return f"It looks like {encoding}: iconv -f {encoding} -t UTF-8 FILE > NEW"


def likely_encoding(data: bytes) -> Optional[str]:
    """
    `UTF-16`, `CP949` or `GB18030` for bytes that look like it; `None` for others.

    Text is taken for UTF-8, though with damage, where more of its lines have Chinese, Korean or the like in UTF-8 than
    lines are not UTF-8. Korean text is often good Chinese by its bytes, but Chinese text is hardly ever Hangul alone.

    # Parameters

    data : `bytes`
        Whole lines, from the start of the file if it is to be known for UTF-16.
    """
    if data[:2] in _BOMS:
        return _BOMS[data[:2]]
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
            letters = [c for c in sample.decode(encoding) if c >= "\x80" and not "\uff00" <= c <= "\uffef"]
        except UnicodeDecodeError:
            continue
        if letters and sum(first <= character <= last for character in letters) >= _SHARE * len(letters):
            return encoding
    return None
