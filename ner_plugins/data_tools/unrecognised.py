"""Explaining why no reader recognises a file."""

import json
from collections import Counter
from typing import NamedTuple, Optional

from ner_plugins.dataset_readers.columns.layout import BARE_TAGS
from ner_plugins.dataset_readers.recognition import FileStart
from ner_plugins.errors import shown
from ner_plugins.files.encodings import conversion, likely_encoding, marked_encoding, with_option
from ner_plugins.files.recoding import decode_start
from ner_plugins.tag_schemes import is_tag

_START = 30  # characters of the text in messages


class Cause(NamedTuple):
    """
    The likely problem of a file.

    # Parameters

    problem : `str`
    remedy : `Optional[str]`
        What to do; `None` means to name a reader.
    """

    problem: str
    remedy: Optional[str] = None


def unrecognised(head: bytes, encoding: Optional[str] = None) -> Cause:
    """The likeliest cause, from the first bytes of a file that no reader recognises (and its encoding, if named)."""
    if encoding or marked_encoding(head):
        head = decode_start(head, encoding).encode("utf-8", "replace")
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        what = "has nothing but white space" if head.strip(b"\xef\xbb\xbf") else "is empty"
        return Cause(f"the file {what}", "Check that it is the right one, and complete")
    found = _unmarked_utf16(head) or likely_encoding(_whole_lines(head))
    if found:
        return Cause("it is not UTF-8", with_option(conversion(found), "name it with --encoding {}"))
    if b"\r" in head[:-1] and b"\n" not in head:
        return Cause("its lines end with CR alone", "Convert it: tr '\\r' '\\n' < FILE > NEW")
    text = head.decode("utf-8-sig", "replace").lstrip()
    return _json_cause(text) or _bare_tags_cause(text) or _separated_cause(text) or _text_cause(text)


def _unmarked_utf16(head: bytes) -> Optional[str]:
    """`UTF-16LE` or `UTF-16BE` if much of every other byte is zero."""
    low, high = head[1::2].count(0), head[0::2].count(0)
    zeros = max(low, high)
    if zeros > 8 and 4 * zeros > len(head) and head.count(0) == zeros:
        return "UTF-16LE" if low > high else "UTF-16BE"
    return None


def _whole_lines(head: bytes) -> bytes:
    """The whole lines; if the first is longer, its beginning without a UTF-8 character that is cut in two."""
    if b"\n" in head:
        return head[: head.rfind(b"\n") + 1]
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return head[: error.start]
    return head


def _json_cause(text: str) -> Optional[Cause]:
    if text.startswith("[") and text[1:].lstrip()[:1] == "[":
        return Cause("it is a JSON array of arrays", "Write an array of objects, or one object on each line")
    keys = FileStart("", text.encode("utf-8", "surrogatepass")).json_keys
    if not keys:
        return None
    remedy = 'Rename them: "text" and "label" (reader cluener), or "text" and "entities" (reader datasets_ner)'
    return Cause(f'JSON with the keys {shown(keys)}, none of which is "text", "tokens" or "entities"', remedy)


def _bare_tags_cause(text: str) -> Optional[Cause]:
    """Columns that end in tags without a type."""
    rows = [line.split() for line in text.split("\n") if line.strip()]
    tags = Counter(row[-1] for row in rows if len(row) > 1)
    bare = [tag for tag in tags if tag in BARE_TAGS]
    if not bare or not tags["O"] or tags["O"] + sum(tags[tag] for tag in bare) < 0.8 * len(rows):
        return None
    listed = " and ".join(sorted(bare))
    reader = json.dumps({"type": "conll_ner", "bare_type": "TYPE"})
    return Cause(f"columns whose tags {listed} name no type", f"Name the type: --reader '{reader}'")


def _separated_cause(text: str) -> Optional[Cause]:
    """Columns with another separator than white space."""
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    counts: Counter[str] = Counter()
    for separator in ",;|":
        counts[separator] = sum(is_tag(line.rpartition(separator)[2].strip()) and separator in line for line in lines)
    separator, count = counts.most_common(1)[0]
    if 2 * count < len(lines):
        return None
    reader = json.dumps({"type": "conll_ner", "separator": separator})
    return Cause(f"columns separated by {separator!r}", f"Name their reader: --reader '{reader}'")


def _text_cause(text: str) -> Cause:
    start = f"it starts with {shown(text[:_START])}"
    lines: list[str] = [line for line in text.split("\n") if line.strip()]
    if all(line.isprintable() for line in (line.replace("\t", " ").rstrip("\r") for line in lines)):
        return Cause(f"it seems to be plain text without labels; {start}")
    return Cause(start)
