"""Every reader of text reads its fixture in other encodings, with CR LF, and joined with a byte order mark between."""

from pathlib import Path
from typing import Any

import pytest
from ner_data_actions import run
from reader_fixtures import data_files, fixtures, make_reader

from ner_plugins.data_tools.guess import guess_reader
from ner_plugins.dataset_readers import CluenerReader, ConllReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError, DataError

FOLDERS = [folder for folder, name in fixtures().items() if name != "spacy_ner"]


def read(folder: str, path: Path, **options: Any) -> list[tuple[str, Any]]:
    return [(s.text, s.entities) for s in make_reader(folder, on_error="skip", **options).sentences(str(path))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_same_sentences(folder: str, tmp_path: Path) -> None:
    original = data_files(folder)[0]
    text = original.read_text(encoding="utf-8")
    expected = read(folder, original)
    path = tmp_path / original.name
    path.write_text(text, encoding="utf-8")
    guessed = guess_reader(str(path))
    for encoding, option in (("utf-16", None), ("utf-8-sig", None), ("gb18030", "gb18030"), ("utf-16-be", "utf-16-be")):
        for content in (text, text.replace("\n", "\r\n")):
            path.write_bytes(content.encode(encoding))
            assert read(folder, path, **({"encoding": option} if option else {})) == expected, encoding
            assert guess_reader(str(path), option) == guessed


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if "document" not in folder])
def test_files_that_were_joined(folder: str, tmp_path: Path) -> None:
    original = data_files(folder)[0]
    data = original.read_bytes().removeprefix(b"\xef\xbb\xbf")
    end = b"" if data.endswith(b"\n\n") else b"\n" if data.endswith(b"\n") else b"\n\n"
    path = tmp_path / original.name
    for between in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(b"\xef\xbb\xbf" + data + end + between + data)
        joined = read(folder, path)
        assert joined == read(folder, original) * 2, between


def test_marks_that_are_tokens_stay(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("青 O\n\n\ufeff O\n\ufeff禾 B-X\n\n\ufeff\n雨 O\n", encoding="utf-8")
    assert [s.text for s in ConllReader().sentences(str(path))] == ["青", "\ufeff禾", "雨"]


def test_another_encoding_is_named_in_the_message(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    for content in ('{"text": "青禾银行", "label": {}}\n', '[{"text": "青禾银行", "label": {}}]'):
        path.write_text(content, encoding="gb18030")
        with pytest.raises(DataError, match=r"looks like GB18030: iconv .* or set the option encoding to .gb18030."):
            list(CluenerReader().sentences(str(path)))
        (sentence,) = CluenerReader(encoding="gb18030").sentences(str(path))
        assert sentence.text == "青禾银行"
    with pytest.raises(ConfigError, match=r"dataset_reader\.encoding is .gb2."):
        CluenerReader(encoding="gb2")


def test_bad_bytes_of_a_named_encoding_cost_their_record(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    rows = ['{"text": "青禾", "label": {}}'.encode("gb18030"), b'{"text": "\xff", "label": {}}']
    for content in (b"\n".join(rows), b"[" + b",\n".join(rows) + b"]"):
        path.write_bytes(content)
        reader, heard = CluenerReader(encoding="gb18030", on_error="skip"), []
        reader.listener = heard.append
        assert [s.text for s in reader.sentences(str(path))] == ["青禾"]
        (error,) = heard
        assert error.line == 2 and "0xff is not gb18030" in str(error)


def test_ner_data_takes_the_encoding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "train.bio", tmp_path / "out.json"
    path.write_text("青\tB-LOC\n禾\tI-LOC\n\n", encoding="gb18030")
    run("convert", path, out, "--encoding", "gb18030")
    assert [s.text for s in CluenerReader().sentences(str(out))] == ["青禾"]
    run("stats", path, "--encoding", "gb18030")
    run("check", path, "--encoding", "gb18030")
    assert "1 sentence: no problem found" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--encoding is 'gb2'"):
        run("stats", path, "--encoding", "gb2")


def test_sentences_have_lines_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("青 O\n\n禾 B-X\n", encoding="utf-16")
    first, second = ConllReader().sentences(str(path))
    assert isinstance(first, Sentence) and second.source == f"{path}:3"
