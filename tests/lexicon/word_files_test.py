"""Every format, compressed and not, told from the content; what is wrong with a file is said with its place."""

import bz2
import gzip
import logging
import lzma
import struct
from pathlib import Path

import numpy as np
import pytest
from allennlp.common import Params
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.lexicon import Lexicon
from ner_plugins.lexicon.word_files import WordFile
from ner_plugins.lexicon.word_layout import HEAD, layout_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "lexicon"
VECTORS = {"上海": [1.5, -2.0, 0.25], "𠮷野家": [0.0, 0.0, 0.0], "AT&T": [1e-9, 3.0, -0.5]}


def text_of(vectors, header=True, end="\n", gap=" ", trailing=""):
    width = len(next(iter(vectors.values())))
    lines = [f"{len(vectors)} {width}"] if header else []
    lines += [gap.join([word, *map(repr, vector)]) + trailing for word, vector in vectors.items()]
    return "".join(line + end for line in lines).encode()


def binary_of(vectors, feed=b"\n", number=None):
    width = len(next(iter(vectors.values())))
    head = f"{len(vectors) if number is None else number} {width}\n".encode()
    return head + b"".join(w.encode() + b" " + struct.pack(f"<{width}f", *v) + feed for w, v in vectors.items())


def written(tmp_path, data, name="file"):
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def read(path, format=None):
    """Format, width, words with their places, vectors."""
    file = WordFile(path, format)
    entries = list(file.entries(lambda word: True))
    vectors = {word: vector.tolist() for _, word, vector in entries if vector is not None}
    assert [entry[:2] for entry in file.entries()] == [entry[:2] for entry in entries]
    assert all(vector is None for _, _, vector in file.entries())
    return file, [(place, word) for place, word, _ in entries], vectors


CONTENTS = {
    "words": ("words", "上海\n𠮷野家\nAT&T\n".encode()),
    "words, no end of line": ("words", "上海\n𠮷野家\nAT&T".encode()),
    "words, BOM, CRLF": ("words", "\ufeff上海\r\n𠮷野家\r\nAT&T\r\n".encode()),
    "words, spaces around": ("words", " 上海 \n\u3000𠮷野家\t\nAT&T\n".encode()),
    "jieba": ("jieba", "上海 3 ns\n𠮷野家 10 nz\nAT&T 3 nz\n".encode()),
    "jieba, BOM, CRLF": ("jieba", "\ufeff上海 3 ns\r\n𠮷野家 10 nz\r\nAT&T 3 nz\r\n".encode()),
    "jieba without parts of speech": ("jieba", "上海 3\n𠮷野家 10\nAT&T 3\n".encode()),
    "jieba, tabs": ("jieba", "上海\t3\tns\n𠮷野家\t10\tnz\nAT&T\t3\tnz\n".encode()),
    "text": ("word2vec_text", text_of(VECTORS)),
    "text, BOM, CRLF": ("word2vec_text", b"\xef\xbb\xbf" + text_of(VECTORS, end="\r\n")),
    "text, no header": ("word2vec_text", text_of(VECTORS, header=False)),
    "text, space at the end": ("word2vec_text", text_of(VECTORS, trailing=" ")),
    "text, tabs": ("word2vec_text", text_of(VECTORS, gap="\t")),
    "binary, LF": ("word2vec_binary", binary_of(VECTORS)),
    "binary, no LF": ("word2vec_binary", binary_of(VECTORS, feed=b"")),
    "binary, no LF at the end": ("word2vec_binary", binary_of(VECTORS)[:-1]),
}
COMPRESSIONS = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("content", CONTENTS)
def test_every_format(tmp_path, content, compression, caplog):
    expected, data = CONTENTS[content]
    path = written(tmp_path, COMPRESSIONS[compression](data))
    file, words, vectors = read(path)
    assert file.format == expected
    first = 2 if expected == "word2vec_text" and "header" not in content else 1
    assert words == list(enumerate(VECTORS, first))
    if expected.startswith("word2vec"):
        assert file.width == 3
        assert vectors == {word: np.float32(vector).tolist() for word, vector in VECTORS.items()}
    else:
        assert file.width is None and vectors == {}
    assert not caplog.records
    assert read(path, expected)[1:] == (words, vectors)


@pytest.mark.parametrize("width", [1, 2, 50, 300])
@pytest.mark.parametrize("number", [1, 700])
def test_sizes_beyond_the_head_and_the_blocks(tmp_path, width, number, monkeypatch):
    monkeypatch.setattr("ner_plugins.lexicon.word_files.BLOCK_SIZE", 1009)
    table = np.random.default_rng(0).normal(size=(number, width)).astype(np.float32)
    vectors = {f"词{i}": row.tolist() for i, row in enumerate(table)}
    for data in (text_of(vectors), binary_of(vectors), binary_of(vectors, feed=b"")):
        file, words, found = read(written(tmp_path, data))
        assert file.width == width and found == vectors and [word for _, word in words] == list(vectors)


