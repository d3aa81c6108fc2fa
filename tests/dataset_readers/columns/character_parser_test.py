"""`CharacterParser` against `ColumnParser`, which goes line by line."""

import io
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.columns.character_parser import CharacterParser
from ner_plugins.dataset_readers.columns.layout import ColumnLayout
from ner_plugins.dataset_readers.columns.parser import ColumnParser
from ner_plugins.errors import DataError, NerError
from ner_plugins.files import text_lines
from ner_plugins.files.text_lines import read_blocks, read_lines

LAYOUT = ColumnLayout(2, 0, (1,), "\t", "BIO", "", "")
TAGS = ("O", "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "S-LOC", "E-LOC", "I_x.y", "X", "")
TOKENS = ("海", "钓", "a", " ", "\u3000", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\x85", "12", "#", "")
LINES = ("", "", " ", "\t", "海", "海\t钓\tO", "# x", "\r", "-DOCSTART-\tO")


def everything(parser_class, data, layout=LAYOUT, illegal="repair", skip=False, encoding_errors="strict"):
    """Records (or the error that ended them) with what was counted and mended, in their order."""
    mended, counts, bad = [], Counter(), []
    parser = parser_class(layout, "f", lambda cell: cell, illegal, lambda key, e: mended.append((key, str(e))), counts)
    found = []
    stream = io.BytesIO(data)
    on_bad = bad.append if skip else None
    try:
        if parser_class is CharacterParser:
            records = parser.records_of_blocks(read_blocks(stream, "f", encoding_errors, on_bad))
        else:
            records = parser.records(read_lines(stream, "f", encoding_errors, on_bad))
        for record in records:
            found.append((str(record) if isinstance(record, DataError) else record, len(bad), len(mended)))
    except NerError as error:
        found.append(str(error))
    return found, mended, counts, list(map(str, bad))


@st.composite
def files(draw):
    rare = draw(st.sampled_from([1, 3, 12]))
    chance = random.Random(draw(st.integers(0, 10**6)))
    lines = []
    for _ in range(draw(st.integers(0, 60))):
        if chance.random() < 0.2:
            lines.append("")
        elif chance.random() < 0.02 * rare:
            lines.append(chance.choice(LINES))
        else:
            tokens = TOKENS if chance.random() < 0.02 * rare else TOKENS[:3]
            tags = TAGS if chance.random() < 0.02 * rare else TAGS[:7]
            lines.append(f"{chance.choice(tokens)}\t{chance.choice(tags)}")
    data = draw(st.sampled_from(["\n", "\r\n"])).join(lines).encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at:]
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + data + draw(st.sampled_from([b"", b"\n", b"\n\n", b"\r"]))


@settings(max_examples=300, deadline=None)
@given(
    files(),
    st.integers(1, 80),
    st.sampled_from(["repair", "drop", "strict"]),
    st.booleans(),
    st.sampled_from(["strict", "replace", "surrogateescape"]),
    st.booleans(),
)
def test_same_as_line_by_line(data, block_size, illegal, skip, encoding_errors, told):
    layout = ColumnLayout(2, 0, (1,), "\t", "BIO", "", "", detected=("scheme",) if told else ())
    original, text_lines.BLOCK_SIZE = text_lines.BLOCK_SIZE, block_size
    try:
        quick = everything(CharacterParser, data, layout, illegal, skip, encoding_errors)
        slow = everything(ColumnParser, data, layout, illegal, skip, encoding_errors)
    finally:
        text_lines.BLOCK_SIZE = original
    assert quick == slow


@pytest.mark.parametrize("separator", [" ", "|", "^"])
def test_other_separators(separator):
    layout = ColumnLayout(2, 0, (-1,), separator, "BIO", "", "")
    data = "海\tB-LOC\n钓\tI-LOC\n\n \tO\n^\tO\n\n海\tO\n".replace("\t", separator).encode() * 9
    assert CharacterParser.fits(layout)
    assert everything(CharacterParser, data, layout) == everything(ColumnParser, data, layout)


def test_it_is_used_where_it_fits(monkeypatch):
    """After the first block no line of a good file is looked at by itself."""
    sentence = "海\tB-LOC\n钓\tI-LOC\n者\tO\n\n"
    monkeypatch.setattr(text_lines, "BLOCK_SIZE", len(sentence.encode()) * 4)
    parser = CharacterParser(LAYOUT, "f", str, "repair", print, Counter())
    seen = []
    original = parser.records
    parser.records = lambda lines: original(seen.append(line) or line for line in lines)
    assert len(list(parser.records_of_blocks(read_blocks(io.BytesIO(sentence.encode() * 400), "f")))) == 400
    assert len(seen) <= 32
    for layout in (
        ColumnLayout(3, 0, (1, 2), "\t", "BIO", "", ""),
        ColumnLayout(2, 0, (1,), "\t", "BIO", " ", ""),
        ColumnLayout(2, 0, (1,), "", "BIO", "", ""),
        ColumnLayout(2, 1, (0,), "\t", "BIO", "", ""),
    ):
        assert not CharacterParser.fits(layout)
