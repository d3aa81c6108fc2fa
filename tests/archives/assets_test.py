"""What an archive carries: whole or not at all, of a known version, and read only from there when loading."""

import json
from pathlib import Path

import pytest

from ner_plugins.archives import assets as archive_assets
from ner_plugins.archives.assets import Assets, asset_name, is_loading, loading
from ner_plugins.errors import ArchiveError
from ner_plugins.version import VERSION


def _write_lexicon(folder: Path) -> None:
    (folder / "lexicon.txt").write_text("北京\n", encoding="utf-8")


def test_loading_is_said_only_inside_the_context() -> None:
    assert not is_loading()
    with loading():
        with loading():
            assert is_loading()
        assert is_loading()
    assert not is_loading()
    with pytest.raises(KeyError), loading():
        raise KeyError
    assert not is_loading()


def test_a_saved_folder_is_read_back(tmp_path: Path) -> None:
    assets = Assets(tmp_path / "run")
    assert not assets.exists()
    assets.save_folder("lexicon", _write_lexicon)
    assert assets.exists()
    assert (assets.require("lexicon", "the lexicon") / "lexicon.txt").read_text(encoding="utf-8") == "北京\n"
    manifest = json.loads((tmp_path / "run" / "ner_assets" / "manifest.json").read_text())
    assert manifest["format_version"] == 2 and manifest["ner_plugins"] == VERSION
    assert manifest["torch"][0].isdigit() and manifest["transformers"][0].isdigit()


def test_a_folder_that_is_there_is_kept(tmp_path: Path) -> None:
    assets = Assets(tmp_path)
    assets.save_folder("lexicon", _write_lexicon)
    assets.save_folder("lexicon", lambda folder: pytest.fail("written again"))
    assert [path.name for path in assets.folder("lexicon").iterdir()] == ["lexicon.txt"]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    assets = Assets(tmp_path)

    def interrupted(folder: Path) -> None:
        _write_lexicon(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assets.save_folder("lexicon", interrupted)
    assert {path.name for path in assets.root.iterdir()} == {"manifest.json"}


def test_of_two_writers_at_once_both_succeed(tmp_path: Path) -> None:
    assets = Assets(tmp_path)

    def overtaken(folder: Path) -> None:
        Assets(tmp_path).save_folder("lexicon", _write_lexicon)
        _write_lexicon(folder)

    assets.save_folder("lexicon", overtaken)
    assert {path.name for path in assets.root.iterdir()} == {"manifest.json", "lexicon"}


def test_json_is_replaced(tmp_path: Path) -> None:
    assets = Assets(tmp_path)
    assets.save_json("thresholds.json", {"地址": 0.5})
    assets.save_json("thresholds.json", {"地址": 0.25})
    assert assets.load_json("thresholds.json", "the thresholds") == {"地址": 0.25}
    assert {path.name for path in assets.root.iterdir()} == {"manifest.json", "thresholds.json"}


def test_only_rank_0_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch import distributed

    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    assets = Assets(tmp_path)
    assets.save_folder("lexicon", _write_lexicon)
    assets.save_json("thresholds.json", {})
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(distributed, "get_rank", lambda: 0)
    assets.save_folder("lexicon", _write_lexicon)
    assert assets.exists()


def test_missing_assets_are_named_with_what_to_do(tmp_path: Path) -> None:
    assets = Assets(tmp_path)
    with pytest.raises(ArchiveError, match=r"ner_assets.*not found.*retrain"):
        assets.require("lexicon", "the lexicon of 'words.txt'")
    assets.save_json("other.json", 1)
    message = r"does not carry the lexicon of 'words.txt' \(lexicon; .*other.json.*retrain"
    with pytest.raises(ArchiveError, match=message):
        assets.require("lexicon", "the lexicon of 'words.txt'")


def test_another_format_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assets = Assets(tmp_path)
    with monkeypatch.context() as later:
        later.setattr(archive_assets, "FORMAT_VERSION", 7)
        later.setattr(archive_assets, "VERSION", "9.9")
        assets.save_folder("lexicon", _write_lexicon)
    message = rf"format_version is 7, .* \({VERSION}\) reads 1 and 2\. Retrain, or use .* wrote it \(9\.9\)"
    with pytest.raises(ArchiveError, match=message):
        assets.require("lexicon", "the lexicon")
    with pytest.raises(ArchiveError, match=message):
        assets.save_folder("other", _write_lexicon)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\udce4"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    assets = Assets(tmp_path)
    assets.save_manifest()
    (assets.root / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ArchiveError, match=r"manifest.json"):
        assets.check_version()


def test_names_are_readable_safe_and_distinct() -> None:
    assert asset_name("models/bert-base-chinese").startswith("bert-base-chinese-")
    assert asset_name("models/bert") == asset_name("models/bert/") == asset_name("models\\bert")
    assert asset_name("a/bert") != asset_name("b/bert")
    for source in ("/", "..", "词典/人名.txt", "a" * 300, "\ud800"):
        name = asset_name(source)
        assert name.isascii() and "/" not in name and not name.startswith(".") and len(name) < 80