words_of_any_letters = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(words_of_any_letters, st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False),
                       min_size=4, max_size=4), min_size=1, max_size=6))  # fmt: skip
def test_binary_equals_what_was_packed(tmp_path_factory, vectors):
    path = written(tmp_path_factory.mktemp("w2v"), binary_of(vectors))
    _, words, found = read(path, "word2vec_binary")
    assert [word for _, word in words] == list(vectors)
    assert found == vectors


def test_fixtures():
    words = (FIXTURES / "words.txt").read_text(encoding="utf-8").splitlines()
    assert len(words) > 1000 and len(set(words)) == len(words)
    found = {}
    formats = (("words.txt", "words", 1), ("words.vec", "word2vec_text", 2), ("words.bin", "word2vec_binary", 1))
    for name, format, first in formats:
        file, entries, vectors = read(str(FIXTURES / name))
        assert (file.format, entries) == (format, list(enumerate(words, first)))
        found[name] = vectors
    assert found["words.vec"] == found["words.bin"] and not found["words.txt"]


def test_words_with_spaces(tmp_path):
    assert read(written(tmp_path, "서울 시\nNew York\n".encode()))[1] == [(1, "서울 시"), (2, "New York")]
    data = text_of({"New York": [1.0, 2.0, 3.0], "서울 시": [1.0, 2.0, 3.0]})
    assert read(written(tmp_path, data))[1] == [(2, "New York"), (3, "서울 시")]
    assert read(written(tmp_path, b"New York 3 n\nab 4 n\n"))[1] == [(1, "New York"), (2, "ab")]


