import pytest

from ner_plugins.files.encodings import likely_encoding

CHINESE = "青禾银行的林晓彤来了，很好。"
KOREAN = "한별이 서울에 왔다."
TEXTS = {
    "columns": "".join(f"{character}\tO\n" for character in CHINESE),
    "lines": f"{CHINESE}\n{CHINESE}\n",
    "ASCII first": f"id\ttext\n1\t{CHINESE}\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_chinese(name: str) -> None:
    assert likely_encoding(TEXTS[name].encode("gb18030")) == "GB18030"
    assert likely_encoding(TEXTS[name].encode("utf-16")) == "UTF-16"
    assert likely_encoding(TEXTS[name].encode("utf-32")) == "UTF-32"
    assert likely_encoding(TEXTS[name].encode()) is None


def test_korean() -> None:
    for encoding in ("cp949", "euc-kr"):
        assert likely_encoding(f"{KOREAN}\n".encode(encoding)) == "CP949"
    assert likely_encoding(f"; {KOREAN}\n한\tNNP\n".encode("cp949")) == "CP949"


def test_a_damaged_line_of_a_file_in_utf_8() -> None:
    damaged = f"{KOREAN}\n{CHINESE}\n".encode() + "青".encode("gb18030") + b"\n"
    assert likely_encoding(damaged) is None
    assert likely_encoding(b"ab\n\xff\n") is None and likely_encoding(b"caf\xe9 na\xefve\n") is None
