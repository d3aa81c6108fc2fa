"""
Twenty training steps of every config, and the predictions of a batch, are as they were (`tests/golden/*.json`).

The runs are in float64, whose rounding (1e-16) stays far below the tolerance even after twenty steps. What is left are
the initial weights: torch draws them in float32, and its vectorised `normal_` rounds differently from processor to
processor, by 1e-7. A factor of 1,000 for what training makes of that gives the tolerance of 1e-4; any change of what is
computed shows in the third digit. Dropout and shuffling draw from torch's generator, whose stream is the same on all
x86-64 processors, but another one elsewhere.
"""

import json
import platform
from pathlib import Path

import pytest
from loaded_scripts import load_script
from tiny_encoders import make_encoder

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
TOLERANCE = 1e-4

golden = load_script("golden")
CONFIGS = {name: (path, settings) for name, path, settings in golden.configs(ROOT)}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_encoder(tmp_path_factory.mktemp("golden") / "encoder")


def test_every_config_has_its_figures() -> None:
    files = {path.name for path in GOLDEN.glob("*.json")} - {"public_surface.json"}
    assert files == {golden.file_name(name) for name in CONFIGS}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="torch draws other numbers on this processor")
@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_trains_and_predicts_as_before(name: str, encoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path, settings = CONFIGS[name]
    found = golden.run(path, settings, encoder, double=True)
    expected = json.loads((GOLDEN / golden.file_name(name)).read_text(encoding="utf-8"))
    assert found["losses"] == pytest.approx(expected["losses"], rel=TOLERANCE)
    for sentence, before in zip(found["predictions"], expected["predictions"], strict=True):
        assert [entity[:3] for entity in sentence] == [entity[:3] for entity in before]
        assert [entity[3] for entity in sentence] == pytest.approx([entity[3] for entity in before], abs=TOLERANCE)


def test_a_difference_is_named(tmp_path: Path) -> None:
    for side, loss in (("a", 1.0), ("b", 1.0000001)):
        (tmp_path / side).mkdir()
        text = json.dumps({"losses": [2.0, loss], "predictions": [[]]})
        (tmp_path / side / "span.json").write_text(text, encoding="utf-8")
    assert golden.differences(tmp_path / "a", tmp_path / "b") == ["span.json: losses differ from number 1 on"]
    assert golden.differences(tmp_path / "a", tmp_path / "a") == []
    (tmp_path / "b/new.json").write_text("{}", encoding="utf-8")
    assert "new.json: only on one side" in golden.differences(tmp_path / "a", tmp_path / "b")