def test_member_of_an_archive(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("vectors/words.vec", text_of(VECTORS))
        archive.writestr("readme", "x")
    assert [word for _, word in read(f"{tmp_path}/a.zip!vectors/words.vec")[1]] == list(VECTORS)
    with pytest.raises(DataError, match=r"an archive, not a file.*vectors/words.vec"):
        WordFile(f"{tmp_path}/a.zip")


# What is left out, and said.


def remarks(path, caplog, format=None):
    with caplog.at_level(logging.WARNING):
        entries = list(WordFile(path, format).entries(lambda word: True))
    return [word for _, word, _ in entries], [record.getMessage() for record in caplog.records]


def test_blank_lines_are_passed_over(tmp_path, caplog):
    words, said = remarks(written(tmp_path, "\n上海\n\n  \n北京\n\n".encode()), caplog)
    assert words == ["上海", "北京"] and said == []
    words, said = remarks(written(tmp_path, text_of(VECTORS).replace(b"\n", b"\n\n")), caplog)
    assert words == list(VECTORS) and said == []


def test_words_of_another_width(tmp_path, caplog):
    data = b"4 3\na 1 2 3\nb 1 2\nc 1 2 3 4\nd 4 5 6\n"
    path = written(tmp_path, data)
    words, said = remarks(path, caplog)
    assert words == ["a", "d"]
    assert said == [f"{path}:3: 2 words whose vector has other than 3 numbers left out, the first of them 'b'"]


@pytest.mark.parametrize("format, place", [("text", ":3: "), ("binary", ": word 2: ")])
def test_words_that_were_cut_inside_a_character(tmp_path, caplog, format, place):
    data = (text_of if format == "text" else binary_of)({"上海": [1.0, 2.0], "北京": [3.0, 4.0], "南京": [3.0, 4.0]})
    path = written(tmp_path, data.replace("京 ".encode(), b"\xe4\xba ", 1))
    words, said = remarks(path, caplog)
    assert words == ["上海", "南京"]
    assert said == [f"{path}{place}1 word not in UTF-8 left out, the first of them '北�'"]


def test_header_that_promises_more(tmp_path, caplog):
    path = written(tmp_path, b"9 2\na 1 2\nb 1 2\n")
    words, said = remarks(path, caplog)
    assert words == ["a", "b"] and said == [f"{path}: 2 words, but its first line declares 9: it may be truncated"]


def test_bytes_after_the_last_word(tmp_path, caplog):
    path = written(tmp_path, binary_of(VECTORS, number=2))
    words, said = remarks(path, caplog)
    assert words == list(VECTORS)[:2]
    assert said == [f"{path}: more bytes after the 2 words that its first line declares"]


def test_empty_words(tmp_path, caplog):
    words, said = remarks(written(tmp_path, b"2 3\n 1 2 3\na 1 2 3\n"), caplog, "word2vec_text")
    assert words == ["a"] and "1 word without a letter left out" in said[0]
    words, said = remarks(written(tmp_path, binary_of({"": [1.0, 2.0], "a\nb": [1.0, 2.0], "c": [1.0, 2.0]})), caplog)
    assert words == ["c"] and "word 1: 2 words without a letter or with a line break left out" in said[-1]


# What is an error.


@pytest.mark.parametrize("feed", [b"", b"\n"])
def test_truncated_binary(tmp_path, feed):
    data = binary_of(VECTORS, feed)
    start = data.index("𠮷".encode())
    for cut in (start, start + 1, start + 6, start + 12, len(data) - len(feed) - 1):
        path = written(tmp_path, data[:cut])
        number = 3 if cut > start + 13 else 2
        with pytest.raises(DataError, match=rf"file: it ends in the middle of word {number} of 3.*truncated"):
            list(WordFile(path, "word2vec_binary").entries())


@pytest.mark.parametrize("content", ["words", "text", "binary, LF"])
def test_truncated_compression(tmp_path, content):
    data = gzip.compress(CONTENTS[content][1] * 50)
    with pytest.raises(DataError, match="file: cannot be read: Compressed file ended"):
        list(WordFile(written(tmp_path, data[:-9])).entries())


@pytest.mark.parametrize("encoding, name", [("gb18030", "GB18030"), ("cp949", "CP949"), ("utf-16", "UTF-16")])
@pytest.mark.parametrize("layout", ["{}\n", "{} 3 n\n", "{} 1.0 2.0 3.0\n"])
def test_wrong_encodings(tmp_path, encoding, name, layout):
    words = ["서울특별시", "대한민국", "부산광역시"] if encoding == "cp949" else ["上海", "北京市", "南京"]
    path = written(tmp_path, "".join(layout.format(word) for word in words).encode(encoding))
    with pytest.raises(DataError, match=rf"file(:1)?: .*iconv -f {name}"):
        list(WordFile(path).entries())


def test_a_bad_byte_in_a_word_list(tmp_path):
    path = written(tmp_path, "上海\n".encode() + b"a\xff\n")
    with pytest.raises(DataError, match=r"file:2: 0xff is not UTF-8 .*Save the file as UTF-8") as error:
        list(WordFile(path).entries())
    assert "encoding_errors" not in str(error.value)


@pytest.mark.parametrize(
    "number, message",
    [
        ("x", r"file:3: 'x' in the vector of 'b' \(expected a number\)"),
        ("nan", "file: line 3: the vector of 'b' has infinite numbers"),
        ("1e39", "file: line 3: the vector of 'b' has infinite numbers"),
    ],
)
def test_vectors_that_are_no_numbers(tmp_path, number, message):
    path = written(tmp_path, f"3 2\na 1 2\nb 1 {number}\nc 1 2\n".encode())
    assert [word for _, word, _ in WordFile(path).entries()] == ["a", "b", "c"]
    with pytest.raises(DataError, match=message):
        list(WordFile(path).entries(lambda word: word == "b"))


def test_infinite_numbers_in_binary(tmp_path):
    path = written(tmp_path, binary_of({"a": [1.0, 2.0], "b": [1.0, float("inf")]}))
    with pytest.raises(DataError, match="word 2: the vector of 'b' has infinite"):
        list(WordFile(path).entries(lambda word: True))


@pytest.mark.parametrize(
    "data, format, message",
    [
        (b"PK\0\1\0\2", None, "neither text nor word2vec's binary format"),
        (b"a\nb\n", "word2vec_text", "file:1: no vector"),
        (b"a\nb\n", "word2vec_binary", r"file:1: no header \(expected NUMBER_OF_WORDS"),
        (b"3 0\na 1 2\n", None, "file:1: the header declares vectors of 0 numbers"),
        (b"1 2\n" + b"\0" * 40_000, None, "16,384 bytes without a space instead of word 1"),
        (b"a\rb\r", None, "CR"),
    ],
)
def test_files_that_are_something_else(tmp_path, data, format, message):
    with pytest.raises(DataError, match=message):
        list(WordFile(written(tmp_path, data), format).entries())


def test_no_file_and_no_format(tmp_path):
    with pytest.raises(DataError, match=r"words\.tx"):
        WordFile(str(FIXTURES / "words.tx"))
    with pytest.raises(DataError, match="a folder, not a file"):
        WordFile(str(FIXTURES))
    params = Params({"path": str(FIXTURES / "words.txt"), "format": "csv"}, "dataset_reader.lexicon.")
    message = r'lexicon\.format is "csv"; it can be words, jieba, word2vec_text or word2vec_binary'
    with pytest.raises(ConfigError, match=message):
        Lexicon.from_params(params)


def test_format_goes_before_the_content(tmp_path):
    path = written(tmp_path, "第一 1 2 3\n第二 1 2 3\n".encode())
    assert WordFile(path).format == "word2vec_text"
    assert read(path, "words")[1] == [(1, "第一 1 2 3"), (2, "第二 1 2 3")]
    assert read(path, "jieba")[1][0][1].startswith("第一")


def test_layout_of_a_head_that_ends_in_the_middle_of_a_line():
    line = "词" + " 0.125" * 300 + "\n"
    head = (f"99999 300\n{line}" + line * 100).encode()[:HEAD]
    assert layout_of(head, "x")[:3] == ("word2vec_text", 300, 99999)
    assert layout_of(line.encode() * 100, "x")[:3] == ("word2vec_text", 300, None)
    assert layout_of(b"", "x")[:3] == ("words", None, None)
