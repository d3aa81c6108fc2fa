"""An export is a whole folder or none, and its manifest says what it is of."""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any, Mapping

import pytest
from fitted_archive import run_here

from ner_plugins.archives.digest import archive_digest
from ner_plugins.commands.ner_export import NerExportCommand
from ner_plugins.errors import ArchiveError, ConfigError
from ner_plugins.exports import ExportOptions, ExportSource, ExportTarget
from ner_plugins.exports.registry import TARGETS
from ner_plugins.files.export_manifest import FORMAT_VERSION, MANIFEST, ExportManifest, is_export

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = ROOT / "fixtures/archives/biaffine.tar.gz"
SEEN: list[ExportOptions] = []


def export(source: ExportSource, folder: Path, options: ExportOptions) -> Mapping[str, Any]:
    """The target `listed`."""
    assert not source.model.training and not any(folder.iterdir())
    SEEN.append(options)
    (folder / "types.txt").write_text("\n".join(source.model.types))
    if options.dev == "fail":
        raise ConfigError("not this one")
    return {"reader": type(source.reader).__name__}


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    module = types.ModuleType("listed_target")
    module.export = export  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "listed_target", module)
    monkeypatch.setitem(TARGETS, "listed", ExportTarget("listed_target", "the types", frozenset({"dev"})))


def run(*arguments: object) -> None:
    run_here(NerExportCommand(), "ner-export", *arguments, "--to", "listed")


@pytest.mark.parametrize("empty", [False, True])
def test_a_new_folder_with_a_manifest(tmp_path: Path, empty: bool, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "새 모델"
    if empty:
        folder.mkdir()
    run(ARCHIVE, "-o", folder, "--dev", "d")
    assert SEEN[-1].dev == "d" and os.listdir(tmp_path) == [folder.name]
    assert sorted(os.listdir(folder)) == ["README.md", MANIFEST, "types.txt"]
    manifest = ExportManifest.read(folder)
    assert (folder / "types.txt").read_text().split() == manifest.types
    assert (manifest.target, manifest.archive) == ("listed", "biaffine.tar.gz")
    assert manifest.archive_digest == hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    assert manifest.details["reader"].endswith("Reader")
    assert str(folder) in capsys.readouterr().out and is_export(folder) and not is_export(tmp_path)


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not this one"):
        run(ARCHIVE, "-o", tmp_path / "new", "--dev", "fail")
    assert not any(tmp_path.iterdir())


def test_what_stops_an_export_before_the_model_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("kept")
    for folder, message in (
        ("full", "is not empty: name a new folder, or remove this one first"),
        ("full/file", "is not a folder"),
        ("none/new", "there is no folder"),
    ):
        with pytest.raises(ConfigError, match=message):
            run("no-such-archive", "-o", tmp_path / folder)
    with pytest.raises(ConfigError, match="--quantize has no effect with --to listed: remove it"):
        run("no-such-archive", "-o", tmp_path / "new", "--quantize", "int8")
    with pytest.raises(ConfigError, match="--max-loss has no effect"):
        run("no-such-archive", "-o", tmp_path / "new", "--max-loss", "1")
    assert (tmp_path / "full/file").read_text() == "kept"


def test_manifests_that_are_none(tmp_path: Path) -> None:
    ExportManifest("listed", ["A"], "0" * 64, "model.tar.gz").write(tmp_path)
    path = tmp_path / MANIFEST
    written = json.loads(path.read_text())
    for content, message in (
        (json.dumps({**written, "format_version": FORMAT_VERSION + 1, "package_version": "9.1"}),
         rf"format_version is {FORMAT_VERSION + 1}.*Install the ner_plugins that wrote it \(9\.1\)"),
        (path.read_text()[:40], "damaged"),
        ("{}", "not of an exported model"),
        ("[]", "not of an exported model"),
        (json.dumps({"format": written["format"], "target": "listed"}), "damaged"),
        (json.dumps({**written, "types": 3}), "damaged"),
    ):  # fmt: skip
        path.write_text(content)
        with pytest.raises(ArchiveError, match=message):
            ExportManifest.read(tmp_path)
    path.unlink()
    with pytest.raises(ArchiveError, match=r"has no manifest\.json.*copy it again, or export"):
        ExportManifest.read(tmp_path)


def test_the_digest_of_a_folder_is_of_the_model_files(tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    before = archive_digest(tmp_path)
    (tmp_path / "log.txt").write_text("of the run")
    assert archive_digest(tmp_path) == before
    (tmp_path / "config.json").write_bytes((tmp_path / "config.json").read_bytes() + b" ")
    assert archive_digest(tmp_path) != before
