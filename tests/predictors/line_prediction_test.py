import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ner_plugins.errors import ConfigError, DataError
from ner_plugins.predictors.line_prediction import LinePrediction


class Echo:
    """Stands in for a predictor: a prediction is the record."""

    def predict_records(self, records: Iterator[Any], **options: Any) -> Iterator[Any]:
        return records


def predicted(path: Path, data: bytes, input_format: str = "text", **options: Any) -> list[tuple[int, str]]:
    path.write_bytes(data)
    options = {"on_error": "raise", **options}
    to_line: Any = json.dumps
    predictor: Any = Echo()
    prediction = LinePrediction(predictor, input_format=input_format, batch_size=None, to_line=to_line, **options)
    return [(row["id"], row["text"]) for row in map(json.loads, prediction.run(str(path)))]


TEXTS = [(0, "阿宝在青禾"), (1, ""), (2, "🐼下雨了")]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(("written", "named"), [("utf-16", None), ("utf-8-sig", None), ("gb18030", "gb18030")])
def test_encodings_and_line_ends(written: str, named: str | None, ends: str, tmp_path: Path) -> None:
    data = ends.join([text for _, text in TEXTS] + [""]).encode(written)
    assert predicted(tmp_path / "f", data, encoding=named) == TEXTS
    rows = [json.dumps({"text": text}, ensure_ascii=False) for _, text in TEXTS]
    assert predicted(tmp_path / "f", ends.join([*rows, ""]).encode(written), "json", encoding=named) == TEXTS


def test_files_that_were_joined(tmp_path: Path) -> None:
    joined = "\ufeff阿宝\n\ufeff青禾\n"
    assert predicted(tmp_path / "f", joined.encode()) == [(0, "阿宝"), (1, "青禾")]
    rows = '\ufeff{"text": "阿宝"}\n\ufeff{"text": "青禾"}\n'
    assert predicted(tmp_path / "f", rows.encode(), "json") == [(0, "阿宝"), (1, "青禾")]


def test_bytes_of_another_encoding(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = "张三在北京大学读书\n".encode("gb18030")
    with pytest.raises(DataError, match=r"f:1: .*looks like GB18030: .*, or name it with --encoding gb18030; to skip"):
        predicted(tmp_path / "f", data)
    with pytest.raises(DataError, match=r"f:2: 0xff is not gb18030 .*name its encoding with --encoding; to skip"):
        predicted(tmp_path / "f", data + b"\xff\n", encoding="gb18030")
    with caplog.at_level(logging.WARNING):
        assert len(predicted(tmp_path / "f", data + b"\xff\n", encoding="gb18030", on_error="skip")) == 1
    with pytest.raises(ConfigError, match="--encoding is 'gb2', which is no encoding"):
        predicted(tmp_path / "f", data, encoding="gb2")
