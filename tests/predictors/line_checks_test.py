import io
import logging
from pathlib import Path

import pytest

from ner_plugins.errors import DataError
from ner_plugins.files.text_lines import read_lines
from ner_plugins.predictors.line_checks import check_is_file, not_utf8, with_warnings

COLUMNS = ["张 O", "三\tB-PER.NAM", "在0 0 O", ""]


def warnings(lines: list[str], caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert list(with_warnings(enumerate(lines, 1), "in.txt")) == list(enumerate(lines, 1))
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "lines, expected",
    [
        (COLUMNS, "3 of the first 3"),
        (COLUMNS * 500, "50 of the first 50"),
        (COLUMNS + ["张三在北京"] * 2, "3 of the first 5"),
        (COLUMNS + ["张三在北京"] * 3, None),
        (["我 O"], None),
        (["张三在北京"] * 50 + COLUMNS * 50, None),
        (['{"text": "a"}'] * 60, "--input-format json"),
        (["", "  ", '{"text": "a"}'], "in.txt:3: the line looks like JSON"),
        (["a"] * 70 + ['{"text": "a"}', "b", '{"text": "c"}'], "in.txt:71: the line looks like JSON"),
        (["{a", '["a"]', "3", "{}x"], None),
        ([], None),
    ],
)
def test_what_the_first_lines_look_like(lines: list[str], expected: str | None, caplog) -> None:
    found = warnings(lines, caplog)
    assert len(found) == (expected is not None) and (expected or "") in "".join(found)


def test_a_line_is_handed_on_before_the_next_one_is_taken() -> None:
    taken = []

    def lines():
        for number in (1, 2):
            taken.append(number)
            yield number, "a"

    for number, _ in with_warnings(lines(), "-"):
        assert taken[-1] == number


@pytest.mark.parametrize(
    "content, iconv",
    [
        ("张三在北京大学读书，李四也在。\n".encode("gb18030"), "UTF-8 FILE > NEW, or name it with --encoding gb18030"),
        ("김철수는 서울대학교에 다닌다\n안녕\n".encode("cp949"), "iconv -f CP949 -t UTF-8"),
        (("张三在北京大学读书\n" * 5).encode() + b"\xd5\xc5\n", None),  # UTF-8 but for one line
        (b"\xff\n", None),
    ],
)
def test_the_remedy_for_what_is_not_utf8(content: bytes, iconv: str | None) -> None:
    with pytest.raises(DataError) as caught:
        list(read_lines(io.BytesIO(content), "in.txt"))
    told = str(not_utf8(caught.value))
    assert "--on-error skip" in told and "encoding_errors" not in told
    assert iconv in told if iconv else "iconv" not in told and "Convert it" in told


def test_a_corpus_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "train.json").touch()
    for path in (f"{tmp_path}#train", str(tmp_path), f"{tmp_path / 'train.json'}#dev"):
        with pytest.raises(DataError, match=r"not a file.*--use-dataset-reader"):
            check_is_file(path)
    check_is_file(str(tmp_path / "train.json"))
