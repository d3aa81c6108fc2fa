import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.data_tools.guess import guess_reader, ner_readers, recognisers
from ner_plugins.data_tools.unrecognised import unrecognised
from ner_plugins.dataset_readers.recognition import FileStart
from ner_plugins.errors import NerError

RECORD = {"text": "青禾", "label": {}}

CAUSES = {
    "empty": (b"", "the file is empty. Check"),
    "blank": (b" \n", "the file has nothing but white space. Check"),
    "utf16": ("青禾的雨\n".encode("utf-16"), "it seems to be plain text without labels; it starts with '青禾的雨"),
    "utf32": ("青禾的雨\n".encode("utf-32"), "it seems to be plain text without labels; it starts with '青禾的雨"),
    "utf16be": ("plain B-ORG and words\n".encode("utf-16-be"), "or name it with --encoding utf-16be"),
    "longline": (("我" * 50_000).encode(), "it seems to be plain text without labels; it starts with '我我"),
    "utf16le": ("plain B-ORG and words\n".encode("utf-16-le"), "it is not UTF-8. It looks like UTF-16LE: iconv"),
    "gb18030": ("青禾银行的林晓彤来了\n".encode("gb18030"), "or name it with --encoding gb18030"),
    "arrays": (json.dumps([[RECORD]]).encode(), "it is a JSON array of arrays. Write an array of objects, or one"),
    "array": (b'[{"sentence": "a", "spans": []}]', "JSON with the keys ['sentence', 'spans'], none of which"),
    "pretty": (json.dumps({"sentence": {"text": "a"}}, indent=2).encode(), "JSON with the keys ['sentence'], none"),
    "keys": (b'{"sentence": "a", "spans": []}\n', "JSON with the keys ['sentence', 'spans'], none of which"),
    "bare": (
        "青 B\n禾 I\n去 O\n\n好 O\n".encode(),
        "columns whose tags B and I name no type. Name the type: --reader '{\"type\": \"conll_ner\", \"bare_type\": ",
    ),
    "csv": ("青,B-ORG\n禾,I-ORG\n\n,,O\n".encode(), "columns separated by ','. Name their reader"),
    "semicolon": ("青;B-ORG\n禾;O\n".encode(), '{"type": "conll_ner", "separator": ";"}'),
    "text": ("青禾银行的林晓彤\n".encode(), "it seems to be plain text without labels; it starts with '青禾银行"),
    "binary": (b"\x7fELF\x02\x03\x04", "no reader fits: it starts with"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_causes(tmp_path: Path, name: str) -> None:
    data, message = CAUSES[name]
    (tmp_path / "data").write_bytes(data)
    with pytest.raises(NerError, match=re.escape(message)) as caught:
        guess_reader(str(tmp_path / "data"))
    assert ("--reader NAME" in str(caught.value)) == (name in ("text", "longline", "binary", "utf16", "utf32"))


def test_line_ends_of_cr_alone() -> None:
    assert unrecognised(b"a b\rc d\r").problem == "its lines end with CR alone"


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_have_a_printable_cause(data: bytes) -> None:
    if not recognisers(FileStart("x", data), ner_readers()):
        cause = unrecognised(data)
        assert cause.problem.isprintable() and (cause.remedy or "").isprintable()
