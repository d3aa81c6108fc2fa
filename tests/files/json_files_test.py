import json
from pathlib import Path

import pytest

from ner_plugins.archives.assets import Assets
from ner_plugins.comparison.prediction_files import PredictionFile, read_predictions
from ner_plugins.errors import ArchiveError, ConfigError, DataError
from ner_plugins.files.export_manifest import MANIFEST, ExportManifest
from ner_plugins.files.json_files import parsed_json, read_json_object
from ner_plugins.files.run_record import RECORD, read_record

DEEP = "[" * 100_000
UNREADABLE = [DEEP, '{"a": ' + "9" * 5000 + "}", "{", b"\xff{}", ""]


def test_values() -> None:
    assert parsed_json('{"a": [1, "б"]}') == parsed_json('{"a": [1, "б"]}'.encode()) == {"a": [1, "б"]}


@pytest.mark.parametrize("text", UNREADABLE, ids=["deep", "digits", "cut off", "no UTF-8", "empty"])
def test_what_cannot_be_read_is_one_kind_of_error(text: str | bytes, tmp_path: Path) -> None:
    """Python raises `RecursionError` for the first, which no caller expects."""
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        parsed_json(text)
    data = text if isinstance(text, bytes) else text.encode()
    for name in ("metrics.json", RECORD, MANIFEST, "predictions.jsonl"):
        (tmp_path / name).write_bytes(data or b"\n")
    Assets(tmp_path).root.mkdir()
    (Assets(tmp_path).root / "manifest.json").write_bytes(data)
    with pytest.raises(ConfigError, match=r"metrics\.json: not valid JSON"):
        read_json_object(tmp_path / "metrics.json")
    with pytest.raises(ConfigError, match=r"run\.json: not valid JSON"):
        read_record(tmp_path)
    with pytest.raises(ArchiveError, match=r"manifest\.json: damaged"):
        ExportManifest.read(tmp_path)
    with pytest.raises(ArchiveError, match="cannot be read as JSON"):
        Assets(tmp_path).check_version()
    with pytest.raises(DataError, match=r"predictions\.jsonl"):
        read_predictions(PredictionFile(tmp_path / "predictions.jsonl"), [])
